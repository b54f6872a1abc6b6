"""Imports run in one direction, and the domain stays pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"

#: From the ground up; a package may import those before it, never those after it.
ORDER = ["core", "reference", "accounts", "partners", "actions", "trainees", "surveys", "exchanges", "requests", "imports", "dashboard"]

#: What a pure rule may stand on besides the standard library and other domains.
PURE = {"stdnum", "phonenumbers", "email_validator"}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                package = path.relative_to(ROOT).with_suffix("").parts
                base = ".".join(package[: len(package) - node.level])
                yield f"{base}.{node.module}" if node.module else base
            elif node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules() -> list[Path]:
    return sorted(APP.rglob("*.py"))


def test_every_package_has_its_place() -> None:
    found = {path.name for path in APP.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_imports_run_one_way(package: str) -> None:
    later = set(ORDER[ORDER.index(package) + 1 :])
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules()
        if path.relative_to(APP).parts[0] == package
        for name in _imports(path)
        if name.startswith("app.") and name.split(".")[1] in later
    ]
    assert not wrong, wrong


def test_domain_modules_are_pure() -> None:
    """``domain.py`` needs no application and no database (``core.workflow``, ``core.nir``, ``core.roles``, ``core.person_names``, a partner’s port and other domains are as pure)."""
    wrong = []
    for path in _modules():
        if path.stem != "domain" and "domain" not in path.parts:
            continue
        for name in _imports(path):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in PURE:
                continue
            if (
                name.startswith(("app.core.workflow", "app.core.nir", "app.core.roles", "app.core.person_names", "app.partners.agora.port"))
                or ".domain" in name
                or name in ("app.core", "app")
            ):
                continue
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, wrong


def test_time_comes_from_the_clock() -> None:
    wrong = []
    for path in _modules():
        if path.name == "clock.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("now", "utcnow", "today"):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in ("datetime", "date"):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, wrong


def test_only_the_transaction_owner_commits() -> None:
    """Services commit through ``core.transaction``; migrations and Flask-AppBuilder’s own interface are the exceptions."""
    allowed = {APP / "core" / "transaction.py", APP / "core" / "schema.py", APP / "core" / "fab" / "interface.py"}
    wrong = []
    for path in _modules():
        if path in allowed or "sandbox" in path.parts:
            continue
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"
        ]
    assert not wrong, wrong


def test_modules_stay_readable() -> None:
    long = {str(path.relative_to(ROOT)): n for path in _modules() if (n := path.read_text(encoding="utf-8").count("\n")) > 550}
    assert not long, long
