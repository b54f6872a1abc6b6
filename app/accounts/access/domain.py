"""Rules of the second factor (TOTP, RFC 6238) and of tokens of the programming interface.

Standard library only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.core.roles import STAFF_ROLES

# ---- second factor ---------------------------------------------------------------------------------------------------

#: Length of a time step, in seconds, and number of digits of a code (RFC 6238 §4; what every application expects).
STEP_SECONDS: Final = 30
CODE_DIGITS: Final = 6
#: Codes of so many steps before and after the present one are accepted: telephones are not on time.
STEP_TOLERANCE: Final = 1
#: How long a session lasts between the right password and the code.
FACTOR_SESSION: Final = timedelta(minutes=5)
#: How long a secret may wait for its first code.
SETUP_LIFETIME: Final = timedelta(minutes=30)

RECOVERY_CODES: Final = 10
#: Without 0/o, 1/l/i, which are mistaken for one another on paper. Sixteen characters are 79 bits.
RECOVERY_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
RECOVERY_LENGTH: Final = 16
#: From so few codes left on, their holder is told to make new ones.
FEW_CODES: Final = 3


class FactorPolicy(StrEnum):
    """For whom the second factor is mandatory (setting ``SECOND_FACTOR_REQUIRED``)."""

    NONE = "none"
    STAFF = "staff"
    ALL = "all"


def factor_required(policy: FactorPolicy, roles: Collection[str]) -> bool:
    """Whether an account with these roles must have a second factor: nobody, the Région and support, or everybody."""
    if policy is FactorPolicy.STAFF:
        return bool(set(roles) & {str(role) for role in STAFF_ROLES})
    return policy is FactorPolicy.ALL


def step_at(at: datetime) -> int:
    """The number of the time step of a moment (RFC 6238 §4.2)."""
    return int(at.timestamp()) // STEP_SECONDS


def steps_around(at: datetime) -> range:
    """The steps whose code is accepted at a moment."""
    now = step_at(at)
    return range(now - STEP_TOLERANCE, now + STEP_TOLERANCE + 1)


def application_code(typed: str) -> str | None:
    """The six digits of an authenticator application, however they are spaced; None when ``typed`` is something else."""
    compact = re.sub(r"[\s.\-]", "", typed)
    return compact if re.fullmatch(rf"[0-9]{{{CODE_DIGITS}}}", compact) else None


def recovery_code(typed: str) -> str | None:
    """A recovery code as it is compared: without hyphens and blanks, in small letters; None when it cannot be one."""
    if len(typed) > 4 * RECOVERY_LENGTH:
        return None
    compact = re.sub(r"[\s.\-\u2010-\u2015]", "", typed).lower()
    return compact if len(compact) == RECOVERY_LENGTH and set(compact) <= set(RECOVERY_ALPHABET) else None


def format_recovery_code(code: str) -> str:
    """A recovery code as people copy it: abcd-efgh-jkmn-pqrs."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def format_secret(secret: str) -> str:
    """A secret as people type it, by groups of four."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


# ---- tokens of the programming interface -----------------------------------------------------------------------------

#: What a token begins with: whoever finds one in a file knows what it is, and whose gate to tell.
TOKEN_MARK: Final = "pmf_"  # noqa: S105 - what every token begins with
_TOKEN: Final = re.compile(r"pmf_[A-Za-z0-9_-]{43}")
#: Characters by which its holder recognises a token.
TOKEN_PREFIX: Final = 10
#: For how many days a token may be made.
TOKEN_LIVES: Final = (30, 90, 180, 365)
TOKENS_AT_MOST: Final = 10
TOKEN_NAME_MAX: Final = 80
NETWORKS_AT_MOST: Final = 20
#: The last use of a token is written at most this often.
TOKEN_TOUCH: Final = timedelta(minutes=1)


def is_token(text: str) -> bool:
    """Whether ``text`` has the form of a token; what has not is worth no query."""
    return bool(_TOKEN.fullmatch(text))


class BadNetwork(ValueError):
    """A text that names no network; it is kept in ``text``."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def read_networks(typed: str) -> list[str]:
    """The networks of a list written by a person, in CIDR notation, each once; an address alone is a network of one.

    Raises BadNetwork for the first one that cannot be read.
    """
    found: list[str] = []
    for word in re.split(r"[\s,;]+", typed.strip()):
        if not word:
            continue
        if "%" in word:  # the zone of an interface: it means something on one machine alone
            raise BadNetwork(word)
        try:
            network = str(ipaddress.ip_network(word, strict=False))
        except ValueError:
            raise BadNetwork(word) from None
        if network not in found:
            found.append(network)
    return found


def address_allowed(address: str | None, networks: Iterable[str]) -> bool:
    """Whether a token limited to ``networks`` may be used from ``address``; without networks, from anywhere."""
    allowed = [ipaddress.ip_network(network) for network in networks]
    if not allowed:
        return True
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in allowed)
