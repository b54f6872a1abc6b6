"""The public page that checks the form of a file: what it says, what it never says, and that it keeps nothing."""

from __future__ import annotations

import io
import multiprocessing
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from flask import Flask
from markupsafe import escape
from redis import Redis
from sqlalchemy import event

from app.core.extensions import db
from app.core.locks import Lock
from app.core.tabular import Fault, Refused
from app.core.tabular.labels import refused as refused_words
from app.imports import validator
from app.imports.columns import too_large
from app.imports.matrices import IMPORTERS
from tests.accounts.helpers import post, token
from tests.actions.helpers import make_action, make_nir
from tests.imports.helpers import csv_of, described, row_of, wrong_with

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

ADDRESS = "/verifier-un-fichier"
MATRIX = IMPORTERS["stagiaires"].matrix


def send(browser: FlaskClient, content: bytes, *, name: str = "stagiaires.csv", matrix: str = "stagiaires", **options: Any) -> Any:
    """As a browser sends it; the client of the tests would leave a file of its own open for a long one."""
    parts = [("matrix", None, matrix.encode()), ("csrf_token", None, token(browser).encode()), ("file", name, content)]
    body = b"".join(
        f'--limite\r\nContent-Disposition: form-data; name="{field}"{_named(file)}\r\n\r\n'.encode() + value + b"\r\n"
        for field, file, value in parts
    )
    return browser.post(ADDRESS, data=body + b"--limite--\r\n", content_type="multipart/form-data; boundary=limite", **options)


def _named(file: str | None) -> str:
    return f'; filename="{file}"' if file else ""


def found(content: bytes) -> set[tuple[int, str]]:
    headers = {one.header: one.column.name for one in described()}
    return {(one.line, headers[one.heading]) for one in validator.check_file(MATRIX, content).findings}


@pytest.fixture
def rows(db_session: Session) -> list[dict[str, str]]:
    action = make_action()
    return [row_of(action, make_nir()) for _number in range(4)]


# ---- what it finds ---------------------------------------------------------------------------------------------------


def test_a_right_file_has_nothing_to_mend(rows: list[dict[str, str]]) -> None:
    report = validator.check_file(MATRIX, csv_of(rows))
    assert report.is_right and (report.lines, report.total, report.blanks, report.missing_others) == (4, 0, [], [])


def test_cells_numbers_and_rules_over_several_columns(rows: list[dict[str, str]]) -> None:
    rows[0] |= {"mobile": "05 61 00 00 00", "boe": "peut-être"}
    rows[1] |= {"nir": "1234", "birth_date": "31/02/1985"}
    rows[2] |= {"town": "PARIS", "ft_number": "123"}
    rows[3] |= {"birth_name": "", "email": "sans-arobase"}
    assert found(csv_of(rows)) == {
        (2, "mobile"), (2, "boe"), (3, "nir"), (3, "birth_date"), (4, "town"), (4, "ft_number"), (5, "birth_name"), (5, "email"),
    }  # fmt: skip


def test_the_key_of_a_number_is_checked(rows: list[dict[str, str]]) -> None:
    rows[0]["key"] = f"{(int(rows[0]['key']) % 97) + 1:02d}"
    assert found(csv_of(rows)) == {(2, "key")}


def test_a_file_that_changes_sheets_may_leave_blanks(rows: list[dict[str, str]]) -> None:
    """What the portal holds is left by a blank cell: neither what is not there nor rules over it are errors."""
    rows[0] |= {"nationality_id": "", "ft_number": ""}
    report = validator.check_file(MATRIX, csv_of(rows))
    assert report.is_right and report.blanks == [(next(one.header for one in described() if one.column.name == "nationality_id"), 1)]
    columns = ["action_number", "nir", "key", "birth_name", "first_name", "birth_date", "ft_registered"]
    report = validator.check_file(MATRIX, csv_of(rows, columns=columns))
    assert report.is_right and report.missing_others


