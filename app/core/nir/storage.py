"""How a row holds a number: encrypted, hashed for look-up, masked for screens.

A model that carries numbers has these columns, empty together when there is none::

    seal_uid: Mapped[uuid.UUID] = mapped_column(Uuid, default=uuid.uuid4)   # binds the ciphertext to the row
    nir_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    nir_hash: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)   # unique with organisation_id
    nir_kind: Mapped[str | None] = mapped_column(String(3))
    nir_masked: Mapped[str] = mapped_column(String(24), default="")   # 1 62 07 ** *** *** **: lists never decrypt
"""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from app.core import crypto
from app.core.nir.number import Nir, parse

#: Purpose under which numbers are indexed (:func:`app.core.crypto.blind_index`).
INDEX_PURPOSE = "nir"
CIPHERTEXT_COLUMN = "nir_ciphertext"


class NirRow(Protocol):
    """A mapped row with the columns above."""

    __tablename__: str
    id: Any
    organisation_id: Any
    seal_uid: Any
    nir_ciphertext: Any
    nir_hash: Any
    nir_kind: Any
    nir_masked: Any


def nir_aad(table: str, seal_uid: uuid.UUID) -> bytes:
    """The place of a number: table, column and the row's ``seal_uid``."""
    return crypto.column_aad(table, CIPHERTEXT_COLUMN, seal_uid)


def nir_index(nir: Nir) -> bytes:
    """The hash under which a number is stored."""
    return crypto.blind_index(nir.value, purpose=INDEX_PURPOSE)


def nir_candidates(nir: Nir) -> tuple[bytes, ...]:
    """Hashes to look up: ``Trainee.nir_hash.in_(nir_candidates(nir))``; two while the hash key is being changed."""
    return crypto.index().candidates(nir.value, purpose=INDEX_PURPOSE)


def store_nir(row: NirRow, nir: Nir | None) -> None:
    """Put a number into a row, or remove the one it has.  The row's journal shows the change, never the value."""
    if nir is None:
        row.nir_ciphertext = row.nir_hash = row.nir_kind = None
        row.nir_masked = ""
        return
    if row.seal_uid is None:
        row.seal_uid = uuid.uuid4()
    row.nir_ciphertext = crypto.cipher().encrypt(nir.value, nir_aad(row.__tablename__, row.seal_uid))
    row.nir_hash = nir_index(nir)
    row.nir_kind = nir.kind.value
    row.nir_masked = nir.masked


def open_unjournaled(row: NirRow) -> Nir | None:
    """Decrypt without a trace: for :mod:`app.core.nir.reading` alone."""
    if row.nir_ciphertext is None:
        return None
    return parse(crypto.cipher().decrypt_text(row.nir_ciphertext, nir_aad(row.__tablename__, row.seal_uid)))


def register_nir_column(model: type[Any]) -> None:
    """Put the numbers of ``model`` under ``flask crypto rotate`` and ``reindex``; call it in the feature's ``register``."""
    from app.core.rotation import register_encrypted_column

    table: str = model.__tablename__
    register_encrypted_column(
        model,
        CIPHERTEXT_COLUMN,
        lambda row: nir_aad(table, row["seal_uid"]),
        needs=("seal_uid",),
        index_column="nir_hash",
        index_fn=lambda text: crypto.blind_index(text, purpose=INDEX_PURPOSE),
    )
