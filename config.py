"""Settings of the portal, read once from the environment (twelve-factor).

One class per environment: :class:`ProductionSettings`, :class:`DemoSettings` and :class:`TestSettings`. Every value is
checked here, before anything is opened, and what is wrong is told in one sentence (:class:`ConfigurationError`), in French
because the person who starts the portal reads it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parent

KEY_BYTES = 32
_DEFAULT_LOOKING = ("change", "changeme", "secret", "default", "defaut", "exemple", "example", "password", "motdepasse", "todo", "thisismy", "portail")
_TRUE = frozenset({"1", "true", "yes", "on", "oui", "vrai"})
_FALSE = frozenset({"", "0", "false", "no", "off", "non", "faux"})
_FACTOR_POLICIES = frozenset({"none", "staff", "all"})
_LOG_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


class ConfigurationError(ValueError):
    """A setting is missing or wrong; the message is one sentence that says which and what to do."""


def is_loopback(host: str) -> bool:
    """True when `host` (a name, an address, or the empty host of a unix socket) stays on this machine."""
    host = host.strip("[]").lower()
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_bool(name: str, value: str) -> bool:
    """The truth value of the variable `name`; anything but the usual words is refused."""
    word = value.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConfigurationError(f"{name} vaut « {value} » : écrivez 1 (oui) ou 0 (non).")


def _parse_int(name: str, value: str, low: int, high: int) -> int:
    try:
        number = int(value)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise ConfigurationError(f"{name} vaut « {value} » : il faut un nombre entier de {low} à {high}.")
    return number


def _split(name: str, value: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of the address `value`, refused when its scheme is not one of `schemes` or its port makes no sense."""
    expected = " ou ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        raise ConfigurationError(f"{name} n’est pas une adresse valable : elle doit commencer par {expected}.") from None
    if parts.scheme not in schemes:
        raise ConfigurationError(f"{name} n’est pas une adresse valable : elle doit commencer par {expected}.")
    return parts