def test_columns_are_told_by_letter_and_heading_and_never_by_a_number(rows: list[dict[str, str]], app: Flask) -> None:
    content = csv_of(rows, columns=["action_number", "nir", "key", "first_name", "birth_date", "email"]).decode("utf-8-sig")
    content = content.replace('"Courriel"', '"Remarque"').replace('"Date de naissance"', '"Date de naisance"')
    report = validator.check_file(MATRIX, content.encode())
    assert report.unknown == [("E « Date de naisance »", "Date de naissance"), ("F « Remarque »", "")]
    assert {"Nom de naissance", "Date de naissance"} <= set(report.missing_keys)
    page = send(app.test_client(), content.encode()).get_data(as_text=True)
    assert "Colonne F « Remarque »" in page.replace("\xa0", " ")
    number = rows[0]["nir"]
    page = send(app.test_client(), content.replace("Remarque", f"Remarque sur le {number}").encode()).get_data(as_text=True)
    assert number not in page, "a first line with a number is one of data"


def test_two_columns_of_one_name(rows: list[dict[str, str]]) -> None:
    content = csv_of(rows).decode("utf-8-sig").replace('"Nom d’usage"', '"Nom de famille"')
    assert [heading for _letter, heading in validator.check_file(MATRIX, content.encode()).twice] == ["Nom de naissance"]


def test_many_errors_are_counted_and_the_first_are_shown(rows: list[dict[str, str]], app: Flask) -> None:
    many = [rows[0] | {"email": "x", "boe": "?"} for _number in range(validator.SHOWN)]
    content = csv_of(many)
    report = validator.check_file(MATRIX, content)
    assert (report.total, report.wrong_lines, len(report.findings)) == (2 * validator.SHOWN, validator.SHOWN, validator.SHOWN)
    assert sorted(kind.count for kind in report.kinds) == [validator.SHOWN] * 2
    page = send(app.test_client(), content).get_data(as_text=True)
    assert page.count('<tr role="row"') == validator.SHOWN + 1


@pytest.mark.parametrize(
    ("chosen", "fits", "columns"),
    [
        ("stagiaires", "sorties", ("action_number", "nir", "birth_name", "component_number", "nature", "actual_end")),
        ("sorties", "inscriptions", ("action_number", "nir", "birth_name", "component_number", "planned_start", "planned_end")),
        ("inscriptions", "realisations", ("action_number", "nir", "birth_name", "component_number", "outcome", "reason")),
        ("inscriptions", None, ("action_number", "nir", "birth_name", "component_number", "planned_start", "planned_end")),
        ("stagiaires", None, ("action_number", "nir", "birth_name", "first_name", "birth_date", "email")),
        ("stagiaires", None, ("Ma colonne", "Une autre")),
    ],
)
def test_a_file_of_another_matrix_is_told_so(app: Flask, db_session: Session, chosen: str, fits: str | None, columns: tuple[str, ...]) -> None:
    content = ";".join(columns) + "\r\n" + ";".join("x" for _name in columns) + "\r\n"
    report = validator.check_file(IMPORTERS[chosen].matrix, content.encode())
    assert (report.fits.name if report.fits else None) == fits
    page = send(app.test_client(), content.encode(), matrix=chosen).get_data(as_text=True)
    assert not wrong_with(page)
    assert ("Est-ce la bonne matrice" in page) == (fits is not None)
    assert fits is None or f'href="{ADDRESS}?matrice={fits}"' in page


