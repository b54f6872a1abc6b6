"""Encryption of sensitive columns and the keyed look-up index.

What is promised (security bar B2):

* AES-256-GCM with named keys.  ``NIR_KEYS="k2:<base64>,k1:<base64>"``: the first key encrypts, all of
  them decrypt, so that a rotation needs no interruption (``flask crypto rotate``).
* Every ciphertext is bound to its place by *additional authenticated data*: table, column and the row's own
  random uuid (:func:`column_aad`).  A ciphertext copied to another row, column or table does not decrypt.
  A uuid drawn when the object is built, rather than the primary key, because the key is not known before the
  insert; and rather than the look-up hash, so that the hash key can be changed without touching ciphertexts.
* Reading is an explicit act.  There is no SQLAlchemy type that decrypts on attribute access: a list page, a log
  line or a serialiser cannot show a number by accident.
* Equality search goes through :class:`BlindIndex`, an HMAC-SHA256 under ``NIR_HASH_KEY``, a key apart from the
  encryption keys: someone who holds the database and the encryption keys still cannot enumerate numbers offline
  without it, and it is rotated apart (``NIR_HASH_KEY_PREVIOUS`` and ``flask crypto reindex``).

Stored layout of a ciphertext: ``version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext + tag``.
The header takes part in the authentication.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
NONCE_BYTES = 12
KEY_BYTES = 32
TAG_BYTES = 16
MIN_HASH_KEY_BYTES = 32
_JSON = json.JSONEncoder(separators=(",", ":"))
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class CryptoError(Exception):
    """Base of what can go wrong here.  Messages never carry plaintext, ciphertext or key material."""


class KeyConfigurationError(CryptoError):
    """The keys given in the configuration cannot be used; the message is one sentence for the operator."""


class UnknownKey(CryptoError):
    """The ciphertext was made with a key that is no longer configured."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the encryption key {key_id!r} is not configured")
        self.key_id = key_id


class TamperedCiphertext(CryptoError):
    """The bytes were altered, truncated, or moved from another row, column or table."""

    def __init__(self) -> None:
        super().__init__("the stored value does not match its place: it was altered or moved")


def column_aad(table: str, column: str, row_uid: uuid.UUID | str) -> bytes:
    """Return the place a ciphertext belongs to, in an unambiguous form.

    ``row_uid`` is the random uuid that the row carries for this purpose (``seal_uid`` by convention).
    """
    if isinstance(row_uid, str):
        row_uid = uuid.UUID(row_uid)
    return _JSON.encode(["portal", VERSION, table, column, row_uid.hex]).encode()


def parse_keys(text: str) -> dict[str, bytes]:
    """Parse ``"k2:base64,k1:base64"``; the order is kept, the first is the active one.

    Raises :class:`KeyConfigurationError` on an empty list, a bad or repeated identifier, a key that is not
    32 bytes of base64, or one key given under two names.
    """
    keys: dict[str, bytes] = {}
    for part in filter(None, (one.strip() for one in (text or "").split(","))):
        key_id, separator, encoded = part.partition(":")
        if not separator or not _KEY_ID.fullmatch(key_id):
            raise KeyConfigurationError("NIR_KEYS must read name:base64,name:base64 (names of letters, digits, . _ -)")
        try:
            key = base64.b64decode(encoded, altchars=b"-_" if set(encoded) & set("-_") else None, validate=True)
        except (binascii.Error, ValueError):
            raise KeyConfigurationError(f"NIR_KEYS: the key {key_id!r} is not valid base64") from None
        if len(key) != KEY_BYTES:
            raise KeyConfigurationError(f"NIR_KEYS: the key {key_id!r} must be {KEY_BYTES} bytes long")
        if key_id in keys:
            raise KeyConfigurationError(f"NIR_KEYS: the name {key_id!r} is given twice")
        if key in keys.values():
            raise KeyConfigurationError(f"NIR_KEYS: {key_id!r} repeats another key under a new name")
        keys[key_id] = key
    if not keys:
        raise KeyConfigurationError("NIR_KEYS is empty: give at least one key")
    return keys


