"""Logs: one reference from request to log, nothing personal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.core import context, logs


class Output:
    """What was written since the fixture began."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.text = ""

    def getvalue(self) -> str:
        self.text += self.capsys.readouterr().out
        return self.text

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure(level="INFO", process="test")
    yield Output(capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**before)


NIRS = ["162071315508982", "1620713155089", "1 62 07 13 155 089 82", "1.62.07.13.155.089.82", "2 85 12 2A 004 123", "1 62 07 13 155 089", "7620713155089"]


@pytest.mark.parametrize("nir", NIRS)
def test_nothing_like_a_nir_gets_through(nir: str, output: Output) -> None:
    log = structlog.get_logger("test")
    log.info(f"NIR {nir} reçu", value=nir, nested={"list": [f"x {nir}."]}, quoted=f'"{nir}"')
    logging.getLogger("other").warning("avec %s", nir)
    try:
        raise ValueError(f"mauvais NIR : {nir}")
    except ValueError:
        log.exception("failed")
    if nir.isdigit():
        log.info("as a number", value=int(nir))
    assert nir not in output.getvalue()
    assert output.getvalue().count(logs.MASK) >= 6


def test_values_with_a_personal_name_are_struck_out(output: Output) -> None:
    structlog.get_logger("test").info(
        "event", birth_name="SION", firstName="ANDRE", form={"city": "x"}, new_password="x", user_email="a", siret="20005379100014", enrolment_id=12, nir_kind="NIR"
    )
    (line,) = output.lines()
    assert line["birth_name"] == line["firstName"] == line["form"] == line["new_password"] == line["user_email"] == logs.MASK
    assert line["siret"] == "20005379100014"
    assert (line["enrolment_id"], line["nir_kind"]) == (12, "NIR")


def test_what_the_database_quotes_is_struck_out() -> None:
    message = (
        '(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "uq"\nDETAIL:  Key (birth_name)=(SION) already exists.\n'
        "[SQL: INSERT INTO trainee (birth_name) VALUES (%(n)s)]\n[parameters: {'n': 'SION', 'm': 'andre@exemple.fr'}]\n(Background on this error)"
    )
    masked = logs.mask_text(message)
    assert "SION" not in masked
    assert "exemple.fr" not in masked
    assert "INSERT INTO trainee" in masked


def test_reference_and_actor_are_on_every_line(output: Output) -> None:
    context.set_request_id(None)
    context.set_actor_id(None)
    with context.acting(actor=7, reference="0123456789abcdef"):
        structlog.get_logger("test").info("inside")
        logging.getLogger("library").warning("too")
    structlog.get_logger("test").info("outside")
    first, second, third = output.lines()
    assert first["request_id"] == second["request_id"] == "0123456789abcdef"
    assert first["actor_id"] == 7
    assert first["process"] == "test"
    assert "request_id" not in third


@given(st.text(max_size=200))
def test_masking_never_fails(text: str) -> None:
    assert isinstance(logs.mask_text(text), str)


@given(st.integers(min_value=0, max_value=99), st.integers(min_value=1, max_value=12), st.integers(min_value=0, max_value=99_999_999))
def test_any_nir_is_masked(year: int, month: int, rest: int) -> None:
    nir = f"2{year:02d}{month:02d}{rest:08d}"
    assert nir not in logs.mask_text(f"({nir})")


@pytest.mark.parametrize("harmless", ["20005379100014", "0123456789abcdef0123456789abcdef", "23C00390257_1", "2026-11-22T05:41:20.449478Z", "GET /actions/12", "12,5 ms"])
def test_what_is_not_personal_stays_readable(harmless: str) -> None:
    assert logs.mask_text(harmless) == harmless