# ---- the headings come before the size -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (lambda: b"123456;789\r\n" * 600_000, Fault.NO_HEADER), (lambda: b"1;1;1\r\n" * 10, Fault.NO_HEADER), (lambda: b"7" * 6_000_000, Fault.UNKNOWN_HEADER),
        (lambda: b"abc;def\r\n" + b"x;y\r\n" * 6_000, Fault.UNKNOWN_HEADER), (lambda: b";".join(b"x%d" % n for n in range(200)) + b"\r\n1\r\n", Fault.UNKNOWN_HEADER),
        (lambda: b"Nom de naissance;def\r\n" + b"x;y\r\n" * 6_000, Fault.TOO_MANY_LINES), (lambda: b"Nom de naissance;def\r\n" + b"x;y\r\n" * 2_000_000, Fault.TOO_LARGE),
        (lambda: "Prénom\r\n".encode() + "é\r\n".encode() * 2_000_000, Fault.TOO_LARGE), (lambda: "Prénom\r\n".encode("utf-16") + b"\x41\x00" * 4_000_000, Fault.TOO_LARGE),
        (lambda: b"PK\x03\x04" + b"7" * 6_000_000, Fault.TOO_LARGE), (lambda: b"Nom de naissance;Pr\xe9nom\r\n" + b"x;y\r\n" * 2_000_000, Fault.TOO_LARGE),
    ],
)  # fmt: skip
def test_headings_that_nobody_knows_are_said_before_the_size(app: Flask, db_session: Session, content: Callable[[], bytes], fault: Fault) -> None:
    sent = content()
    if len(sent) <= validator.LIMITS.size:
        with pytest.raises(Refused) as refused:
            validator.check_file(MATRIX, sent)
        found = refused.value
    else:
        found = too_large(sent[: validator.LIMITS.size + 1], "x.csv", validator.LIMITS, MATRIX, {})
    assert found.fault is fault
    page = send(app.test_client(), sent).get_data(as_text=True)
    assert str(escape(refused_words(found))) in page
    assert ("oupez-le" in page) == (fault in (Fault.TOO_MANY_LINES, Fault.TOO_LARGE))


def test_a_text_that_is_called_a_workbook_is_told_so(rows: list[dict[str, str]], app: Flask) -> None:
    browser = app.test_client()
    for content in (b"bonjour", b"bonjour\r\n", b'"bonjour', b"1;2\r\n3;4\r\n", b"7" * 6_000_000):
        page = send(browser, content, name="stagiaires.xlsx").get_data(as_text=True).replace("\xa0", " ")
        assert "se termine par « .xlsx », mais ce n’est pas un classeur" in page, content[:20]
    answer = send(browser, csv_of(rows), name="stagiaires.ods")
    assert answer.status_code == 200
    assert "a été lu comme un texte (CSV), bien que son nom se termine par « .ods »" in answer.get_data(as_text=True).replace("\xa0", " ")
    assert "comme un texte" not in send(browser, csv_of(rows)).get_data(as_text=True)


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_opens_without_an_account_and_is_linked_from_the_sign_in_page(app: Flask, db_session: Session) -> None:
    browser = app.test_client()
    answer = browser.get(ADDRESS)
    assert answer.status_code == 200 and not wrong_with(answer.get_data(as_text=True))
    assert f'href="{ADDRESS}"' in browser.get("/connexion").get_data(as_text=True)
    assert "selected" in browser.get(f"{ADDRESS}?matrice=stagiaires").get_data(as_text=True)


def test_the_answer_is_a_page_as_good_as_others_and_repeats_no_cell(rows: list[dict[str, str]], app: Flask) -> None:
    rows[0] |= {"birth_name": "Zorglubienne", "email": "zorglub-sans-arobase", "nir": "2 85 02 99 999 999", "boe": "zorglub-peut-être"}
    answer = send(app.test_client(), csv_of(rows))
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200 and not wrong_with(page)
    assert "Courriel" in page and "zorglub" not in page.lower() and "285029" not in page.replace(" ", "")


