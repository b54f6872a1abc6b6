"""Error pages: plain words, a reference found in the logs, never a trace; an expired form keeps what was typed."""

from __future__ import annotations

import logging
import re
from html import unescape

import pytest
from flask import Flask

from app.core.ui.error_pages import _words

SAME = {"Sec-Fetch-Site": "same-origin"}


def field_values(page: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    form = page.split("data-resend", 1)[1].split("</form>", 1)[0]
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form):
        found.setdefault(unescape(name), []).append(unescape(value))
    for name, value in re.findall(r'<textarea name="([^"]*)" hidden>\n(.*?)</textarea>', form, re.DOTALL):
        found.setdefault(unescape(name), []).append(unescape(value))
    return found


CODES = (400, 401, 403, 404, 405, 409, 413, 429, 500, 503)


@pytest.mark.parametrize(("path", "code"), [*((f"/stop/{code}", code) for code in CODES), ("/fail", 500), ("/non", 404)])
def test_pages_say_what_to_do_and_give_the_reference_of_the_logs(ui_app: Flask, caplog: pytest.LogCaptureFixture, path: str, code: int) -> None:
    caplog.set_level(logging.INFO)
    answer = ui_app.test_client().get(path)
    assert answer.status_code == code
    reference = answer.headers["X-Request-ID"]
    assert reference in answer.text
    assert any(getattr(record, "reference", None) == reference for record in caplog.records)
    assert "<h1>" in answer.text
    assert "<main" in answer.text
    for leak in ("Traceback", "SELECT", "/home/", "RuntimeError", "werkzeug", "Flask"):
        assert leak not in answer.text


def test_words_of_every_code_differ(ui_app: Flask) -> None:
    with ui_app.test_request_context():
        codes = (400, 401, 403, 404, 405, 409, 413, 419, 429, 500, 503)
        assert len({_words(code).title for code in codes}) == len(codes)
        assert _words(502) == _words(500)
        assert _words(418) == _words(400)


def test_retry_and_allow_headers_are_kept(ui_app: Flask) -> None:
    client = ui_app.test_client()
    assert client.get("/stop/429").headers["Retry-After"] == "60"
    token = client.get("/jeton").json["token"]  # type: ignore[index]
    assert "GET" in client.post("/accessibilite", data={"csrf_token": token}).headers["Allow"]


@pytest.mark.parametrize(("path", "code"), [("/stop/404", 404), ("/fail", 500)])
def test_programs_get_json_and_parts_of_pages_get_parts(ui_app: Flask, path: str, code: int) -> None:
    client = ui_app.test_client()
    answer = client.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == code
    assert answer.content_type == "application/problem+json"
    assert answer.json["reference"] == answer.headers["X-Request-ID"]  # type: ignore[index]
    part = client.get(path, headers={"HX-Request": "true", "Accept": "*/*"})
    assert part.status_code == code
    assert "<html" not in part.text
    assert part.headers["X-Request-ID"] in part.text


def test_expired_form_keeps_everything_and_can_be_sent_again(ui_app: Flask) -> None:
    client = ui_app.test_client()
    typed = {"nom": "SION", "nir": "1620713155089", "mot_de_passe": "Secret <>\"'", "observations": "ligne 1\r\nligne 2", "choix": ["a", "b"]}
    typed["csrf_token"] = "old"
    answer = client.post("/echo?page=2", data=typed, headers=SAME)
    assert answer.status_code == 419
    assert answer.status.startswith("419 ")
    fields = field_values(answer.text)
    token = fields.pop("csrf_token")
    assert token != ["old"]
    assert fields == {key: value if isinstance(value, list) else [value] for key, value in typed.items() if key != "csrf_token"}
    assert re.search(r'<form method="post" action="([^"]+)" data-resend', answer.text)[1] == "/echo?page=2"  # type: ignore[index]
    again = client.post("/echo", data={**fields, "csrf_token": token[0]}, headers=SAME)
    assert again.status_code == 200
    assert again.json["nom"] == "SION"  # type: ignore[index]


def test_the_fields_counted_as_kept_are_those_people_filled_in(ui_app: Flask) -> None:
    typed = {"nom": "SION", "prenom": "Karim", "vide": "", "row_version": "3", "row_base": "abc", "row_page": "def", "wizard_token": "x", "go": "next", "version": "1"}
    answer = ui_app.test_client().post("/echo", data=typed, headers=SAME)
    assert "2 champs" in answer.text.replace("\u00a0", " ")


def test_expired_form_of_another_site_is_not_offered_again(ui_app: Flask) -> None:
    answer = ui_app.test_client().post("/echo", data={"virement": "9999"})
    assert answer.status_code == 419
    assert "9999" not in answer.text
    assert "data-resend" not in answer.text


def test_files_of_an_expired_form_are_named_as_lost(ui_app: Flask) -> None:
    from io import BytesIO

    answer = ui_app.test_client().post("/echo", data={"nom": "x", "piece": (BytesIO(b"abc"), "liste.csv")}, headers=SAME)
    assert answer.status_code == 419
    assert "piece" in answer.text


def test_form_sent_after_the_session_ended_is_kept(ui_app: Flask) -> None:
    client = ui_app.test_client()
    token = client.get("/jeton").json["token"]  # type: ignore[index]
    answer = client.post("/closed", data={"csrf_token": token, "nom": "SION"}, headers=SAME)
    assert answer.status_code == 419
    assert field_values(answer.text)["nom"] == ["SION"]
    # In a new tab, whose next page says to come back to this one.
    assert 'href="/login/?next=%2Freprise" target="_blank"' in answer.text
    assert client.get("/closed").status_code == 302


def test_part_of_a_page_asked_after_the_session_ended_is_not_the_sign_in_page(ui_app: Flask) -> None:
    answer = ui_app.test_client().get("/closed", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["X-Session-Expired"] == "1"
    assert "sign in here" not in answer.text


def test_lost_database_is_503_not_500(ui_app: Flask) -> None:
    from sqlalchemy.exc import OperationalError

    @ui_app.get("/base")
    def away() -> str:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    answer = ui_app.test_client().get("/base")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"


def test_a_password_is_never_written_into_the_page_of_an_expired_form(ui_app: Flask) -> None:
    typed = {"username": "principal", "password": "Tres-Secret-1234", "current": "Ancien-Secret-1234", "new": "Nouveau-Secret-1", "confirmation": "Nouveau-Secret-1"}
    answer = ui_app.test_client().post("/echo", data=typed, headers=SAME)
    assert answer.status_code == 419
    assert "Secret" not in answer.text
    assert field_values(answer.text)["username"] == ["principal"]
