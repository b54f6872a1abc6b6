"""Every wrong setting is told in one French sentence, before anything is opened."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from config import ROOT, ConfigurationError, DemoSettings, ProductionSettings, Settings, TestSettings, is_loopback
from launcher import keys


def production(**changes: str) -> dict[str, str]:
    env = keys.generate() | {
        "DATABASE_URL": "postgresql://portal_app:x@db.interne/portail",
        "DATABASE_OWNER_URL": "postgresql://portal_owner:x@db.interne/portail",
        "REDIS_URL": "rediss://redis.interne:6379/0",
        "PUBLIC_URL": "https://formation.exemple.fr",
        "AGORA_URL": "https://agora.exemple.fr",
        "AGORA_CLIENT_ID": "portail",
        "AGORA_FUNDER_SIRET": "20005379100014",
        "HOST": "0.0.0.0",
    }
    return {name: value for name, value in (env | changes).items() if value != "-"}


def demo(**changes: str) -> dict[str, str]:
    env = keys.generate() | {
        "DEMO": "1",
        "DATABASE_URL": "postgresql://portal_app:x@/portail?host=/tmp/s",
        "REDIS_URL": "unix:///tmp/s/redis.sock",
    }
    return {name: value for name, value in (env | changes).items() if value != "-"}


def key(length: int = 32) -> str:
    return base64.b64encode(bytes((i * 7 + 3) % 256 for i in range(length))).decode()


def test_production_settings_are_read_and_checked() -> None:
    settings = Settings.from_env(production(NIR_KEYS=f"k2:{key()},k1:{base64.b64encode(bytes(range(32))).decode()}"))
    assert type(settings) is ProductionSettings
    assert [key_id for key_id, _ in settings.nir_key_pairs()] == ["k2", "k1"]
    config = settings.as_flask()
    assert config["SQLALCHEMY_DATABASE_URI"] == "postgresql+psycopg://portal_app:x@db.interne/portail"
    assert config["SESSION_COOKIE_NAME"] == "__Host-portail"
    assert config["SESSION_COOKIE_SECURE"] is True
    assert config["SESSION_COOKIE_SAMESITE"] == "Lax"
    assert config["SQLALCHEMY_ENGINE_OPTIONS"]["hide_parameters"] is True
    assert config["FAB_CREATE_DB"] is config["FAB_UPDATE_PERMS"] is False
    assert config["RATELIMIT_IN_MEMORY_FALLBACK_ENABLED"] is True


def test_demonstration_over_http_keeps_a_plain_cookie_name() -> None:
    settings = Settings.from_env(demo())
    assert type(settings) is DemoSettings
    assert settings.as_flask()["SESSION_COOKIE_NAME"] == "portail"
    assert settings.as_flask()["RATELIMIT_STORAGE_URI"] == "redis+unix:///tmp/s/redis.sock"
    assert settings.public_url == "http://127.0.0.1:8080"


def test_owner_url_falls_back_to_the_application_s() -> None:
    settings = Settings.from_env(production(DATABASE_OWNER_URL="-"))
    assert settings.database_owner_url == settings.database_url


def test_settings_never_show_their_keys() -> None:
    settings = Settings.from_env(production())
    assert settings.secret_key not in repr(settings)
    assert settings.secret_key not in str(settings)


def test_settings_cannot_change_under_way() -> None:
    with pytest.raises(AttributeError):
        Settings.from_env(production()).demo = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({}, "Ces réglages manquent"),
        (production(SECRET_KEY="-"), "SECRET_KEY manque"),
        (production(NIR_KEYS="-"), "NIR_KEYS manque"),
        (production(SECRET_KEY="courte"), "SECRET_KEY est trop courte"),
        (production(SECRET_KEY="changeme-changeme-changeme-changeme"), "SECRET_KEY est une valeur d’exemple"),
        (production(SECRET_KEY="a" * 40), "SECRET_KEY est une valeur d’exemple"),
        (production(NIR_HASH_KEY=key(16)), "NIR_HASH_KEY est trop courte (16 octets)"),
        (production(NIR_HASH_KEY="é" * 40), "NIR_HASH_KEY n’est pas du base64"),
        (production(AUDIT_KEY=base64.b64encode(bytes(32)).decode()), "AUDIT_KEY n’est pas une clé aléatoire"),
        (production(NIR_KEYS=key()), "NIR_KEYS doit être une liste"),
        (production(NIR_KEYS=f"k1:{key()},k1:{key(32)}"), "deux fois le même identifiant"),
        (production(NIR_KEYS=f"k1:{key(48)}"), "exactement 32 octets"),
        (production(NIR_HASH_KEY=key(), AUDIT_KEY=key()), "toutes différentes"),
        (production(DATABASE_URL="mysql://x/y"), "DATABASE_URL n’est pas une adresse valable"),
        (production(DATABASE_URL="postgresql://x:99999999/y"), "DATABASE_URL n’est pas une adresse valable"),
        (production(DATABASE_OWNER_URL="sqlite:///x"), "DATABASE_OWNER_URL n’est pas une adresse valable"),
        (production(REDIS_URL="http://x"), "REDIS_URL n’est pas une adresse valable"),
        (production(SMTP_URL="mail.exemple.fr"), "SMTP_URL n’est pas une adresse valable"),
        (production(SMTP_URL="smtp://"), "SMTP_URL n’est pas une adresse valable"),
        (production(AGORA_URL="ftp://x"), "AGORA_URL n’est pas une adresse valable"),
        (production(AGORA_URL="http://agora.exemple.fr"), "AGORA_URL doit commencer par https"),
        (production(AGORA_FUNDER_SIRET="123"), "AGORA_FUNDER_SIRET n’est pas un SIRET"),
        (production(PUBLIC_URL="-"), "PUBLIC_URL manque"),
        (production(PUBLIC_URL="http://formation.exemple.fr"), "PUBLIC_URL doit commencer par https"),
        (production(PUBLIC_URL="http://127.0.0.1:8080"), "quand HOST n’est pas une adresse de cette machine"),
        (production(DEBUG="1"), "DEBUG=1 est impossible en production"),
        (production(PORT="abc"), "PORT vaut « abc »"),
        (production(PORT="70000"), "PORT vaut « 70000 »"),
        (production(LOG_LEVEL="bavard"), "LOG_LEVEL vaut « bavard »"),
        (production(PORTAL_ENV="recette"), "PORTAL_ENV vaut « recette »"),
        (production(DEMO="peut-être"), "DEMO vaut « peut-être »"),
        (production(DEMO="1", PORTAL_ENV="production"), "refusé avec PORTAL_ENV=production"),
        (production(DEMO="1"), "Le mode démonstration refuse HOST=0.0.0.0"),
        (production(DEMO="1", HOST="127.0.0.1"), "refusé avec un réglage de production"),
        (demo(HOST="0.0.0.0"), "Le mode démonstration refuse HOST=0.0.0.0"),
        (demo(HOST="192.0.2.7"), "Le mode démonstration refuse HOST=192.0.2.7"),
        (demo(DATABASE_URL="postgresql://x@127.0.0.1/p?host=db.exemple.fr"), "DATABASE_URL désigne une autre machine"),
        (demo(DATABASE_URL="postgresql://x@127.0.0.1,db.exemple.fr/p"), "DATABASE_URL désigne une autre machine"),
        (demo(REDIS_URL="redis://redis.exemple.fr/0"), "REDIS_URL désigne une autre machine"),
        (demo(AGORA_URL="https://agora.exemple.fr"), "AGORA_URL désigne une autre machine"),
        (demo(PUBLIC_URL="https://formation.exemple.fr"), "PUBLIC_URL désigne une autre machine"),
        (demo(SMTP_URL="smtp://mail.exemple.fr"), "SMTP_URL désigne une autre machine"),
        (demo(DEMO="0", PORTAL_ENV="demo"), ""),
    ],
)
def test_one_sentence_for_what_is_wrong(env: dict[str, str], sentence: str) -> None:
    if not sentence:
        assert Settings.from_env(env).demo
        return
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(env)
    message = str(caught.value)
    assert sentence in message
    assert "\n" not in message
    assert message.endswith(".")
    assert not any(value in message for name, value in env.items() if name.endswith(("_KEY", "_KEYS", "_SECRET")) and len(value) > 8)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True), ("/run/s", True), ("", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("127.0.0.1.exemple.fr", False), ("db", False)],
)  # fmt: skip
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_settings_for_tests_are_no_production_settings() -> None:
    settings = TestSettings.for_tests(database_url="postgresql://a@/b", redis_url="unix:///c")
    assert settings.as_flask()["TESTING"] is True
    with pytest.raises(ConfigurationError):
        TestSettings.for_tests(database_url="postgresql://a@/b", redis_url="unix:///c", host="0.0.0.0")


def test_configuration_needs_nothing_but_the_standard_library() -> None:
    script = "import sys; import config, launcher.supervisor; print(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))"
    said = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {script}"], capture_output=True, text=True, check=True)
    assert set(eval(said.stdout)) <= {"config", "launcher", "__main__"}
