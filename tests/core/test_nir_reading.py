"""A number read in clear leaves a trace in the same transaction, or is not read."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import nir
from app.core.crypto import TamperedCiphertext
from app.core.nir import storage
from app.core.nir.reading import Read, ReasonRequired, journal_readings, reveal_for_partner, reveal_nir
from app.core.tenancy import Scope
from app.core.transaction import transaction

NUMBER = nir.parse("162071315508982")


@dataclass
class Person:
    """Stands for a row; the rules do not depend on a feature's table."""

    id: int
    organisation_id: int = 1
    seal_uid: uuid.UUID = field(default_factory=uuid.uuid4)
    nir_ciphertext: bytes | None = None
    nir_hash: bytes | None = None
    nir_kind: str | None = None
    nir_masked: str = ""
    __tablename__ = "trainee"


@pytest.fixture
def tenant(kernel: Any) -> Iterator[Any]:
    with kernel.working(Scope.organisation(1), actor=5) as session:
        yield session


def _person(identifier: int, number: nir.Nir | None = NUMBER) -> Person:
    person = Person(identifier)
    storage.store_nir(person, number)
    return person


def _reveal_and_fail() -> None:
    reveal_nir(_person(14), reason="contrôle")
    raise ZeroDivisionError


def _trace(session: Any, identifier: int) -> list[Any]:
    rows = session.execute(text("SELECT * FROM nir_reading WHERE subject_id = :i ORDER BY id"), {"i": identifier}).all()
    session.rollback()
    return list(rows)


def test_stored_encrypted_indexed_and_masked(tenant: Any) -> None:
    one, other = _person(1), _person(2)
    assert one.nir_ciphertext != other.nir_ciphertext
    assert one.nir_hash == other.nir_hash
    assert one.nir_hash in storage.nir_candidates(NUMBER)
    assert len(one.nir_hash) == 32
    assert (one.nir_kind, one.nir_masked) == ("NIR", "1 62 07 ** *** *** **")
    for stored in (one.nir_ciphertext, one.nir_hash):
        assert NUMBER.number.encode() not in stored
    storage.store_nir(one, None)
    assert one.nir_ciphertext is one.nir_hash is one.nir_kind is None
    assert one.nir_masked == ""


def test_a_reading_is_journaled_with_its_reason(tenant: Any) -> None:
    found = reveal_nir(_person(11), reason="  contrôle   du dossier ")
    assert found is not None
    assert found.value == NUMBER.value
    trace = _trace(tenant, 11)[0]
    assert (trace.actor_id, trace.subject_type, trace.organisation_id, trace.purpose) == (5, "trainee", 1, "screen")
    assert trace.reason == "contrôle du dossier"
    assert trace.request_id
    assert trace.at.tzinfo


def test_the_address_of_the_reader_is_noted(kernel: Any, tenant: Any) -> None:
    with kernel.app.test_request_context("/", environ_base={"REMOTE_ADDR": "127.0.0.9"}):
        journal_readings([Read("trainee", 12, 1)], reason="recherche", purpose="search")
        assert _trace(tenant, 12)[0].ip_address == "127.0.0.9"


@pytest.mark.parametrize("reason", ["", "   ", "ok", None])
def test_no_reason_no_reading(tenant: Any, reason: Any) -> None:
    with pytest.raises(ReasonRequired):
        reveal_nir(_person(13), reason=reason)
    assert _trace(tenant, 13) == []


def test_a_reading_that_is_rolled_back_or_cannot_be_journaled_does_not_happen(tenant: Any) -> None:
    with pytest.raises(ZeroDivisionError), transaction():
        _reveal_and_fail()
    assert _trace(tenant, 14) == []
    foreign = _person(15)
    foreign.organisation_id = 2
    with pytest.raises(DBAPIError):
        reveal_nir(foreign, reason="contrôle")


def test_nothing_to_read_leaves_no_trace(tenant: Any) -> None:
    assert reveal_nir(_person(16, None), reason="contrôle") is None
    assert _trace(tenant, 16) == []


def test_a_number_moved_to_another_row_is_refused(tenant: Any) -> None:
    one, other = _person(17), _person(18)
    one.nir_ciphertext = other.nir_ciphertext
    with pytest.raises(TamperedCiphertext):
        reveal_nir(one, reason="contrôle")
    assert _trace(tenant, 17) == []


def test_sending_to_a_partner_is_journaled_in_one_statement(tenant: Any) -> None:
    from sqlalchemy import event

    from app.core.extensions import db

    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    found = reveal_for_partner([*(_person(i) for i in range(100, 130)), _person(130, None)], partner="agora")
    assert sorted(found) == list(range(100, 130))
    assert {n.value for n in found.values()} == {NUMBER.value}
    assert len([s for s in statements if "nir_reading" in s]) == 1
    assert _trace(tenant, 115)[0].purpose == "agora"
    assert _trace(tenant, 130) == []


def test_each_reading_is_itself_in_the_journal_without_the_number(kernel: Any, tenant: Any) -> None:
    reveal_nir(_person(19), reason="contrôle du dossier")
    with kernel.working(Scope.system()) as session:
        entry = session.execute(
            text("SELECT after FROM audit_entry WHERE table_name = 'nir_reading' AND after ->> 'subject_id' = '19'")
        ).one()
        assert NUMBER.number not in str(entry)
