"""What the processes that serve do not load: each holds the whole application, so a library is paid once a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import TestSettings

ROOT = Path(__file__).resolve().parents[2]

#: Known by their last part: not in memory once a process is ready.
ABSENT = ("rich", "greenlet", "pygments", "alembic", "zxcvbn", "reportlab", "PIL")

LOADED = """
import sys
from app import create_app
create_app()
import structlog.dev
import app.partners.agora.channel
from app.core import lean
print(*(name for name in {absent} if name in sys.modules))
print(*(name for name in lean.LATER if name in sys.modules and type(sys.modules[name]) is not lean.Unread))
from sqlalchemy.dialects import oracle
import jsonschema, phonenumbers
print(oracle.dialect.name, jsonschema.validate(1, {{"type": "integer"}}), phonenumbers.is_valid_number(phonenumbers.parse("05 61 33 50 50", "FR")))
"""


@pytest.fixture
def environment() -> dict[str, str]:
    settings = TestSettings.for_tests(
        database_url="postgresql://nobody@/none?host=/none", database_owner_url="postgresql://nobody@/none?host=/none", redis_url="unix:///none"
    )
    given = {name: str(value) for name, value in vars(settings).items() if value not in (None, "", False)}
    return os.environ | {name.upper(): value for name, value in given.items()} | {"PORTAL_ENV": "test", "PYTHONPATH": str(ROOT)}


def _run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_application_loads_nothing_large_that_it_does_not_use(environment: dict[str, str]) -> None:
    absent, read, usable = _run(environment, "-c", LOADED.format(absent=ABSENT)).split("\n")[:3]
    assert not absent.split()
    assert not read.split(), "somebody uses these at the start: they need not be put off any more"
    assert usable == "oracle None True"  # put off, not taken away


def test_the_scheduler_loads_neither_flask_nor_the_application(environment: dict[str, str]) -> None:
    code = "import sys, app.core.jobs.scheduler; from app.core.jobs.connection import working_client; working_client(); print('flask' in sys.modules)"
    assert _run(environment, "-c", code).split() == ["False"]


def test_migrations_keep_their_command(environment: dict[str, str]) -> None:
    from app.core.schema import heads

    assert heads()[0] in _run(environment, "-m", "flask", "--app", "app", "db", "heads")