def test_what_is_not_chosen_is_said_at_the_field(app: Flask, db_session: Session) -> None:
    browser = app.test_client()
    for data in ({"matrix": "stagiaires"}, {"matrix": "autre", "file": (io.BytesIO(b"a;b"), "x.csv")}, {}):
        answer = post(browser, ADDRESS, data, content_type="multipart/form-data")
        page = answer.get_data(as_text=True)
        assert answer.status_code == 422 and 'class="error-summary"' in page and 'aria-invalid="true"' in page


def _bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (80 * 1024 * 1024))
    return target.getvalue()


def _formula() -> bytes:
    from xlsxwriter import Workbook

    target = io.BytesIO()
    book = Workbook(target, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_string(0, 0, "Prénom")
    sheet.write_formula(1, 0, "=1+1")
    book.close()
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vide.csv", b""), ("blancs.csv", b" \r\n;;"), ("lettre.pdf", b"%PDF-1.4 x"), ("protege.xlsx", b"\xd0\xcf\x11\xe0" + b"\0" * 600),
        ("casse.xlsx", b"PK\x03\x04" + b"\xff" * 300), ("guillemet.csv", b'a;b\r\n"x;y'), ("nul.csv", b"a;b\r\nx\x00;y"),
        ("longue.csv", b"a;b\r\n" + b"x" * 1_000_000), ("deux.csv", b"Nom;nom\r\nx;y"), ("lignes.csv", b"a;b\r\n" + b"x;y\r\n" * 5_001),
        ("large.csv", b";".join([b"x"] * 200)), ("lourd.csv", b"x" * (5 * 1024 * 1024 + 1)), ("bombe.xlsx", _bomb), ("formule.xlsx", _formula),
    ],
)  # fmt: skip
def test_each_hostile_file_has_its_sentence(app: Flask, db_session: Session, name: str, content: bytes | Callable[[], bytes]) -> None:
    start = time.monotonic()
    answer = send(app.test_client(), content() if callable(content) else content, name=name)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and time.monotonic() - start < 10
    said = re.search(r'<p class="error" id="file-error">.*?<span>(.+?)</span>', page, re.DOTALL)
    assert said is not None and len(said[1]) > 20


