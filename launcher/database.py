"""Bringing the database up to the code, and checking that everything a part needs is there.

The only module of the launcher that uses the portal's packages; it runs in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from launcher.errors import LaunchError

if TYPE_CHECKING:
    import psycopg
    from flask import Flask

    from config import Settings

CONNECT_SECONDS = 20.0


def prepare(settings: Settings) -> None:
    """Schema, roles and permissions, reference values, and the demonstration in demonstration mode. Idempotent.

    Two machines that do it at once wait for each other. Raises LaunchError with one sentence.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from app import create_app
    from app.core import schema
    from app.core.rls import RoleSetupError

    _wait_for_database(settings)
    check_queue(settings)
    try:
        schema.upgrade(settings)
    except RoleSetupError:
        raise LaunchError(
            "Les rôles de la base de données manquent et le rôle de DATABASE_OWNER_URL ne peut pas les créer : "
            "faites jouer une fois launcher/roles.sql par l’administrateur de la base."
        ) from None
    except SQLAlchemyError as error:
        raise LaunchError(f"La mise à jour du schéma a échoué : {_first_line(error)}.") from error
    _check_roles(settings)
    app = create_app(settings)
    for command in ("sync-security", "load-demo" if settings.demo else "load-reference"):
        _flask(app, command)


def check(settings: Settings) -> list[str]:
    """Looks at everything once. Returns remarks that stop nothing; raises LaunchError for what does."""
    from app.core import schema

    with _connect(settings.database_url, "DATABASE_URL"):
        pass
    _check_roles(settings)
    found = _revisions(settings)
    if found != set(schema.heads()):
        raise LaunchError("Le schéma de la base de données n’est pas celui de ce code : lancez « python run.py migrate ».")
    return list(check_queue(settings))


def check_queue(settings: Settings) -> Iterator[str]:
    """Redis answers; remarks about settings under which queued work could be lost."""
    import redis

    client = redis.Redis.from_url(settings.redis_url, socket_connect_timeout=5, socket_timeout=5)
    try:
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise LaunchError(f"Redis ne répond pas à REDIS_URL ({_where(settings.redis_url)}) : {_first_line(error)}.") from None
    remarks = []
    try:
        if client.config_get("appendonly").get("appendonly") == "no":
            remarks.append("Redis n’écrit pas son journal (appendonly no) : les travaux en attente seraient retardés après une panne.")
        if client.config_get("maxmemory-policy").get("maxmemory-policy") != "noeviction":
            remarks.append("Redis peut jeter des travaux quand sa mémoire est pleine (maxmemory-policy doit être noeviction).")
    except redis.RedisError:
        pass  # a managed Redis may hide its settings
    finally:
        client.close()
    return iter(remarks)


def _wait_for_database(settings: Settings) -> None:
    """A database that starts at the same time as the portal is given a moment; a wrong address or password is told at once."""
    limit = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            with _connect(settings.database_owner_url, "DATABASE_OWNER_URL"):
                return
        except _Starting:
            if time.monotonic() > limit:
                raise
            time.sleep(0.5)


class _Starting(LaunchError):
    """The server is there but not ready."""


def _connect(url: str, name: str) -> psycopg.Connection[tuple[object, ...]]:
    import psycopg

    try:
        return psycopg.connect(url, connect_timeout=5, application_name="portail-check")
    except psycopg.OperationalError as error:
        said = str(error)
        where = _where(url)
        if "starting up" in said or "recovery" in said:
            raise _Starting(f"PostgreSQL démarre encore ({where}) : réessayez dans un instant.") from None
        if "password authentication failed" in said or "no password supplied" in said:
            raise LaunchError(f"PostgreSQL refuse l’identifiant ou le mot de passe de {name} ({where}).") from None
        if "does not exist" in said:
            raise LaunchError(f"La base de données ou le rôle de {name} n’existe pas ({where}) : créez-les avec launcher/roles.sql.") from None
        raise LaunchError(f"PostgreSQL ne répond pas à {name} ({where}) : {_first_line(error)}.") from None


def _check_roles(settings: Settings) -> None:
    """Refuses a role that row-level security does not bind."""
    with _connect(settings.database_url, "DATABASE_URL") as connection:
        found = connection.execute("SELECT rolsuper OR rolbypassrls, rolname FROM pg_roles WHERE rolname = current_user").fetchone()
    if found and found[0]:
        raise LaunchError(f"Le rôle {found[1]} de DATABASE_URL contourne le cloisonnement des organismes (SUPERUSER ou BYPASSRLS) : utilisez portal_app, créé par launcher/roles.sql.")


def _revisions(settings: Settings) -> set[str]:
    with _connect(settings.database_owner_url, "DATABASE_OWNER_URL") as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL").fetchone() != (True,):
            return set()
        return {str(row[0]) for row in connection.execute("SELECT version_num FROM public.alembic_version")}


def _flask(app: Flask, command: str) -> None:
    """Runs one of the application's own commands in this process."""
    import click
    from flask.cli import ScriptInfo

    try:
        app.cli.main(args=[command], prog_name="flask", obj=ScriptInfo(create_app=lambda: app), standalone_mode=False)
    except click.ClickException as error:
        raise LaunchError(f"La commande « flask {command} » a échoué : {error.format_message()}") from None


def _where(url: str) -> str:
    """The address without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'socket locale'}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _first_line(error: BaseException) -> str:
    """The first line of a message, without what PostgreSQL quotes of a row."""
    text = str(getattr(error, "orig", None) or error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")
