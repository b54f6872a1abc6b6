"""200 numbers pushed through all that takes one; none stands in clear anywhere but in a journaled reading (design rule 8).

All begin alike, so that a leak is found whatever form it takes: plain, spaced, as bytes, in base64, in what a job carries.
"""

from __future__ import annotations

import base64
import io
import re
import zlib
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from sqlalchemy import select, text

from app.core import logs
from app.core.extensions import db
from app.core.mail.models import MailMessage
from app.core.mail.services import content_of
from app.core.nir import Nir, compute_key, parse
from app.core.outbox.models import OutboxMessage
from app.core.tabular import read_table
from app.core.tenancy import Scope, bound_scope
from app.trainees import agora, jobs
from app.trainees.domain import IdentitySource, IdentityState
from app.trainees.models import IdentityRequest, Registration
from app.trainees.repair import applying
from tests.accounts.helpers import narrow, post, token
from tests.accounts.test_tokens import call, make
from tests.actions.helpers import make_action, make_enrolment, make_registration
from tests.requests.helpers import ask, open_action, reread
from tests.requests.test_documents import at_recap, recap_url
from tests.requests.test_files import PDF
from tests.surveys.helpers import job, left, survey_of
from tests.surveys.test_screens import sent as fill_in
from tests.trainees.test_identity_correction import Correction
from tests.trainees.test_identity_requests import RIGHT, confirmed, version_on
from tests.trainees.test_number_repair import HEAD, HOME, Agora
from tests.trainees.test_screens import Wizard, answer, contact_form, registration_of, situation_form
from tests.trainees.test_services import as_message

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

    from tests.trainees.test_screens import AsUser

HEADS = ("1850697", "7850697")
_GAP = r"[\s.\-\u00a0\u202f+]?(?:%20)?"
_PLAIN = re.compile("[17]" + _GAP + _GAP.join("850697") + _GAP + "(?:[0-9]" + _GAP + "){6}")


def canaries() -> list[Nir]:
    """180 NIR and 20 NIA."""
    numbers = [f"{HEADS[index >= 180]}{index % 900 + 100:03d}{(index * 37) % 900 + 100:03d}" for index in range(200)]
    return [parse(number, compute_key(number)) for number in numbers]


class Watcher:
    """Finds the numbers in any text or bytes."""

    def __init__(self, nirs: list[Nir]) -> None:
        self.numbers = {nir.number for nir in nirs}
        # Of a text in base64 the middle does not depend on what stands around, but for its offset.
        steady = {0: (0, 9), 1: (2, 10), 2: (3, 12)}
        self.coded = [base64.b64encode(b"\0" * shift + head.encode())[slice(*steady[shift])].decode() for head in HEADS for shift in steady]
        self.hexed = [nir.number.encode().hex() for nir in nirs]

    def found(self, content: str) -> list[str]:
        plain = [hit for hit in _PLAIN.findall(content) if re.sub(r"%20|[^0-9]", "", hit) in self.numbers]
        return plain + [code for code in self.coded if code in content] + ([one for one in self.hexed if one in content] if "3835303639" in content else [])

    def check(self, where: str, content: str | bytes) -> None:
        text_ = content if isinstance(content, str) else content.decode("latin-1")
        assert self.found(text_) == [], f"a number stands in clear in {where}"


def test_the_watcher_sees(app: Flask) -> None:
    nirs = canaries()
    watcher = Watcher(nirs)
    one = nirs[7]
    seen = [one.number, one.grouped, one.value, f"x{one.number}y", one.number.encode().hex()]
    seen += [base64.b64encode(before + one.value.encode()).decode() for before in (b"", b"a", b"ab", b"abc")]
    for content in seen:
        assert watcher.found(content), content
    assert not watcher.found(one.masked)
    assert len({nir.value for nir in nirs}) == 200


