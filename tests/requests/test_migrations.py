"""Migrations of the requests on a base that holds data: nobody's rows are out of reach, nothing that was written is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.core import schema

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _base(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str], name: str) -> Iterator[tuple[Any, str]]:
    app_url, owner_url = databases.create_empty(name)
    url = make_url(engines["superuser"]).set(database=make_url(app_url).database).render_as_string(hide_password=False)
    yield make_settings(app_url, owner_url), url
    databases.drop(name)


_REQUEST = (
    "INSERT INTO modification_request (id, organisation_id, action_id, kind, state, changes, motivation, observations, notes, treatment,"
    " rule_version_id, rule_id, sent_at, decided_at, version, created_at, updated_at)"
    " VALUES (%s, 1, %s, %s, %s, '[{}]', 'x', %s, %s, %s, %s, %s, now(), %s, 1, now(), now())"
)
_EVENT = (
    "INSERT INTO modification_request_event (organisation_id, request_id, event, to_state, happened_at, comment, notes)"
    " VALUES (1, %s, %s, %s, now(), %s, %s)"
)
NOTES = '[{"target": "action", "id": 1, "field": "planned_end", "text": "Trop tard."}, {"target": "action", "id": 1, "field": "places", "text": "Trop."}]'


def test_a_base_with_requests_goes_down_and_up_again(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    """A request on partners, one recorded at once, one refused with words on lines alone, one with both kinds of words."""
    with _base(databases, make_settings, engines, "requests_down") as (settings, url):
        schema.upgrade(settings, "0018")
        with psycopg.connect(url) as sql:
            sql.execute("SET session_replication_role = replica")
            sql.execute("INSERT INTO market_rule_version (id, number, published_at, created_at, updated_at) VALUES (901, 901, now(), now(), now())")
            sql.execute("INSERT INTO market_rule (id, version_id, position, outcome, created_at, updated_at) VALUES (901, 901, 1, 'record', now(), now())")
            rows = (
                (1, "partners", "pending", "", "[]", "instruct", None), (2, "dates", "validated", "", "[]", "record", 901),
                (3, "dates", "refused", "", NOTES, "instruct", None), (4, "sites", "refused", "Non.", NOTES, "instruct", None),
            )  # fmt: skip
            for number, kind, state, words, notes, treatment, rule in rows:
                decided = None if state == "pending" else "2026-11-01"
                sql.execute(_REQUEST, (number, number, kind, state, words, notes, treatment, rule, rule, decided))
                event = {"pending": "send", "validated": "record"}.get(state, "refuse")
                sql.execute(_EVENT, (number, event, state, words, notes if notes != "[]" else None))
        schema.downgrade(settings, "0017")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id, observations FROM modification_request ORDER BY id").fetchall() == [
                (1, ""), (2, ""), (3, "Trop tard.\nTrop."), (4, "Non.\nTrop tard.\nTrop."),
            ]  # fmt: skip
            assert sql.execute("SELECT event, comment FROM modification_request_event ORDER BY request_id").fetchall() == [
                ("send", ""), ("validate", ""), ("refuse", "Trop tard.\nTrop."), ("refuse", "Non.\nTrop tard.\nTrop."),
            ]  # fmt: skip
        schema.downgrade(settings, "0016")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id FROM modification_request ORDER BY id").fetchall() == [(2,), (3,), (4,)]
            assert sql.execute("SELECT request_id FROM modification_request_event ORDER BY 1").fetchall() == [(2,), (3,), (4,)]
        schema.upgrade(settings, "0018")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id, state, treatment FROM modification_request ORDER BY id").fetchall() == [
                (2, "validated", "instruct"), (3, "refused", "instruct"), (4, "refused", "instruct"),
            ]  # fmt: skip


def test_conventions_of_an_older_base_may_ask_for_the_closing(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    with _base(databases, make_settings, engines, "closing") as (settings, url):
        schema.upgrade(settings, "0012")
        with psycopg.connect(url) as sql:
            for number, kind in ((901, "convention"), (902, "market")):
                sql.execute("SET session_replication_role = replica")
                sql.execute(
                    "INSERT INTO programme (id, code, label, kind, agora_enabled, nir_required, valid_from, created_at, updated_at)"
                    " VALUES (%s, %s, 'x', %s, false, false, '2020-01-01', now(), now())",
                    (number, f"P{number}", kind),
                )
        schema.upgrade(settings, "0014")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id, closing_on_request FROM programme WHERE id > 900 ORDER BY id").fetchall() == [(901, True), (902, False)]


def test_what_letters_say_is_found_for_the_requests_there_are(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    """A request whose letter was signed before keeps it: the word is the one it was signed under, with its pieces."""
    from app.requests.domain.changes import stated

    with _base(databases, make_settings, engines, "letters") as (settings, url):
        schema.upgrade(settings, "0019")
        with psycopg.connect(url) as sql:
            sql.execute("SET session_replication_role = replica")
            for number in (1, 2):
                sql.execute(_REQUEST, (number, number, "dates", "pending", "", "[]", "instruct", None, None, None))
            sql.execute(
                "INSERT INTO request_document (organisation_id, action_id, request_id, role, name, media_type, size, sha256, added_at)"
                " VALUES (1, 1, 1, 'supporting', 'devis.pdf', 'application/pdf', 1, 'abc', now()), (1, 1, 1, 'letter', 'l.pdf', 'application/pdf', 1, 'def', now())"
            )
        schema.upgrade(settings, "0024")
        with psycopg.connect(url) as sql:
            rows = sql.execute("SELECT stated FROM modification_request ORDER BY id").fetchall()
        assert rows == [(stated([{}], "x", ["abc"]),), (stated([{}], "x", []),)]
        schema.downgrade(settings, "0019")
        schema.upgrade(settings, "0024")


def test_rules_that_had_the_same_order_are_numbered_anew(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    """In the order in which they were asked, also in a published version; a version without such rules stays as it is."""
    with _base(databases, make_settings, engines, "rule_order") as (settings, url):
        schema.upgrade(settings, "0024")
        with psycopg.connect(url) as sql:
            sql.execute("SET session_replication_role = replica")
            for version in (901, 902):
                sql.execute(
                    "INSERT INTO market_rule_version (id, number, published_at, created_at, updated_at) VALUES (%s, %s, now(), now(), now())", (version, version)
                )
            for number, version, position in ((911, 901, 5), (912, 901, 7), (913, 901, 5), (914, 902, 5), (915, 902, 7)):
                sql.execute(
                    "INSERT INTO market_rule (id, version_id, position, outcome, created_at, updated_at) VALUES (%s, %s, %s, 'record', now(), now())",
                    (number, version, position),
                )
        schema.upgrade(settings, "0025")
        with psycopg.connect(url) as sql:
            found = sql.execute("SELECT id, position FROM market_rule WHERE id > 900 ORDER BY id").fetchall()
            assert found == [(911, 10), (912, 30), (913, 20), (914, 5), (915, 7)]
            with pytest.raises(psycopg.errors.RestrictViolation):
                sql.execute("UPDATE market_rule SET position = 6 WHERE id = 914")
        schema.downgrade(settings, "0024")
        schema.upgrade(settings, "0025")


def test_what_the_region_corrected_counts_as_typed_before(databases: Any, make_settings: Callable[..., Any], engines: dict[str, str]) -> None:
    with _base(databases, make_settings, engines, "region_source") as (settings, url):
        schema.upgrade(settings, "0023")
        with psycopg.connect(url) as sql:
            sql.execute("SET session_replication_role = replica")
            for number, source in ((901, "AGORA"), (902, "REGION"), (903, "TYPED")):
                sql.execute(
                    "INSERT INTO trainee (id, organisation_id, seal_uid, civility, birth_name, first_name, birth_date, gender, identity_source, sort_name,"
                    " created_at, updated_at) VALUES (%s, 1, gen_random_uuid(), 'M', 'X', %s, '1985-06-02', 'M', %s, %s, now(), now())",
                    (number, source, source, source),
                )
        schema.downgrade(settings, "0022")
        with psycopg.connect(url) as sql:
            assert sql.execute("SELECT id, identity_source FROM trainee ORDER BY id").fetchall() == [(901, "AGORA"), (902, "TYPED"), (903, "TYPED")]
        schema.upgrade(settings, "0023")
