"""Password policy and hash: findings F3, F6 and F7."""

from __future__ import annotations

import string

import pytest
from argon2 import extract_parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from app.accounts import passwords
from app.accounts.passwords import PasswordContext, PasswordFault, faults_of

CONTEXT = PasswordContext(
    identifiant="pblanc31",
    first_name="Paule",
    last_name="Blanc",
    email="paule.blanc@example.org",
    organisation="ORGANISME DE FORMATION GARONNE",
    siret="12345678913000",
)


@pytest.mark.parametrize(
    "password",
    [
        "Zk7!qpWv2#Lm",
        "correct horse battery staple",
        "Vélo-rouge-42-neige",
        "élan Été çà œuvre 9!",
        "Portail-demo-2026",
        "ZebreQuantique77",
        "пароль-который-длинный",
        "aK3$" * 5 + string.printable[:80].strip(),
        "q9$Xw" + "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore"[:100],
    ],
)
def test_accepted(password: str) -> None:
    assert faults_of(password, CONTEXT) == []


@pytest.mark.parametrize(
    "password",
    [
        "",
        "a",
        "Ab1!",
        "Zk7!qpWv2#L",
        "zk7!qpwv2#lmx",
        "zkqpwvlmzkqpwvlm",
        "abcdefghijklm",
        "\x00" * 20,
        "A1!" * 3,
    ],
)
def test_too_short(password: str) -> None:
    """F6: twelve characters with four classes, fourteen with three, twenty of any."""
    assert faults_of(password, CONTEXT) == [PasswordFault.TOO_SHORT]


def test_too_long() -> None:
    assert faults_of("aB3$" * 32, CONTEXT) != [PasswordFault.TOO_LONG]
    assert faults_of("aB3$" * 32 + "x", CONTEXT) == [PasswordFault.TOO_LONG]


@pytest.mark.parametrize(
    "password",
    [
        "Sigma-Region-2026!",
        "Occitanie2026!",
        "0cc1t@n1e-2026!",
        "12345678913000Aa!",
        "Blanc-Paule-2026!",
        "pblanc31-PBLANC31!",
        "Garonne-Formation-31!",
        "Paule.Blanc@example.org1",
        "MotDePasse2026!",
        "RÉGION-occitanie-1",
    ],
)
def test_personal(password: str) -> None:
    assert PasswordFault.PERSONAL in faults_of(password, CONTEXT)


@pytest.mark.parametrize(
    "password",
    ["Password123!", "P@ssw0rd1234", "Qwertyuiop123!", "a" * 20, " " * 20, "abcdefghijklmnopqrstuvwxyz", "Sunshine2026!!", "1" * 30],
)
def test_common(password: str) -> None:
    assert PasswordFault.COMMON in faults_of(password, CONTEXT)


def test_every_common_password_is_refused() -> None:
    """The three thousand most frequent, bare and dressed up to pass the classes."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    context = PasswordContext()
    for word in list(FREQUENCY_LISTS["passwords"])[:3000:15]:
        assert faults_of(word, context), word
        if word.isalpha():
            assert faults_of(word.capitalize() + "2026!", context), word


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=string.ascii_letters + string.digits + "!?;,/*-_", min_size=24, max_size=60))
def test_long_random_passwords_pass(password: str) -> None:
    if len(set(password)) >= 14 and not any(word in password.lower() for word in passwords.CONTEXT_WORDS):
        assert PasswordFault.TOO_SHORT not in faults_of(password, CONTEXT)


# ---- hash ------------------------------------------------------------------------------------------------------------


def test_hash_meets_owasp_and_the_dummy_costs_the_same() -> None:
    """F7: and whoever changes the method cannot forget the dummy."""
    ours, dummy = extract_parameters(passwords.hash_password("x")), extract_parameters(passwords.DUMMY_HASH)
    assert ours == dummy
    assert ours.type.name == "ID"
    assert (ours.memory_cost, ours.time_cost, ours.parallelism, ours.salt_len) == (19 * 1024, 2, 1, 16)


def test_verify() -> None:
    stored = passwords.hash_password("Vélo-rouge-42")
    assert passwords.verify_password(stored, "Vélo-rouge-42")
    assert passwords.verify_password(stored, "Ve\u0301lo-rouge-42"), "the same keys on another system"
    assert not passwords.verify_password(stored, "vélo-rouge-42")
    assert not passwords.needs_rehash(stored)


def test_nothing_is_truncated() -> None:
    long = "x" * 127
    stored = passwords.hash_password(long + "a")
    assert not passwords.verify_password(stored, long + "b")


@pytest.mark.parametrize("password", ["", "\x00", "\x00\x00", "x" * 5000])
def test_null_passwords_open_nothing(password: str) -> None:
    """F3: an account without a password, or a hash of nothing."""
    assert not passwords.verify_password(None, password)
    assert not passwords.verify_password("", password)
    assert not passwords.verify_password(generate_password_hash("x"), password)
    if password.strip("\x00") == "":
        with pytest.raises(ValueError, match="empty"):
            passwords.hash_password(password)


def test_older_hashes_are_read_then_replaced() -> None:
    for method in ("scrypt", "pbkdf2:sha256:1000"):
        stored = generate_password_hash("Vélo-rouge-42", method=method)
        assert passwords.verify_password(stored, "Vélo-rouge-42")
        assert not passwords.verify_password(stored, "autre")
        assert passwords.needs_rehash(stored)
    assert not passwords.verify_password("not a hash", "x")