def generate_key() -> str:
    """Return a fresh key in the form expected after the colon in ``NIR_KEYS``."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def key_id_of(ciphertext: bytes) -> str:
    """Return the name of the key a ciphertext was made with, without decrypting it."""
    header, _ = _split(ciphertext)
    return header[2:].decode("ascii")


def _split(ciphertext: bytes) -> tuple[bytes, bytes]:
    """Split into header and the rest; refuse what cannot have been written by :class:`Cipher`."""
    data = bytes(ciphertext)
    if len(data) < 2 or data[0] != VERSION:
        raise TamperedCiphertext
    end = 2 + data[1]
    header, rest = data[:end], data[end:]
    if len(rest) < NONCE_BYTES + TAG_BYTES or not _KEY_ID.fullmatch(header[2:].decode("ascii", "replace")):
        raise TamperedCiphertext
    return header, rest


@dataclass(frozen=True, slots=True, repr=False)
class Cipher:
    """Authenticated encryption under named keys; the first key is the active one."""

    keys: Mapping[str, bytes]
    _aead: dict[str, AESGCM] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise KeyConfigurationError("at least one encryption key is needed")
        object.__setattr__(self, "_aead", {name: AESGCM(key) for name, key in self.keys.items()})

    @classmethod
    def from_text(cls, text: str) -> Cipher:
        """Build from the ``NIR_KEYS`` setting."""
        return cls(parse_keys(text))

    def __repr__(self) -> str:
        return f"<Cipher keys={list(self.keys)}>"

    @property
    def active_key_id(self) -> str:
        """Name of the key that encrypts."""
        return next(iter(self.keys))

    @property
    def active_header(self) -> bytes:
        """First bytes of every ciphertext made now: lets SQL find the rows left to rotate."""
        name = self.active_key_id.encode("ascii")
        return bytes((VERSION, len(name))) + name

    def encrypt(self, plaintext: bytes | str, aad: bytes) -> bytes:
        """Encrypt under the active key, bound to ``aad``; the result differs at each call."""
        if isinstance(plaintext, str):
            plaintext = plaintext.encode()
        if not aad:
            raise ValueError("a ciphertext must be bound to its place: aad is empty")
        header = self.active_header
        nonce = os.urandom(NONCE_BYTES)
        return header + nonce + self._aead[self.active_key_id].encrypt(nonce, plaintext, header + aad)

    def decrypt(self, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext.

        Raises :class:`UnknownKey` when the key was withdrawn, :class:`TamperedCiphertext` for anything that does
        not authenticate, for whatever cause.
        """
        header, rest = _split(ciphertext)
        key_id = header[2:].decode("ascii")
        aead = self._aead.get(key_id)
        if aead is None:
            raise UnknownKey(key_id)
        try:
            return aead.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], header + aad)
        except InvalidTag:
            raise TamperedCiphertext from None

    def decrypt_text(self, ciphertext: bytes, aad: bytes) -> str:
        """:meth:`decrypt`, as text."""
        return self.decrypt(ciphertext, aad).decode()

    def is_current(self, ciphertext: bytes) -> bool:
        """Whether the active key made this ciphertext."""
        return key_id_of(ciphertext) == self.active_key_id

    def reencrypt(self, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the value under the active key; unchanged when it already is."""
        return ciphertext if self.is_current(ciphertext) else self.encrypt(self.decrypt(ciphertext, aad), aad)


def _hash_key(value: bytes | str, name: str) -> bytes:
    key = value.encode() if isinstance(value, str) else bytes(value)
    if len(key) < MIN_HASH_KEY_BYTES:
        raise KeyConfigurationError(f"{name} must be at least {MIN_HASH_KEY_BYTES} characters long")
    return key


@dataclass(frozen=True, slots=True, repr=False)
class BlindIndex:
    """Keyed hash that finds an encrypted value by equality.

    Changing ``NIR_HASH_KEY``: put the former value in ``NIR_HASH_KEY_PREVIOUS``, restart, run
    ``flask crypto reindex``, then remove it.  Meanwhile :meth:`candidates` gives both hashes, and look-ups that
    use it (``column.in_(index.candidates(value))``) find rows of either kind.
    """

    key: bytes
    previous: bytes | None = None

    @classmethod
    def from_text(cls, key: bytes | str, previous: bytes | str | None = None) -> BlindIndex:
        """Build from the settings; refuses keys that are too short."""
        return cls(
            _hash_key(key, "NIR_HASH_KEY"),
            _hash_key(previous, "NIR_HASH_KEY_PREVIOUS") if previous else None,
        )

    def __repr__(self) -> str:
        return f"<BlindIndex previous={self.previous is not None}>"

    @staticmethod
    def _digest(key: bytes, value: str, purpose: str) -> bytes:
        if not value:
            raise ValueError("an empty value has no index: it must never match another empty value")
        return hmac.digest(key, _JSON.encode(["portal-index", VERSION, purpose, value]).encode(), "sha256")

    def digest(self, value: str, *, purpose: str = "nir") -> bytes:
        """Return the 32-byte index of a normalised, non-empty value."""
        return self._digest(self.key, value, purpose)

    def candidates(self, value: str, *, purpose: str = "nir") -> tuple[bytes, ...]:
        """Return the indexes under which the value may be stored: one, or two while the key is being changed."""
        keys = (self.key,) if self.previous is None else (self.key, self.previous)
        return tuple(self._digest(key, value, purpose) for key in keys)


# -- the application's own ------------------------------------------------------------------------------------


def cipher() -> Cipher:
    """Return the cipher of the current application (setting ``NIR_KEYS``), built once."""
    from flask import current_app

    found = current_app.extensions.get("portal_cipher")
    if not isinstance(found, Cipher):
        found = Cipher.from_text(current_app.config.get("NIR_KEYS") or "")
        current_app.extensions["portal_cipher"] = found
    return found


def index() -> BlindIndex:
    """Return the blind index of the current application (``NIR_HASH_KEY``, ``NIR_HASH_KEY_PREVIOUS``), built once."""
    from flask import current_app

    found = current_app.extensions.get("portal_blind_index")
    if not isinstance(found, BlindIndex):
        config = current_app.config
        found = BlindIndex.from_text(config.get("NIR_HASH_KEY") or "", config.get("NIR_HASH_KEY_PREVIOUS"))
        current_app.extensions["portal_blind_index"] = found
    return found


def blind_index(value: str, *, purpose: str = "nir") -> bytes:
    """Return the look-up index of ``value`` under the application's key; refuses an empty value."""
    return index().digest(value, purpose=purpose)


def check_configuration() -> None:
    """Raise :class:`KeyConfigurationError` at start rather than at the first trainee."""
    cipher()
    index()


def register(_builder: object) -> None:
    """Add the ``flask crypto`` commands; the keys are checked here, before anything is served."""
    from flask import current_app

    from app.core.rotation import crypto as commands

    check_configuration()
    current_app.cli.add_command(commands)
