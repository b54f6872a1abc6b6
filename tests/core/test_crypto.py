"""Encryption bound to its place, several keys at once, keyed look-up."""

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import crypto
from app.core.crypto import BlindIndex, Cipher, KeyConfigurationError, TamperedCiphertext, UnknownKey

K1, K2 = crypto.generate_key(), crypto.generate_key()
OLD = Cipher.from_text(f"k1:{K1}")
BOTH = Cipher.from_text(f"k2:{K2},k1:{K1}")
AAD = crypto.column_aad("trainee", "nir", uuid.UUID(int=7))


@given(st.binary(max_size=200))
def test_what_goes_in_comes_out_and_two_ciphertexts_differ(plaintext: bytes) -> None:
    first, second = OLD.encrypt(plaintext, AAD), OLD.encrypt(plaintext, AAD)
    assert first != second
    assert OLD.decrypt(first, AAD) == OLD.decrypt(second, AAD) == plaintext
    assert len(plaintext) < 4 or plaintext not in first


@pytest.mark.parametrize(
    "other",
    [
        crypto.column_aad("trainee", "nir", uuid.UUID(int=8)),
        crypto.column_aad("trainee", "other", uuid.UUID(int=7)),
        crypto.column_aad("draft", "nir", uuid.UUID(int=7)),
        b"",
    ],
)
def test_a_ciphertext_moved_elsewhere_does_not_decrypt(other: bytes) -> None:
    with pytest.raises(TamperedCiphertext):
        OLD.decrypt(OLD.encrypt("162071315508982", AAD), other)


@given(st.data())
def test_any_altered_bit_or_cut_is_noticed(data: st.DataObject) -> None:
    ciphertext = OLD.encrypt("162071315508982", AAD)
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(ciphertext) * 8 - 1))
        altered = bytearray(ciphertext)
        altered[place // 8] ^= 1 << place % 8
    else:
        altered = bytearray(ciphertext[: data.draw(st.integers(0, len(ciphertext) - 1))])
    with pytest.raises((TamperedCiphertext, UnknownKey)):
        OLD.decrypt(bytes(altered), AAD)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_without_a_crash(data: bytes) -> None:
    with pytest.raises((TamperedCiphertext, UnknownKey)):
        OLD.decrypt(data, AAD)


def test_both_keys_are_valid_during_a_rotation() -> None:
    former = OLD.encrypt("x", AAD)
    assert crypto.key_id_of(former) == "k1"
    assert BOTH.decrypt_text(former, AAD) == "x"
    renewed = BOTH.reencrypt(former, AAD)
    assert crypto.key_id_of(renewed) == "k2" == BOTH.active_key_id
    assert renewed.startswith(BOTH.active_header)
    assert BOTH.is_current(renewed)
    assert not BOTH.is_current(former)
    assert BOTH.reencrypt(renewed, AAD) == renewed
    with pytest.raises(UnknownKey) as caught:
        OLD.decrypt(renewed, AAD)
    assert caught.value.key_id == "k2"


def test_a_key_under_the_same_name_but_other_bytes_is_noticed() -> None:
    impostor = Cipher.from_text(f"k1:{K2}")
    with pytest.raises(TamperedCiphertext):
        impostor.decrypt(OLD.encrypt("x", AAD), AAD)


@pytest.mark.parametrize(
    "text",
    ["", " , ", "k1", f":{K1}", f"k 1:{K1}", "k1:???", "k1:" + base64.b64encode(b"short").decode(),
     f"k1:{K1},k1:{K2}", f"k1:{K1},k2:{K1}"],
    ids=range(9),
)
def test_bad_key_settings_are_refused_in_one_sentence_without_the_key(text: str) -> None:
    with pytest.raises(KeyConfigurationError) as caught:
        crypto.parse_keys(text)
    assert K1 not in str(caught.value)
    assert K2 not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_is_required_and_unambiguous() -> None:
    with pytest.raises(ValueError, match="aad"):
        OLD.encrypt("x", b"")
    uid = uuid.uuid4()
    assert crypto.column_aad("a", "b|c", uid) != crypto.column_aad("a|b", "c", uid)
    assert crypto.column_aad("a", "b", uid) == crypto.column_aad("a", "b", str(uid))


def test_keys_do_not_show() -> None:
    assert K1 not in repr(OLD)
    assert "k1" in repr(OLD)
    assert "secret" not in repr(BlindIndex.from_text("secret" * 8))


def test_blind_index() -> None:
    now = BlindIndex.from_text("n" * 32)
    then = BlindIndex.from_text("o" * 32)
    both = BlindIndex.from_text("n" * 32, "o" * 32)
    assert len(now.digest("x")) == 32
    assert now.digest("x") == both.digest("x") != then.digest("x")
    assert both.candidates("x") == (now.digest("x"), then.digest("x"))
    assert now.candidates("x") == (now.digest("x"),)
    assert now.digest("x", purpose="other") != now.digest("x")
    for index in (now, both):
        with pytest.raises(ValueError, match="empty"):
            index.digest("")
    with pytest.raises(KeyConfigurationError):
        BlindIndex.from_text("short")
