"""The wire format, both ways: what goes out keeps the contract, what comes in is taken whole or not at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.partners.agora import mapping, port, problems

CONTRACT = yaml.safe_load((Path(mapping.__file__).parent / "contract.yaml").read_text("utf-8"))
FAST = settings(max_examples=150, deadline=None)


def validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": CONTRACT["components"]}, validate_formats=True)


SCHEMAS = {name: validator(name) for name in ("RechercheIdentite", "Identite", "NouveauDossier", "Evenement", "Dossier")}

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(str.strip)
maybe_text = st.none() | texts
hours = st.decimals(0, 9999, places=2)
days = st.dates(date(1900, 1, 1), date(2100, 1, 1))
levels = st.none() | st.integers(1, 8)

holders = st.builds(
    port.Holder,
    nir=st.from_regex(r"[12][0-9]{12}", fullmatch=True),
    key=st.from_regex(r"[0-9]{2}", fullmatch=True),
    birth_name=texts,
    first_name=texts,
    birth_date=days,
    gender=st.sampled_from(port.Gender),
    postal_code=maybe_text,
    insee_code=maybe_text,
    email=maybe_text,
    phone=maybe_text,
    entry_level=levels,
    professional_situation=maybe_text,
    disability=st.none() | st.sampled_from(port.DisabilityStatus),
    qpv_code=maybe_text,
)
bodies = st.builds(port.TrainingBody, siret=texts, legal_name=maybe_text)
actions = st.builds(
    port.TrainingAction,
    number=texts,
    component=texts,
    title=texts,
    certif_info=maybe_text,
    rncp=maybe_text,
    formacode=maybe_text,
    nsf=maybe_text,
    exit_level=levels,
    site_postal_code=maybe_text,
)
fundings = st.builds(port.Funding, source=texts, committed=hours, realised=st.none() | hours)
new_files = st.builds(
    port.NewFile,
    external_reference=texts,
    holder=holders,
    programme=texts,
    funder_siret=st.from_regex(r"[0-9]{14}", fullmatch=True),
    body=bodies,
    action=actions,
    entry_date=days,
    planned_end=days,
    hours_centre=hours,
    hours_company=hours,
    objective=texts,
    fundings=st.lists(fundings, max_size=2).map(tuple),
)
changes = st.builds(
    port.FileChanges,
    holder=st.none() | holders,
    programme=maybe_text,
    body=st.none() | bodies,
    action=st.none() | actions,
    entry_date=st.none() | days,
    planned_end=st.none() | days,
    hours_centre=st.none() | hours,
    hours_company=st.none() | hours,
    objective=maybe_text,
    fundings=st.none() | st.lists(fundings, max_size=2).map(tuple),
)
surveys = st.builds(
    port.ExitSurvey,
    situation=maybe_text,
    contract_type=maybe_text,
    socio_professional_category=maybe_text,
    job_related=st.none() | st.booleans(),
    certification=st.none() | st.sampled_from(port.CertificationResult),
    certification_level=levels,
)


@st.composite
def events(draw: st.DrawFn) -> port.FileEvent:
    kind = draw(st.sampled_from(port.EventKind))
    closing = kind is port.EventKind.CLOSING
    return port.FileEvent(
        number="30444380",
        external_reference="e-1",
        kind=kind,
        date=draw(days),
        reason=draw(maybe_text),
        changes=draw(changes) if kind is port.EventKind.MODIFICATION else None,
        outcome=draw(st.sampled_from(port.Outcome)) if closing else None,
        survey=draw(st.none() | surveys) if closing else None,
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


# --- outwards --------------------------------------------------------------------------------------------------------


@FAST
@given(new_files)
def test_a_new_file_keeps_the_contract(new_file: port.NewFile) -> None:
    wire = json.loads(json.dumps(mapping.new_file_to_wire(new_file), allow_nan=False))
    SCHEMAS["NouveauDossier"].validate(wire)
    assert wire["referenceExterne"] == new_file.external_reference
    assert wire["titulaire"]["nir"] == new_file.holder.nir
    assert date.fromisoformat(wire["titulaire"]["dateNaissance"]) == new_file.holder.birth_date
    assert date.fromisoformat(wire["dateEntree"]) == new_file.entry_date
    assert Decimal(str(wire["heuresCentre"])) == new_file.hours_centre
    assert Decimal(str(wire["heuresEntreprise"])) == new_file.hours_company
    assert len(wire.get("financements", ())) == len(new_file.fundings)
    assert None not in wire["titulaire"].values()
    assert None not in wire["action"].values()


@FAST
@given(events())
def test_an_event_keeps_the_contract(event: port.FileEvent) -> None:
    wire = mapping.event_to_wire(event)
    SCHEMAS["Evenement"].validate(wire)
    assert ("modification" in wire) == (event.changes is not None)
    assert ("realisation" in wire) == (event.outcome is not None)


@FAST
@given(changes)
def test_only_changed_fields_are_told(changed: port.FileChanges) -> None:
    wire = mapping.changes_to_wire(changed)
    given_fields = sum(getattr(changed, name) is not None for name in port.FileChanges.__slots__)
    assert len(wire) == given_fields
    assert set(wire) <= set(CONTRACT["components"]["schemas"]["NouveauDossier"]["properties"])


def test_an_identity_query() -> None:
    wire = mapping.identity_query_to_wire(port.IdentityQuery(nir="1620713155089", key="82", birth_name="SION"))
    SCHEMAS["RechercheIdentite"].validate(wire)
    assert wire == {"nir": "1620713155089", "cle": "82", "nomNaissance": "SION"}


def test_every_status_kind_and_outcome_of_the_contract_is_known() -> None:
    schemas = CONTRACT["components"]["schemas"]
    assert set(mapping._STATUS_IN) == set(schemas["Dossier"]["properties"]["statut"]["enum"])
    assert set(mapping._STATUS_IN.values()) == set(port.FileStatus)
    assert set(mapping._KIND_OUT.values()) == set(schemas["Evenement"]["properties"]["type"]["enum"])
    assert set(mapping._KIND_OUT) == set(port.EventKind)
    assert set(mapping._OUTCOME_OUT.values()) == set(schemas["Evenement"]["properties"]["realisation"]["enum"])
    assert set(mapping._DISABILITY_OUT.values()) == set(schemas["NouveauDossier"]["properties"]["titulaire"]["properties"]["boe"]["enum"])


# --- inwards ---------------------------------------------------------------------------------------------------------

instants = st.datetimes(
    datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))])
)


@FAST
@given(
    st.from_regex(r"[0-9]{8,12}", fullmatch=True),
    texts,
    st.sampled_from(sorted(mapping._STATUS_IN)),
    st.integers(0, 2**31 - 1),
    instants,
)
def test_a_file_that_keeps_the_contract_is_read(number: str, reference: str, status: str, version: int, moment: datetime) -> None:
    wire = {"numeroDossier": number, "referenceExterne": reference, "statut": status, "version": version, "modifieLe": moment.isoformat()}
    SCHEMAS["Dossier"].validate(wire)
    state = mapping.file_state_from_wire(wire)
    assert (state.number, state.external_reference, state.version) == (number, reference, version)
    assert state.modified_at == moment
    assert state.modified_at.tzinfo is UTC


@FAST
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("numeroDossier", "referenceExterne", "statut", "version", "modifieLe", "x"), json_values)) | json_values
)
def test_anything_else_is_refused_whole(wire: Any) -> None:
    for read in (mapping.file_state_from_wire, mapping.identity_from_wire, mapping.page_from_wire):
        with pytest.raises(mapping.MappingError) as caught:
            read(wire)
        assert len(str(caught.value)) < 40  # the field, never the value


GOOD_FILE = {"numeroDossier": "30444380", "referenceExterne": "e-1", "statut": "ENTREE", "version": 1, "modifieLe": "2026-01-05T10:00:00Z"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("numeroDossier", "3044438"),
        ("numeroDossier", "3044438000000"),
        ("numeroDossier", "30444380\n"),
        ("numeroDossier", "٣٠٤٤٤٣٨٠"),
        ("numeroDossier", 30444380),
        ("statut", "entree"),
        ("statut", "OUVERT"),
        ("statut", ["ENTREE"]),
        ("version", True),
        ("version", 1.5),
        ("version", -1),
        ("version", 2**31),
        ("modifieLe", "2026-01-05T10:00:00"),
        ("modifieLe", "2026-13-05T10:00:00Z"),
        ("modifieLe", "0001-01-01T00:00:00+12:00"),
        ("modifieLe", "20260105T100000Z"),
        ("referenceExterne", "e\u00001"),
        ("referenceExterne", "e\ud800"),
        ("referenceExterne", "e" * 65),
        ("referenceExterne", " "),
    ],
)
def test_a_file_against_the_contract_is_refused(field: str, value: Any) -> None:
    mapping.file_state_from_wire(GOOD_FILE)
    with pytest.raises(mapping.MappingError, match=field):
        mapping.file_state_from_wire(GOOD_FILE | {field: value})


def test_an_identity() -> None:
    wire = {"civilite": "MME", "nomNaissance": "ŒILLET", "nomUsage": None, "prenom": "MARIE-ANGE", "dateNaissance": "1984-05-17", "sexe": "F"}
    SCHEMAS["Identite"].validate(wire)
    identity = mapping.identity_from_wire(wire)
    assert identity.civility is port.Civility.MRS
    assert identity.usual_name is None
    assert identity.birth_date == date(1984, 5, 17)
    assert "ŒILLET" not in repr(identity)
    assert "1984" not in repr(identity)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe{\x00}\x00", b'{"a": NaN}', b'{"a": -Infinity}', b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}", b"<html>", b'{"a":1}x'
    ],
)  # fmt: skip
def test_nasty_json_is_refused(body: bytes) -> None:
    with pytest.raises(mapping.MappingError) as caught:
        mapping.parse_json(body)
    assert caught.value.__context__ is None  # the error of the parser holds the whole text


@FAST
@given(json_values)
def test_json_is_read(value: Any) -> None:
    assert mapping.parse_json(json.dumps(value).encode()) == value


# --- refusals --------------------------------------------------------------------------------------------------------


@FAST
@given(st.integers(400, 499), json_values | st.fixed_dictionaries({"code": json_values, "title": json_values, "erreurs": json_values}))
def test_a_refusal_is_always_read(status: int, wire: Any) -> None:
    problem = problems.problem_from_wire(status, wire)
    assert 0 < len(problem.code) <= 64
    assert len(problem.title) <= 300
    assert len(problem.details) <= 50


def test_a_refusal_is_told_in_the_words_of_the_portal() -> None:
    problem = problems.problem_from_wire(
        422,
        {
            "code": "DONNEES_INVALIDES",
            "title": "Refusé pour 1 62 07 13 155 089 82",
            "numeroDossier": "30444380",
            "erreurs": [{"champ": "/titulaire/dateNaissance", "code": "DATE_INCOHERENTE", "message": "NIR 162071315508982"}, {"champ": "/x/y", "code": "é"}, 3],
        },
    )
    assert problem.title == "Refusé pour ***"
    assert [(detail.path, detail.field, detail.code, detail.message) for detail in problem.details] == [
        ("holder.birth_date", "/titulaire/dateNaissance", "DATE_INCOHERENTE", "NIR ***"),
        (None, "/x/y", "", ""),
    ]
    assert problem.number == "30444380"


@pytest.mark.parametrize(
    ("pointer", "path"),
    [
        ("/titulaire/nir", "holder.nir"),
        ("/modification/titulaire/nir", "holder.nir"),
        ("/financements/1/montantEngage", "fundings.1.committed"),
        ("/dateEntree", "entry_date"),
        ("/titulaire", "holder"),
        ("/titulaire/nir/0/x", None),
        ("titulaire", None),
        ("", None),
        ("/", None),
        ("/0", None),
    ],
)
def test_pointers(pointer: str, path: str | None) -> None:
    assert problems.path_of(pointer) == path


@pytest.mark.parametrize(
    ("one", "other"),
    [("Lacaze-Duthiers", "LACAZE DUTHIERS"), ("N’DIAYE", "n'diaye"), ("Œillet", "OEILLET"), ("Sán Martín", "SAN MARTIN"), ("Strauß", "STRAUSS")],
)
def test_names_that_are_the_same(one: str, other: str) -> None:
    assert mapping.same_name(one, other)
    assert not mapping.same_name(one, other + "X")


# --- the weekly file -------------------------------------------------------------------------------------------------


def test_the_weekly_file() -> None:
    text = (
        "\ufeffnumeroDossier;position;natureContrat;heuresMensuelles;dateDebut;dateFin;codeNaf;multiEmploi\r\n"
        "30444380;ENTREE;CDI;151,67;2026-01-05;;4711D;N\r\n"
        "30444380;M3;INTERIM;;;2026-05-01;;O\r\n"
        "30444380;M4;INTERIM;;;2026-05-01;;O\r\n"
        "\r\n"
        "30444380;M6;CDD;12\r\n"
    )
    found = mapping.weekly_dsn_from_csv("2026-W05", text.encode())
    assert [(job.position, job.contract, job.monthly_hours, job.start, job.end, job.naf_code, job.several_jobs) for job in found.jobs] == [
        (port.JobPosition.ENTRY, port.ContractNature.PERMANENT, Decimal("151.67"), date(2026, 1, 5), None, "4711D", False),
        (port.JobPosition.MONTH_3, port.ContractNature.TEMPORARY, None, None, date(2026, 5, 1), None, True),
    ]
    assert found.unreadable == (4, 6)


def test_a_weekly_file_without_titles_and_an_empty_one() -> None:
    assert len(mapping.weekly_dsn_from_csv("2026-W05", b"30444380;M12;AUTRE;1;;;;OUI").jobs) == 1
    assert mapping.weekly_dsn_from_csv("2026-W05", b"").jobs == ()


@FAST
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_weekly_file_that_is_none(body: bytes) -> None:
    try:
        found = mapping.weekly_dsn_from_csv("2026-W05", body)
    except mapping.MappingError:
        return
    assert not found.jobs
    assert not found.unreadable


# --- requests that make no sense -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": port.EventKind.CLOSING},
        {"kind": port.EventKind.EXIT, "outcome": port.Outcome.FULL},
        {"kind": port.EventKind.MODIFICATION},
        {"kind": port.EventKind.EXIT, "survey": port.ExitSurvey()},
        {"kind": port.EventKind.EXIT, "changes": port.FileChanges()},
    ],
)
def test_a_senseless_event_is_a_programming_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"go(es)? with"):
        port.FileEvent(number="30444380", external_reference="e-1", date=date(2026, 1, 1), **wrong)


def test_nothing_personal_in_a_repr() -> None:
    query = port.IdentityQuery(nir="1620713155089", key="82", birth_name="SION")
    assert "162" not in repr(query)
    assert "SION" not in repr(query)


@pytest.mark.parametrize("told", ["NIR 1\u00a062\u00a007\u00a013\u00a0155\u00a0089\u00a082", "NIR 1\u202f62\u202f07\u202f13\u202f155\u202f089", "courriel anne.sion@exemple.fr refusé"])
def test_no_number_nor_address_of_a_person_is_kept_of_a_refusal(told: str) -> None:
    from app.partners.agora.problems import problem_from_wire

    problem = problem_from_wire(422, {"code": "X", "title": told, "erreurs": [{"champ": "/titulaire/nir", "message": told}]})
    for text in (problem.title, problem.details[0].message):
        assert "***" in text
        assert "155" not in text
        assert "@" not in text
