"""Every code that can be met is explained, and an unknown one is said to be unknown."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.core.outbox.errors import Cause
from app.core.outbox.models import ErrorKind
from app.core.outbox.store import WORKER_LOST
from app.exchanges import catalogue
from app.exchanges.codes import ANY_FAULT, ANY_HTTP, CODES, ENDLESS, NOTHING_TO_SEND
from app.exchanges.domain import Actor, Nature
from app.exchanges.models import PartnerCode
from app.partners.agora import problems
from app.partners.agora.port import Contradiction
from app.trainees.agora import FILE_OVER, NO_NUMBER, REMEDIES
from tests.accounts.helpers import post
from tests.architecture.filled import Filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

AGORA = Path(problems.__file__).parent
ROOT = AGORA.parents[2]
_CODE = re.compile(r"[A-Z]+(_[A-Z]+)+")
#: Statuses, settings and words of the sandbox that are no code of a problem.
_NO_CODES = re.compile(r"CLOS_.*|EN_COURS_ELABORATION|AGORA_.*|NON_.*|EN_COURS")


def _contract_codes() -> set[str]:
    """The codes that the contract names."""
    said = (AGORA / "contract.yaml").read_text(encoding="utf-8")
    found = {word for line in said.splitlines() if re.search(r"\bcode\b|TRANSITION", line) for word in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", line)}
    return {word for word in found if not _NO_CODES.fullmatch(word)}


def _sandbox_codes() -> set[str]:
    """The codes that the server which implements it can answer."""
    found: set[str] = set()
    for path in (AGORA / "sandbox").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value)}
    return {word for word in found if not _NO_CODES.fullmatch(word)}


def test_every_code_that_can_be_met_is_in_the_catalogue(db_session: Session) -> None:
    contract, sandbox = _contract_codes(), _sandbox_codes()
    assert {"ID_INCONNUE", "NIR_INVALIDE", "NOM_DISCORDANT", "DOSSIER_EXISTANT", "TRANSITION_INTERDITE"} <= contract
    assert {"DONNEES_INVALIDES", "VECTEUR_INVALIDE", "VOLUME_NUL"} <= sandbox
    own = {cause.value for cause in Cause} | {one.value for one in Contradiction} | {WORKER_LOST, NOTHING_TO_SEND, NO_NUMBER, FILE_OVER, ANY_HTTP, ANY_FAULT, ENDLESS}
    assert catalogue.missing(contract | sandbox | own | set(problems._REFUSALS) | {problems.DUPLICATE_CODE}) == set()


def test_no_silence_without_its_cause() -> None:
    """Each place where the client finds no usable answer says why: its code is what people read."""
    for path in (AGORA / "channel.py", AGORA / "http.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PartnerUnavailable":
                assert any(keyword.arg == "cause" for keyword in node.keywords), f"{path.name}:{node.lineno}"


def test_entries_are_for_people() -> None:
    assert len({one.code for one in CODES}) == len(CODES)
    for one in CODES:
        assert one.cause.endswith(".") and one.remedy.endswith("."), one.code
        assert one.code not in one.cause + one.remedy
        assert one.path is None or one.path in REMEDIES, one.code


def test_families_speak_for_codes_of_their_kind(db_session: Session) -> None:
    known = catalogue.read()
    assert known.explain("agora", "HTTP_418", ErrorKind.REJECTED).cause == known.explain("agora", ANY_HTTP, None).cause
    fault = known.explain("agora", "ZeroDivisionError", ErrorKind.FAULT)
    assert (fault.known, fault.nature, fault.actor, fault.code) == (True, Nature.TECHNICAL, Actor.SUPPORT, "ZeroDivisionError")


@pytest.mark.parametrize("code", ["QUELQUE_CHOSE", "HTTP_4189", "", "<script>"])
def test_an_unknown_code_is_said_to_be_unknown(db_session: Session, code: str) -> None:
    said = catalogue.read().explain("agora", code, ErrorKind.REJECTED)
    assert not said.known
    assert code in said.cause
    assert "catalogue" in said.cause and "assistance" in said.remedy


def test_the_region_edits_the_texts_and_pages_follow(as_user: Callable[[str], FlaskClient], db_session: Session) -> None:
    row = db_session.query(PartnerCode).filter_by(code="NOM_DISCORDANT").one()
    browser = as_user("admin")
    url = f"/referentiels/codes-des-partenaires/edit/{row.id}"
    form = Filled(browser.get(url).text)
    refused = post(browser, url, form.data(path=["holder.nowhere"]))
    assert "ne connaît aucune donnée" in refused.text
    assert post(browser, url, form.data(cause=["Le nom ne va pas."])).status_code == 302
    assert catalogue.read().explain("agora", "NOM_DISCORDANT", ErrorKind.REJECTED).cause == "Le nom ne va pas."
    assert as_user("region").get(f"/referentiels/codes-des-partenaires/edit/{row.id}").status_code in (403, 404)


def test_seeds_do_not_come_back(db_session: Session) -> None:
    from app.exchanges.seeds import load_reference

    row = db_session.query(PartnerCode).filter_by(code="TROP_LONG").one()
    db_session.delete(row)
    db_session.flush()
    load_reference()
    assert catalogue.missing({"TROP_LONG"}) == {"TROP_LONG"}