def _everything(watcher: Watcher) -> int:
    """The dump of the database: every column of every table, as the one who sees all."""
    read = 0
    with bound_scope(Scope.system()):
        tables = db.session.scalars(text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")).all()
        for table in tables:
            if table == "alembic_version":
                continue
            for line in db.session.scalars(text(f'SELECT to_jsonb(t)::text FROM public."{table}" t')):
                watcher.check(f"the table {table}", line)
                read += 1
    return read


def _redis(app: Flask, watcher: Watcher) -> None:
    with Redis.from_url(app.config["REDIS_URL"]) as client:
        for key in client.scan_iter("*"):
            watcher.check("a key of Redis", key)
            kind = client.type(key)
            values: list[bytes] = {
                b"string": lambda key: [client.get(key) or b""], b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
                b"list": lambda key: client.lrange(key, 0, -1), b"set": lambda key: list(client.smembers(key)),
                b"zset": lambda key: client.zrange(key, 0, -1),
            }.get(kind, lambda _key: [])(key)  # fmt: skip
            for value in values:
                watcher.check(f"Redis, {key!r}", value)
                try:
                    watcher.check(f"Redis, {key!r}, unpacked", zlib.decompress(value))
                except zlib.error:
                    continue


def text_of_pdf(made: bytes) -> str:
    """What a letter prints, as its pages write it: the library keeps ASCII readable in the fonts it embeds."""
    found: list[str] = []
    for head, stream in re.findall(rb"<<(.*?)>>\s*stream\r?\n(.*?)\r?\n?endstream", made, re.DOTALL):
        content = base64.a85decode(b"<~" + stream.strip(), adobe=True) if b"ASCII85Decode" in head else stream
        if b"FlateDecode" in head:
            content = zlib.decompress(content)
        found += [re.sub(r"\\([()\\])", r"\1", words.decode("latin-1")) for words in re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", content)]
    return "\n".join(found)


@pytest.mark.slow
def test_no_number_stands_in_clear(
    app: Flask, as_user: AsUser, db_session: Session, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    nirs = canaries()
    watcher = Watcher(nirs)
    monkeypatch.setattr(applying, "SEARCHES_PER_SECOND", 1_000_000)
    monkeypatch.setattr(jobs, "ask", Agora())
    browser, region, pages = as_user("principal"), as_user("admin"), []
    action = make_action(title="Canaris")
    of_action = action.id
    # registered, enrolled, sent: what leaves for AGORA is built, and not kept
    enrolments = [make_enrolment(action, name=f"CANARI {index}", nir=nir) for index, nir in enumerate(nirs[:60])]
    rows = db_session.scalars(select(OutboxMessage).where(OutboxMessage.subject_id.in_(enrolments), OutboxMessage.subject_type == "enrolment")).all()
    built = agora.build_creations([as_message(row) for row in rows])
    assert {file.holder.nir for file in built.values()} == {nir.number for nir in nirs[:60]}, "AGORA alone is told"
    watcher.check("what a file says of itself", repr(nirs[0]) + str(nirs[0]))
    for nia in nirs[180:]:
        make_registration(action, name="PROVISOIRE", nir=nia, source=IdentitySource.TYPED)
    # the wizard, whole and left unfinished
    for index, nir in enumerate(nirs[60:66]):
        wizard = Wizard(browser, action)
        wizard.verify(nir, f"GUICHET {'ABCDEF'[index]}")
        if index < 2:
            answer(IdentityState.FOUND, f"GUICHET {'ABCDEF'[index]}")
            pages.append(wizard.get("identification"))
            wizard.post("identification", contact_form())
            wizard.post("situation-initiale", situation_form())
            pages.append(wizard.get("recapitulatif"))
            assert wizard.finish().status_code == 302
    for request_id in db_session.scalars(select(IdentityRequest.id)).all():
        jobs.search_identity(request_id)
    # wrong forms: boxes of search, addresses typed by hand, a free text
    for nir in nirs[66:72]:
        for send, address in ((narrow, "/stagiaires/"), (post, "/recherche"), (narrow, f"/stagiaires/action/{action.id}"), (narrow, "/actions-de-formation/")):
            for typed in (nir.value, nir.grouped, nir.number, f"CANARI {nir.value}", f"NIR:{nir.value}"):
                found = send(browser, address, {"texte": typed, "q": typed})
                assert found.status_code == 303
                watcher.check("an address", found.location)
        pages.append(browser.get(found.location).text)
        for address in ("/stagiaires/", "/recherche"):
            watcher.check("an address", browser.get(address, query_string={"texte": nir.value, "q": nir.value}).location)
        for who, lists in ((region, "/echanges/"), (browser, "/echanges/a-suivre")):
            for typed in (nir.value, nir.grouped, nir.number):
                answers = (who.get(lists, query_string={"texte": typed}), narrow(who, lists, {"texte": typed}))
                assert [answer.status_code for answer in answers] == [303, 303]
                for said in answers:
                    watcher.check("an address", said.location)
            pages.append(who.get(lists).text)
    sheet = registration_of(enrolments[0])
    said = post(browser, f"/stagiaires/fiche/{sheet}/coordonnees", contact_form(other_information=f"NIR {nirs[72].grouped}"))
    assert said.status_code == 422
    # known by an NIA, corrected by hand; then asked of the Région
    for nir, registration_id in zip(nirs[73:78], db_session.scalars(select(Registration.id).where(Registration.sort_name == "provisoire paul")).all(), strict=False):
        page = Correction(browser, registration_id)
        page.ask(nir, "PROVISOIRE")
        answer(IdentityState.FOUND, "PROVISOIRE")
        pages.append(browser.get(page.address).text)
        watcher.check("an address", page.address)
        page.save()
    for nir in nirs[78:81]:
        registration_id, _enrolment = confirmed()
        address = f"/stagiaires/corrections-identite/fiche/{registration_id}"
        version = version_on(browser.get(address).text)
        proof = (io.BytesIO(PDF + f"% {nir.grouped} {nir.value}\n".encode()), f"attestation {nir.grouped}.pdf")
        typed = {**RIGHT, "version": version, "nir": nir.number, "key": nir.key, "documents": [proof]}
        asked = post(browser, address, typed, content_type="multipart/form-data")
        assert asked.status_code == 303
        pages.append(as_user("region").get(asked.location).text)
    decided = post(as_user("region"), f"{asked.location}/decision", {"what": "validate", "version": version_on(pages[-1])})
    assert decided.status_code == 303
    # the file: right lines, wrong lines, numbers in every wrong column
    people = [make_enrolment(make_action(), name="FICHIER", kind="8", source=IdentitySource.TYPED) for _ in range(8)]
    of = {one: db_session.get_one(Registration, registration_of(one)).trainee_id for one in people}
    lines = [HEAD, *(f"STG-{of[one]};FICHIER;Paul;{nir.number};{nir.key}" for one, nir in zip(people, nirs[81:89], strict=True))]
    lines += [f"{nir.value};{nir.number};{nir.grouped};{nir.number};00" for nir in nirs[89:140]]
    lines += [f"STG-{of[people[0]]};{nir.value};Paul;{nir.number}0;{nir.key}" for nir in nirs[140:180]]
    sent = browser.post(HOME, data={"csrf_token": token(browser), "file": (io.BytesIO("\n".join(lines).encode()), "x.csv")}, content_type="multipart/form-data")
    preview = browser.get(sent.location).text
    watcher.check("the preview", preview)
    _everything(watcher)
    watcher.check("the file to mend", browser.get(f"{sent.location}/a-corriger.csv").data)
    assert post(browser, f"{sent.location}/appliquer", {"expected": "8", "what": "valid"}).status_code == 303
    jobs.repair_numbers(int(sent.location.rpartition("/")[2]))
    pages.append(browser.get(sent.location).text)
    watcher.check("the file to mend", browser.get(f"{sent.location}/a-corriger.csv").data)
    jobs.recheck_identities()
    # free texts of the surveys and of the requests: refused with a number, and what is printed holds none
    survey = survey_of(left(make_action(), name="SORTI", nir=nirs[170]))
    for box in ("company", "job_title"):
        assert fill_in(browser, survey.id, job(**{box: f"chez {nirs[171].grouped}"})).status_code == 422
    assert fill_in(browser, survey.id, job()).status_code == 302
    pages.append(browser.get(f"/bilans-de-situation/{survey.id}").text)
    asked_about = open_action()
    make_enrolment(asked_about, name="COURRIER", nir=nirs[172])
    said = post(browser, recap_url(asked_about), at_recap(browser, asked_about) | {"motivation": f"Pour {nirs[172].grouped}, un mois de plus."})
    assert said.status_code == 422
    request_id = ask(asked_about)
    decision = {"decision": "refuse", "version": str(reread(request_id).version), "observations": f"Pas pour {nirs[172].value}."}
    said = post(as_user("region"), f"/demandes-de-modification/{request_id}/decision", decision)
    assert said.status_code == 422
    printed = text_of_pdf(browser.get(f"/demandes-de-modification/{request_id}/courrier.pdf").data)
    assert asked_about.number in printed, "the text of the letter is read"
    watcher.check("the letter", printed)
    # what goes out: files, pages, the interface, mails
    for address, data in ((f"{HOME}fichier", {"format": "xlsx"}), ("/actions-de-formation/export/actions", {"format": "csv", "colonnes": "action"})):
        taken = post(browser, address, data)
        for row in read_table(taken.data).rows:
            watcher.check(address, " ".join(cell.text for cell in row.cells))
    shown_at = (
        "/stagiaires/?size=100", f"/stagiaires/action/{of_action}?size=100", f"/actions-de-formation/{of_action}", f"/stagiaires/fiche/{sheet}", HOME, "/",
        "/stagiaires/nia-a-regulariser", "/stagiaires/corrections-identite/?etat=decidees", "/api/v1/openapi.json",
    )  # fmt: skip
    for shown in (*pages, *(browser.get(address).text for address in shown_at)):
        watcher.check("a page", shown)
    key = make("principal")
    for path in ("/compte", "/organisme", "/comptes"):
        answered = call(app.test_client(), path, key)
        assert answered.status_code == 200
        watcher.check(f"the interface, {path}", answered.text)
    jobs.remind_about_nia()
    with bound_scope(Scope.system()):
        for message in db_session.scalars(select(MailMessage)):
            watcher.check("a mail", str(content_of(message)))
    # the one journaled reading
    count = text("SELECT count(*) FROM nir_reading WHERE purpose = 'screen'")
    with bound_scope(Scope.system()):
        before = db_session.scalar(count) or 0
    shown = post(browser, f"/stagiaires/fiche/{sheet}/numero", {"reason": "Vérification de la carte Vitale"}).text
    assert watcher.found(shown), "the one place where it is shown"
    with bound_scope(Scope.system()):
        assert db_session.scalar(count) == before + 1
    assert _everything(watcher) > 1000
    _redis(app, watcher)
    written = capfd.readouterr()
    watcher.check("what was printed", written.out + written.err)
    watcher.check("a log", logs.mask_text(f"refused {nirs[0].grouped} and {nirs[1].value}"))