def test_a_file_that_takes_too_long_is_said_so(rows: list[dict[str, str]], app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(validator.TooLong):
        validator.check_file(MATRIX, csv_of(rows), longest=-1)
    original = validator.check_file
    monkeypatch.setattr(validator, "check_file", lambda matrix, content, name: original(matrix, content, name=name, longest=-1))
    answer = send(app.test_client(), csv_of(rows))
    assert answer.status_code == 422 and 'id="file-error"' in answer.get_data(as_text=True)


def test_the_longest_file_is_checked(rows: list[dict[str, str]]) -> None:
    letters = [chr(97 + number // 26**2 % 26) + chr(97 + number // 26 % 26) + chr(97 + number % 26) for number in range(5_000)]
    many = [
        rows[0] | {"email": f"personne{number}@exemple.fr", "birth_name": f"Nom {letters[number]}", "street_name": f"rue {number}"} for number in range(5_000)
    ]
    report = validator.check_file(MATRIX, csv_of(many), longest=600)
    assert (report.lines, report.total) == (5_000, 0)


# ---- it keeps nothing ------------------------------------------------------------------------------------------------


def _redis(app: Flask) -> dict[bytes, tuple[bytes, bytes | None]]:
    client = Redis.from_url(app.config["REDIS_URL"])
    return {key: (client.type(key), client.dump(key)) for key in client.scan_iter()}


def test_nothing_is_written_in_the_database_nor_in_redis(rows: list[dict[str, str]], app: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    browser = app.test_client()
    browser.get(ADDRESS)
    rows[0]["email"] = "zorglub-sans-arobase"
    written: list[str] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if re.match(r"\s*(INSERT|UPDATE|DELETE|COPY|MERGE|TRUNCATE)\b", statement, re.IGNORECASE):
            written.append(statement)

    before = _redis(app)
    event.listen(db.engine, "before_cursor_execute", look)
    try:
        assert send(browser, csv_of(rows)).status_code == 200
        assert send(browser, b"%PDF").status_code == 422
    finally:
        event.remove(db.engine, "before_cursor_execute", look)
    assert written == [] and _redis(app) == before
    logged = "".join(capfd.readouterr())
    assert "zorglub" not in logged and rows[0]["nir"] not in logged


def test_checks_are_braked_by_address_and_looking_at_the_page_is_not(limited: Flask) -> None:
    browser, there = limited.test_client(), {"environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}
    statuses = [send(browser, b"%PDF", **there).status_code for _number in range(7)]
    assert statuses == [422] * 6 + [429]
    assert browser.get(ADDRESS, **there).status_code == 200
    assert send(browser, b"%PDF", environ_overrides={"REMOTE_ADDR": "203.0.113.10"}).status_code == 422


# ---- how many at a time ----------------------------------------------------------------------------------------------


def _hold(pid: Any, url: str) -> None:
    """A process that checks a file, and does not end."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (int(Lock.FILE_CHECK),))
        pid.send(True)
        time.sleep(600)


@pytest.fixture
def held(app: Flask, db_session: Session) -> Iterator[multiprocessing.process.BaseProcess]:
    """The only place, in the hands of another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(there, app.config["DATABASE_URL"]))
    process.start()
    assert here.poll(60)
    yield process
    process.kill()
    process.join()


def test_a_file_too_many_at_a_time_is_sent_away_with_what_to_do(
    rows: list[dict[str, str]], app: Flask, held: multiprocessing.process.BaseProcess
) -> None:
    browser = app.test_client()
    answer = send(browser, csv_of(rows), matrix="inscriptions")
    page = answer.get_data(as_text=True).replace("\xa0", " ")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5") and not wrong_with(page)
    assert "Attendez 5 secondes, puis choisissez-le de nouveau" in page and re.search(r'<option selected value="inscriptions"|<option value="inscriptions" selected', page)
    assert browser.get(ADDRESS).status_code == 200, "looking at the page takes no place"
    app.config["FILE_CHECKS_AT_ONCE"] = 2
    try:
        assert send(browser, csv_of(rows)).status_code == 200
    finally:
        app.config["FILE_CHECKS_AT_ONCE"] = 1
    held.kill()
    held.join()
    assert _soon(lambda: send(browser, csv_of(rows)).status_code == 200), "the place of a process that is killed is given back"
    assert send(browser, b"%PDF").status_code == send(browser, b"%PDF").status_code == 422, "and that of a file that is refused"


def _soon(what: Callable[[], bool]) -> bool:
    return any(what() or time.sleep(0.2) for _number in range(50))


def test_a_file_that_was_sent_away_does_not_count(limited: Flask) -> None:
    browser, there = limited.test_client(), {"environ_overrides": {"REMOTE_ADDR": "203.0.113.11"}}
    limited.config["FILE_CHECKS_AT_ONCE"] = 0
    assert {send(browser, b"a;b", **there).status_code for _number in range(8)} == {503}
    limited.config["FILE_CHECKS_AT_ONCE"] = 1
    assert send(browser, b"%PDF", **there).status_code == 422


def test_a_file_of_which_only_columns_are_wrong_says_so(rows: list[dict[str, str]], app: Flask) -> None:
    content = csv_of(rows).decode("utf-8-sig").replace('"Courriel"', '"Remarque"')
    page = send(app.test_client(), content.encode()).get_data(as_text=True).replace("\xa0", " ")
    assert "4 lignes lues – des colonnes sont à corriger (voir ci-dessous), aucune ligne ne l’est." in page
    assert "ligne à corriger" not in page and "lignes à corriger" not in page
    rows[0]["email"] = "sans-arobase"
    assert "4 lignes lues – 1 ligne à corriger." in send(app.test_client(), csv_of(rows)).get_data(as_text=True).replace("\xa0", " ")