def _check_key(name: str, value: str) -> None:
    """Refuses a key that is not the base64 form of at least 32 bytes."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{name} n’est pas du base64 : produisez les clés avec « python run.py keys ».") from None
    if len(raw) < KEY_BYTES:
        raise ConfigurationError(f"{name} est trop courte ({len(raw)} octets) : il en faut {KEY_BYTES}, produisez-la avec « python run.py keys ».")
    if len(set(raw)) < 8:
        raise ConfigurationError(f"{name} n’est pas une clé aléatoire : produisez-la avec « python run.py keys ».")


def _check_secret(name: str, value: str) -> None:
    if len(value.encode()) < KEY_BYTES:
        raise ConfigurationError(f"{name} est trop courte ({len(value.encode())} octets) : il en faut au moins {KEY_BYTES}, produisez-la avec « python run.py keys ».")
    if len(set(value)) < 8 or "".join(filter(str.isalpha, value.lower())).startswith(_DEFAULT_LOOKING):
        raise ConfigurationError(f"{name} est une valeur d’exemple : produisez une clé aléatoire avec « python run.py keys ».")


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """All settings, under the lower-case names of their environment variables.

    Build it with :meth:`from_env`; an object that exists has passed every check.
    """

    __test__: ClassVar[bool] = False
    environment: ClassVar[str] = "production"
    testing: ClassVar[bool] = False

    database_url: str
    database_owner_url: str
    redis_url: str
    secret_key: str
    nir_keys: str
    nir_hash_key: str
    audit_key: str
    agora_url: str
    agora_client_id: str
    agora_client_secret: str
    agora_jwt_key: str
    agora_funder_siret: str
    demo: bool = False
    debug: bool = False
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    data_dir: str = str(ROOT / "instance")
    smtp_url: str = ""
    mail_from: str = "ne-pas-repondre@localhost"
    region_name: str = "Région"
    portal_name: str = "Portail des marchés de formation"
    log_level: str = "INFO"
    log_format: str = "json"
    metrics_token: str = ""
    trusted_proxies: int = 0
    process: str = "web"
    ratelimit_enabled: bool = True
    #: For whom the second factor is mandatory: none, staff (Région and support) or all.
    second_factor_required: str = "staff"
    #: Documents attached to modification requests: the most one may weigh, and how many a request may have;
    #: and the most all those of one organisation may weigh together.
    document_max_mb: int = 10
    document_max_count: int = 10
    document_quota_mb: int = 2048
    #: How long the documents of a correction of identity are kept after its decision.
    identity_document_days: int = 90
    #: The page that checks a file without an account: how many files it checks at the same time, all web processes together, and how many
    #: one address may send in a minute.
    file_checks_at_once: int = 1
    file_checks_per_minute: int = 6

    # -- building ----------------------------------------------------------------------------------------------------

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Reads and checks the settings.

        PORTAL_ENV (``production``, ``demo`` or ``test``) picks the class; without it DEMO=1 means demo, else production.

        Raises ConfigurationError with one sentence at the first thing that is wrong.
        """
        source = os.environ if env is None else env
        values = {key: value.strip() for key, value in source.items()}
        demo = parse_bool("DEMO", values.get("DEMO", ""))
        name = values.get("PORTAL_ENV", "").lower() or ("demo" if demo else "production")
        if name not in _CLASSES:
            raise ConfigurationError(f"PORTAL_ENV vaut « {name} » : choisissez production, demo ou test.")
        if demo and name == "production":
            raise ConfigurationError("Le mode démonstration (DEMO=1) est refusé avec PORTAL_ENV=production : ses comptes sont publics.")
        return _CLASSES[name]._build(values, demo=demo or name == "demo")

    @classmethod
    def _build(cls, values: Mapping[str, str], *, demo: bool) -> Self:
        read: dict[str, Any] = {}
        converters: dict[str, Callable[[str, str], Any]] = {
            "port": lambda name, value: _parse_int(name, value, 1, 65535),
            "trusted_proxies": lambda name, value: _parse_int(name, value, 0, 8),
            "document_max_mb": lambda name, value: _parse_int(name, value, 1, 20),
            "document_max_count": lambda name, value: _parse_int(name, value, 1, 50),
            "document_quota_mb": lambda name, value: _parse_int(name, value, 20, 1_000_000),
            "identity_document_days": lambda name, value: _parse_int(name, value, 1, 3650),
            "file_checks_at_once": lambda name, value: _parse_int(name, value, 1, 32),
            "file_checks_per_minute": lambda name, value: _parse_int(name, value, 1, 60),
            "debug": parse_bool,
            "ratelimit_enabled": parse_bool,
        }
        defaults = cls._defaults()
        for field in fields(cls):
            variable = _VARIABLES.get(field.name, field.name.upper())
            value = values.get(variable, "") or defaults.get(field.name, "")
            if value:
                read[field.name] = converters.get(field.name, lambda _name, text: text)(variable, value)
        read["demo"] = demo
        missing = [_VARIABLES.get(name, name.upper()) for name in _REQUIRED if not read.get(name)]
        if missing:
            raise ConfigurationError(_missing_sentence(missing))
        read.setdefault("database_owner_url", read["database_url"])
        if not read.get("public_url"):
            host = read.get("host", cls.host)
            if not is_loopback(host) and not read["demo"]:
                raise ConfigurationError("PUBLIC_URL manque : c’est l’adresse que voient les utilisateurs, par exemple https://formation.exemple.fr.")
            read["public_url"] = f"http://{host}:{read.get('port', cls.port)}"
        return cls(**read)

    @classmethod
    def _defaults(cls) -> dict[str, str]:
        """Values this environment may leave out."""
        return {}

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed, checked again."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        """Never shows a key or a password: settings end up in tracebacks."""
        return f"<{type(self).__name__} {self.public_url} demo={self.demo}>"

    # -- checks ------------------------------------------------------------------------------------------------------

    def __post_init__(self) -> None:
        """Runs every check; nothing is opened or resolved."""
        _split("DATABASE_URL", self.database_url, ("postgresql", "postgres"))
        _split("DATABASE_OWNER_URL", self.database_owner_url, ("postgresql", "postgres"))
        _split("REDIS_URL", self.redis_url, ("redis", "rediss", "unix"))
        for name in ("PUBLIC_URL", "AGORA_URL"):
            parts = _split(name, getattr(self, name.lower()), ("https", "http"))
            if not parts.hostname:
                raise ConfigurationError(f"{name} n’est pas une adresse valable : le nom du serveur manque.")
        if self.smtp_url:
            parts = _split("SMTP_URL", self.smtp_url, ("smtp", "smtps", "smtp+starttls"))
            if not parts.hostname:
                raise ConfigurationError("SMTP_URL n’est pas une adresse valable : le nom du serveur manque.")
        if self.log_level.upper() not in _LOG_LEVELS:
            raise ConfigurationError(f"LOG_LEVEL vaut « {self.log_level} » : choisissez DEBUG, INFO, WARNING, ERROR ou CRITICAL.")
        if self.second_factor_required not in _FACTOR_POLICIES:
            raise ConfigurationError(
                f"SECOND_FACTOR_REQUIRED vaut « {self.second_factor_required} » : choisissez none (personne), staff (Région et support) ou all (tous les comptes)."
            )
        _check_secret("SECRET_KEY", self.secret_key)
        self._check_nir_keys()
        _check_key("NIR_HASH_KEY", self.nir_hash_key)
        _check_key("AUDIT_KEY", self.audit_key)
        _check_secret("AGORA_JWT_KEY", self.agora_jwt_key)
        if len({self.secret_key, self.nir_hash_key, self.audit_key, *(key for _id, key in self.nir_key_pairs())}) < 3 + len(self.nir_key_pairs()):
            raise ConfigurationError("SECRET_KEY, NIR_KEYS, NIR_HASH_KEY et AUDIT_KEY doivent être toutes différentes : produisez-les avec « python run.py keys ».")
        if not (self.agora_funder_siret.isdigit() and len(self.agora_funder_siret) == 14):
            raise ConfigurationError("AGORA_FUNDER_SIRET n’est pas un SIRET : il faut 14 chiffres.")
        self._check_environment()

    def nir_key_pairs(self) -> list[tuple[str, str]]:
        """(key id, base64 key) in the order of NIR_KEYS: the first one encrypts, the others still decrypt."""
        return [(part.partition(":")[0].strip(), part.partition(":")[2].strip()) for part in self.nir_keys.split(",") if part.strip()]

    def _check_nir_keys(self) -> None:
        pairs = self.nir_key_pairs()
        ids = [key_id for key_id, _key in pairs]
        if not pairs or any(not key_id.isalnum() or not key for key_id, key in pairs):
            raise ConfigurationError("NIR_KEYS doit être une liste « identifiant:clé », par exemple k1:BASE64 ; produisez-la avec « python run.py keys ».")
        if len(set(ids)) != len(ids):
            raise ConfigurationError("NIR_KEYS donne deux fois le même identifiant de clé : chaque clé garde le sien pour toujours.")
        for key_id, key in pairs:
            _check_key(f"NIR_KEYS ({key_id})", key)
            if len(base64.b64decode(key)) != KEY_BYTES:
                raise ConfigurationError(f"NIR_KEYS ({key_id}) doit faire exactement {KEY_BYTES} octets : produisez-la avec « python run.py keys ».")

    def _check_environment(self) -> None:
        """Checks of one environment; production unless a subclass says otherwise."""
        if self.debug:
            raise ConfigurationError("DEBUG=1 est impossible en production : il montre le code et les données dans les pages d’erreur.")
        if self.demo:
            raise ConfigurationError("Le mode démonstration (DEMO=1) est refusé en production : ses comptes sont publics.")
        public = urlsplit(self.public_url)
        if public.scheme != "https" and not is_loopback(public.hostname or ""):
            raise ConfigurationError("PUBLIC_URL doit commencer par https:// : sans chiffrement, les mots de passe circuleraient en clair.")
        if public.scheme != "https" and not is_loopback(self.host):
            raise ConfigurationError("PUBLIC_URL doit commencer par https:// quand HOST n’est pas une adresse de cette machine.")
        if urlsplit(self.agora_url).scheme != "https" and not is_loopback(urlsplit(self.agora_url).hostname or ""):
            raise ConfigurationError("AGORA_URL doit commencer par https:// : les échanges contiennent des données personnelles.")

    # -- for the application -----------------------------------------------------------------------------------------

    @property
    def secure(self) -> bool:
        """True when users reach the portal over https."""
        return self.public_url.startswith("https://")

    @property
    def sqlalchemy_url(self) -> str:
        """DATABASE_URL with the driver SQLAlchemy is to use."""
        return with_driver(self.database_url)

    @property
    def sqlalchemy_owner_url(self) -> str:
        """DATABASE_OWNER_URL with the driver; only migrations and set-up commands use it."""
        return with_driver(self.database_owner_url)

    def as_flask(self) -> dict[str, Any]:
        """The mapping for ``app.config``: the settings under their environment names, then what Flask and its extensions read."""
        own = {_VARIABLES.get(name, name.upper()): value for name, value in asdict(self).items()}
        lifetime = timedelta(hours=12)
        return own | {
            "ENVIRONMENT": self.environment,
            "TESTING": self.testing,
            "DEBUG": self.debug,
            # database
            "SQLALCHEMY_DATABASE_URI": self.sqlalchemy_url,
            "SQLALCHEMY_ENGINE_OPTIONS": {
                "pool_pre_ping": True,
                "pool_size": 4,
                "max_overflow": 4,
                "pool_timeout": 10,
                "pool_recycle": 1800,
                "hide_parameters": True,
                "connect_args": {"application_name": f"portail-{self.process}", "connect_timeout": 5},
            },
            "SQLALCHEMY_TRACK_MODIFICATIONS": False,
            # sessions and forms
            "SESSION_COOKIE_NAME": "__Host-portail" if self.secure else "portail",
            "SESSION_COOKIE_SECURE": self.secure,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_PATH": "/",
            "SESSION_REFRESH_EACH_REQUEST": False,
            "PERMANENT_SESSION_LIFETIME": lifetime,
            "PREFERRED_URL_SCHEME": "https" if self.secure else "http",
            "WTF_CSRF_ENABLED": True,
            "WTF_CSRF_TIME_LIMIT": int(lifetime.total_seconds()),
            "WTF_CSRF_SSL_STRICT": self.secure,
            "MAX_CONTENT_LENGTH": 25 * 1024 * 1024,
            "MAX_FORM_MEMORY_SIZE": 2 * 1024 * 1024,
            "MAX_FORM_PARTS": 2000,
            "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=1),
            "TEMPLATES_AUTO_RELOAD": self.debug,
            # languages
            "BABEL_DEFAULT_LOCALE": "fr",
            "BABEL_DEFAULT_TIMEZONE": "Europe/Paris",
            "BABEL_DEFAULT_FOLDER": "translations",
            "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "translations"),
            "LANGUAGES": {"fr": {"flag": "fr", "name": "Français"}},
            # rate limits: shared through Redis, kept in memory by each process when Redis is away
            "RATELIMIT_ENABLED": self.ratelimit_enabled,
            "RATELIMIT_STORAGE_URI": self.redis_url.replace("unix://", "redis+unix://", 1) if self.redis_url.startswith("unix://") else self.redis_url,
            "RATELIMIT_STORAGE_OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
            "RATELIMIT_STRATEGY": "fixed-window",
            "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
            "RATELIMIT_KEY_PREFIX": "portail",
            "RATELIMIT_HEADERS_ENABLED": False,
            # Flask-AppBuilder: tables come from migrations, permissions from `flask sync-security`; start-up writes nothing
            "FAB_CREATE_DB": False,
            "FAB_UPDATE_PERMS": False,
            "FAB_ADD_SECURITY_API": False,
            "FAB_ADD_OPENAPI_VIEWS": False,
            "FAB_API_SWAGGER_UI": False,
            "FAB_PASSWORD_COMPLEXITY_ENABLED": True,
            "AUTH_TYPE": 1,
            "AUTH_USER_REGISTRATION": False,
            "AUTH_ROLE_PUBLIC": "Public",
            "AUTH_RATE_LIMITED": True,
            "AUTH_RATE_LIMIT": "20 per minute",
            "APP_NAME": self.portal_name,
        }


class ProductionSettings(Settings):
    """The real thing: https outside this machine, no demonstration account, no debugger, every key given."""


class _LocalSettings(Settings):
    """What demonstration and tests share: a default for the partner, everything on this machine."""

    @classmethod
    def _defaults(cls) -> dict[str, str]:
        return {
            "agora_url": "http://127.0.0.1:8099",
            "agora_client_id": "portail",
            "agora_funder_siret": "20005379100014",
            "second_factor_required": "none",
        }


class DemoSettings(_LocalSettings):
    """A demonstration whose accounts everybody knows: it never leaves this machine."""

    environment = "demo"

    def _check_environment(self) -> None:
        if not self.demo:
            raise ConfigurationError("PORTAL_ENV=demo et DEMO=0 se contredisent : retirez l’un des deux.")
        if not is_loopback(self.host):
            raise ConfigurationError(f"Le mode démonstration refuse HOST={self.host} : ses comptes sont publics, il n’écoute que sur cette machine (127.0.0.1).")
        remote = {
            "DATABASE_URL": _hosts(self.database_url),
            "DATABASE_OWNER_URL": _hosts(self.database_owner_url),
            "REDIS_URL": _hosts(self.redis_url),
            "AGORA_URL": _hosts(self.agora_url),
            "PUBLIC_URL": _hosts(self.public_url),
            "SMTP_URL": _hosts(self.smtp_url),
        }
        for name, hosts in remote.items():
            if not all(is_loopback(host) for host in hosts):
                raise ConfigurationError(f"Le mode démonstration est refusé avec un réglage de production : {name} désigne une autre machine ; ajoutez DEMO=0 ou retirez {name}.")


class TestSettings(_LocalSettings):
    """For the test suite: real engines, no limit on the number of tries unless a test asks for it."""

    environment = "test"
    testing = True

    @classmethod
    def for_tests(cls, *, database_url: str, redis_url: str, database_owner_url: str = "", **changes: Any) -> Self:
        """Settings with fixed keys that no other environment accepts as random."""
        values: dict[str, Any] = {
            "database_url": database_url,
            "database_owner_url": database_owner_url or database_url,
            "redis_url": redis_url,
            "secret_key": "tests-0123456789-abcdefghijklmnopqrstuvwxyz",
            "nir_keys": "k1:" + _test_key(1),
            "nir_hash_key": _test_key(2),
            "audit_key": _test_key(3),
            "agora_client_secret": "tests-agora-client",
            "agora_jwt_key": "tests-agora-0123456789-abcdefghijklmnopqrstuvwxyz",
            "public_url": "http://localhost",
            "ratelimit_enabled": False,
            **cls._defaults(),
        }
        return cls(**(values | changes))

    def _check_environment(self) -> None:
        if not is_loopback(self.host):
            raise ConfigurationError("Les tests n’écoutent que sur cette machine (HOST=127.0.0.1).")


def with_driver(url: str) -> str:
    """A libpq address turned into SQLAlchemy's, for psycopg 3."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def _test_key(seed: int) -> str:
    return base64.b64encode(bytes((seed * 37 + i * 11) % 256 for i in range(KEY_BYTES))).decode()


