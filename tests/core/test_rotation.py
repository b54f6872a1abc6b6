"""Keys are changed while the portal runs: by batches, resumable, with both keys valid."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from app.core import clock, crypto, rotation
from app.core.tenancy import Scope
from app.core.transaction import transaction
from app.core.wizard.drafts import draft_aad
from app.core.wizard.models import WizardDraft

ROWS = 250
LABEL = "wizard_draft.data"


@pytest.fixture
def keys(kernel: Any) -> Iterator[Any]:
    """Lets a test change the keys; the former ones come back."""
    config, extensions = kernel.app.config, kernel.app.extensions
    former = {name: config.get(name) for name in ("NIR_KEYS", "NIR_HASH_KEY", "NIR_HASH_KEY_PREVIOUS")}

    def change(**values: Any) -> None:
        config.update(values)
        extensions.pop("portal_cipher", None)
        extensions.pop("portal_blind_index", None)

    yield change
    change(**former)


@pytest.fixture
def rows(kernel: Any) -> Iterator[Any]:
    with kernel.working(Scope.system()) as session:
        user = session.scalar(text("SELECT min(id) FROM ab_user"))
        with transaction():
            session.execute(text("DELETE FROM wizard_draft"))
            values = []
            for i in range(ROWS):
                uid = uuid.uuid4()
                values.append(
                    {
                        "user_id": user, "kind": "rotation", "subject_key": str(i), "step": "a", "token": uuid.uuid4(), "seal_uid": uid,
                        "data": crypto.cipher().encrypt(f"value {i}", draft_aad(uid)) if i else None, "version": 7,
                        "created_at": clock.now(), "updated_at": clock.now(), "expires_at": clock.now() + timedelta(days=1),
                    }
                )  # fmt: skip
            session.execute(insert(WizardDraft.__table__), values)
        yield session


def _new_key() -> str:
    return base64.b64encode(bytes(range(7, 39))).decode()


def _all_readable(session: Any) -> set[str]:
    found = session.execute(select(WizardDraft.data, WizardDraft.seal_uid, WizardDraft.version).where(WizardDraft.data.is_not(None))).all()
    session.rollback()
    assert {row.version for row in found} == {7}, "a rotation is not a change for readers"
    return {crypto.cipher().decrypt_text(row.data, draft_aad(row.seal_uid)) for row in found}


def test_rotation_by_batches_interrupted_and_resumed(kernel: Any, keys: Any, rows: Any) -> None:
    expected = {f"value {i}" for i in range(1, ROWS)}
    former = kernel.app.config["NIR_KEYS"]
    keys(NIR_KEYS=f"new1:{_new_key()},{former}")
    batches = rotation.rotate(batch=100)
    while next(batches)[0] != LABEL:
        pass
    batches.close()
    counts = rotation.status()[LABEL]
    assert counts["new1"] == 100
    assert sum(counts.values()) == ROWS - 1
    assert _all_readable(rows) == expected
    runner = kernel.app.test_cli_runner()
    result = runner.invoke(args=["crypto", "rotate", "--batch", "100"])
    assert result.exit_code == 0
    assert f"{LABEL}: {ROWS - 1 - 100} rows renewed" in result.output
    assert rotation.status()[LABEL] == {"new1": ROWS - 1}
    again = runner.invoke(args=["crypto", "rotate"])
    assert f"{LABEL}: 0 rows renewed" in again.output
    keys(NIR_KEYS=f"new1:{_new_key()}")
    assert _all_readable(rows) == expected
    assert f"new1 {ROWS - 1}" in runner.invoke(args=["crypto", "status"]).output


def test_a_key_withdrawn_too_early_is_said_in_one_sentence(kernel: Any, keys: Any, rows: Any) -> None:
    keys(NIR_KEYS=f"new1:{_new_key()}")
    result = kernel.app.test_cli_runner().invoke(args=["crypto", "rotate"])
    assert result.exit_code == 1
    assert "is not configured" in result.output
    assert "Traceback" not in result.output


def test_reindex_after_a_change_of_the_look_up_key(kernel: Any, keys: Any, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.as_owner(
        "CREATE TABLE index_probe (id bigint PRIMARY KEY, seal_uid uuid, data bytea, hash bytea)",
        "GRANT SELECT, INSERT, UPDATE ON index_probe TO portal_system",
    )
    from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Uuid

    table = Table(
        "index_probe", MetaData(), Column("id", BigInteger, primary_key=True), Column("seal_uid", Uuid), Column("data", LargeBinary),
        Column("hash", LargeBinary),
    )  # fmt: skip
    model = type("IndexProbe", (), {"__table__": table})
    monkeypatch.setattr(rotation, "_columns", {})
    rotation.register_encrypted_column(
        model, "data", lambda row: draft_aad(row["seal_uid"]), index_column="hash", index_fn=crypto.blind_index
    )
    with transaction():
        for i in range(30):
            uid = uuid.uuid4()
            rows.execute(
                insert(table).values(id=i, seal_uid=uid, data=crypto.cipher().encrypt(f"n{i}", draft_aad(uid)), hash=crypto.blind_index(f"n{i}"))
            )

    def found(value: str) -> int:
        count = rows.scalar(select(text("count(*)")).select_from(table).where(table.c.hash.in_(crypto.index().candidates(value))))
        rows.rollback()
        return int(count)

    keys(NIR_HASH_KEY="another look-up key of good length!", NIR_HASH_KEY_PREVIOUS=kernel.app.config["NIR_HASH_KEY"])
    assert found("n3") == 1
    runner = kernel.app.test_cli_runner()
    assert "30 rows renewed" in runner.invoke(args=["crypto", "reindex", "--batch", "10"]).output
    assert "0 rows renewed" in runner.invoke(args=["crypto", "reindex"]).output
    keys(NIR_HASH_KEY="another look-up key of good length!", NIR_HASH_KEY_PREVIOUS=None)
    assert found("n3") == 1
    kernel.as_owner("DROP TABLE index_probe")
