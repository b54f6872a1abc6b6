"""Keys and passwords of an embedded installation: made once, kept in DATA_DIR/keys.env (mode 600)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from launcher.errors import LaunchError, sentence_for


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


PORTAL_KEYS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "NIR_KEYS": lambda: f"k1:{_key()}",
    "NIR_HASH_KEY": _key,
    "AUDIT_KEY": _key,
    "AGORA_CLIENT_SECRET": lambda: secrets.token_urlsafe(32),
    "AGORA_JWT_KEY": lambda: secrets.token_urlsafe(48),
    "METRICS_TOKEN": lambda: secrets.token_urlsafe(24),
}
SERVER_PASSWORDS: dict[str, Callable[[], str]] = {
    "PG_SUPERUSER_PASSWORD": lambda: secrets.token_urlsafe(24),
    "PG_OWNER_PASSWORD": lambda: secrets.token_urlsafe(24),
    "PG_APP_PASSWORD": lambda: secrets.token_urlsafe(24),
}


def generate() -> dict[str, str]:
    """A new set of the keys that production needs in its environment."""
    return {name: make() for name, make in PORTAL_KEYS.items()}


def load(path: Path) -> dict[str, str]:
    """The keys kept in `path`; missing ones are made and written before they are used anywhere."""
    kept: dict[str, str] = {}
    try:
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                name, separator, value = line.partition("=")
                if separator and not line.startswith("#"):
                    kept[name.strip()] = value.strip()
    except OSError as error:
        raise LaunchError(sentence_for(error, f"lire les clés de {path}")) from None
    makers = PORTAL_KEYS | SERVER_PASSWORDS
    missing = {name: make() for name, make in makers.items() if not kept.get(name)}
    if missing:
        kept |= missing
        text = "# Clés de cette installation : sans elles, les données chiffrées ne se lisent plus. À sauvegarder à part.\n"
        write_private(path, text + "".join(f"{name}={value}\n" for name, value in kept.items()))
    return kept


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 600 that is either whole or absent, even when the power fails."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise LaunchError(sentence_for(error, f"écrire {path}")) from None