def _hosts(url: str) -> list[str]:
    """Every host an address names: a libpq address may name it in the query, and several with commas."""
    if not url:
        return []
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return []
    hosts = parse_qs(parts.query).get("host", []) + parse_qs(parts.query).get("hostaddr", []) if parts.scheme.startswith("postgres") else []
    location = parts.netloc.rpartition("@")[2]
    names = [unquote(name) for item in hosts for name in item.split(",")]
    names += [item[: item.index("]") + 1] if item.startswith("[") else item.partition(":")[0] for item in location.split(",")]
    return [unquote(name) for name in names if name]


def _missing_sentence(names: list[str]) -> str:
    keys = [name for name in names if name.endswith(("_KEY", "_KEYS"))]
    hint = " (produisez les clés avec « python run.py keys »)" if keys else ""
    if len(names) == 1:
        return f"{names[0]} manque : donnez sa valeur dans l’environnement{hint}."
    return f"Ces réglages manquent dans l’environnement : {', '.join(names)}{hint}."


_VARIABLES = {"process": "PORTAL_PROCESS"}
_REQUIRED = tuple(field.name for field in fields(Settings) if field.default is MISSING and field.name != "database_owner_url")
_CLASSES: dict[str, type[Settings]] = {"production": ProductionSettings, "demo": DemoSettings, "test": TestSettings}
