"""Many rows in a world, as copies of demonstration rows made by SQL; triggers rest meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.bench.world import World


@contextmanager
def filling(world: World) -> Iterator[Any]:
    """A connection that fires no trigger; what it wrote is committed and analysed at the end."""
    import psycopg
    from sqlalchemy.engine import make_url

    database = make_url(world.app_url).database
    url = make_url(world.superuser_url).set(database=database).render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        yield connection
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def copy_rows(connection: Any, table: str, changes: Mapping[str, str], *, model: int, count: int) -> None:
    """``count`` copies of the row ``model`` of a table; ``changes`` gives the columns that differ, in SQL over ``n``, from 1 to ``count``."""
    named = "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = 'public' AND is_generated = 'NEVER'"
    columns = [row[0] for row in connection.execute(named, (table,))]
    values = ", ".join(changes.get(column, f'm."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    connection.execute(f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {table} m, generate_series(1, {count}) n WHERE m.id = {model}")
