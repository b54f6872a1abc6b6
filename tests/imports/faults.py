"""Files of trainees with faults of every kind that the matrix « Stagiaires » knows, seeded: each fault is on a line of its own, and its cell is known."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from xlsxwriter import Workbook

from app.accounts.seeds import ORGANISATION_B
from app.actions.models import Action
from app.core import clock
from app.core.extensions import db
from app.core.nir import Nir, compute_key, parse
from app.core.nir.number import SPECIMENS
from app.trainees.domain import IdentitySource
from app.trainees.services.identity import Person
from app.trainees.services.registration import Newcomer, register
from tests.actions.helpers import details, make_action, make_person
from tests.imports.helpers import described, row_of

#: What a cell holds in the file: a text, a figure, or a day.
Value = str | int | datetime
Cells = dict[str, Value]

_FREE_TEXT: Final = "voir 1 85 06 31 001 001 61"
_SPECIMEN: Final = next(iter(SPECIMENS))


def letters(number: int) -> str:
    """A word of its own for each number."""
    return "".join(chr(97 + number // 26**power % 26) for power in range(5))


def numbered(serial: int, *, month: int | None = None, first: str = "1") -> Nir:
    """A right number for each serial: of people born in 1960."""
    body = f"{first}60{month or serial % 12 + 1:02d}{serial // 12 % 90 + 1:02d}{serial // 1080 % 900 + 1:03d}{serial % 999 + 1:03d}"
    return parse(body, compute_key(body))


@dataclass
class World:
    """The actions that the lines speak of, and people whom the organisation knows already."""

    action: Action = field(default_factory=lambda: make_action(title="Principale"))
    other: Action = field(default_factory=lambda: make_action(title="Seconde"))
    cofunded: Action = field(default_factory=lambda: make_action(esf=True))
    without_number: Action = field(default_factory=lambda: make_action(programme="AVENIR"))
    over: Action = field(default_factory=make_action)
    elsewhere: Action = field(default_factory=lambda: make_action(siret=ORGANISATION_B))

    def prepare(self) -> None:
        """The action that takes nobody any more."""
        self.over.status = "AN"
        db.session.flush()

    def knows(self, serial: int) -> tuple[Nir, Person]:
        """Somebody of the organisation, registered on another action than the files speak of."""
        nir = numbered(serial)
        person = make_person(f"CONNU {letters(serial).upper()}")
        register(self.other.id, Newcomer(person, IdentitySource.AGORA, nir), details())
        return nir, person


@dataclass
class Line:
    """A line as it has to be, what stands there, and the column to be named ("" for the line as a whole; None when nothing is wrong)."""

    right: Cells
    cells: Cells
    wrong: str | None = None
    kind: str = ""


Spoil = Callable[["Maker", Cells], None]
KINDS: dict[str, tuple[str, Spoil]] = {}


def kind(column: str, **cells: Value) -> None:
    """A kind of fault: these cells are wrong, and ``column`` has to be named."""
    name = f"{column}: {' '.join(f'{one}={value}' for one, value in cells.items())}"
    KINDS[name] = (column, lambda _maker, row: row.update(cells))


def made(column: str, name: str) -> Callable[[Spoil], Spoil]:
    """A kind of fault that depends on the line or on what is there."""

    def keep(spoil: Spoil) -> Spoil:
        KINDS[name] = (column, spoil)
        return spoil

    return keep


class Maker:
    """Makes the lines of one file."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.rows: dict[str, Cells] = {}
        self.serial = 0
        self.lines: list[Line] = []
        self.known: list[tuple[Nir, Person]] = []

    def fresh(self, action: Action) -> Cells:
        """A right line about somebody new."""
        self.serial += 1
        serial = self.serial
        if action.number not in self.rows:
            self.rows[action.number] = dict(row_of(action, None))
        nir = numbered(serial)
        row = self.rows[action.number] | {
            "birth_name": f"Nom {letters(serial)}", "first_name": f"Prénom {letters(serial % 700)}", "birth_date": f"{serial % 28 + 1:02d}/{serial % 12 + 1:02d}/1960",
            "mobile": f"06{serial % 10**8:08d}", "email": f"personne{serial}@exemple.fr", "ft_number": f"{serial:07d}A", "street_name": f"rue du Lot {serial % 3000}",
        }  # fmt: skip
        if action is not self.world.without_number:
            row |= {"nir": nir.number, "key": nir.key}
        if action is self.world.cofunded:
            row |= {"esf_state": "later"} if serial % 2 else {"esf_state": "complete", "esf_parent_abroad": "no", "esf_birth_postal_code": "31000", "esf_homeless": "no"}
        return row

    def add(self, wrong: str | None = None) -> None:
        """One more line, right or with a fault of this kind."""
        world = self.world
        if wrong is None:
            row = self.fresh(self.chance.choices((world.action, world.cofunded, world.without_number), (8, 1, 1))[0])
            self.lines.append(Line(row, row))
            return
        column, spoil = KINDS[wrong]
        esf, known = column.startswith("esf"), wrong.startswith("known")
        row = self.fresh(world.cofunded if esf else world.action)
        if esf:
            row |= {"esf_state": "complete", "esf_parent_abroad": "no", "esf_birth_postal_code": "31000", "esf_homeless": "no"}
        if known:
            nir, person = self.known.pop()
            row |= {"nir": nir.number, "key": nir.key, "birth_name": person.birth_name, "first_name": person.first_name, "birth_date": "02/06/1985"}
        cells = dict(row)
        spoil(self, cells)
        assert cells != row, wrong
        self.lines.append(Line(row, cells, column, wrong))

    def earlier(self) -> Cells:
        """A right line of the main action, above."""
        while True:
            line = self.chance.choice(self.lines)
            if line.wrong is None and line.cells["action_number"] == self.world.action.number:
                return line.cells


# ---- the number

@made("key", "key that does not go with the number")
def _wrong_key(_maker: Maker, row: Cells) -> None:
    row["key"] = f"{int(str(row['key'])) % 97 + 1:02d}"


kind("key", key="")
kind("key", key="A7")
kind("key", key=7)  # a zero was lost
kind("nir", nir="1,60071E+14")
kind("nir", nir=160071315509)  # a figure, too short
kind("nir", nir="1600713")
kind("nir", nir="16007131O5509")
kind("nir", nir="5600713155089")
kind("nir", nir="", key="")
kind("nir", nir=_SPECIMEN[:13], key=_SPECIMEN[13:])


@made("nir", "month of the number")
def _month(maker: Maker, row: Cells) -> None:
    body = f"16013{str(row['nir'])[5:]}"
    row |= {"nir": body, "key": compute_key(body)}


@made("nir", "number where none may be asked")
def _not_asked(maker: Maker, row: Cells) -> None:
    row["action_number"] = maker.world.without_number.number


@made("nir", "two identities under one number")
def _two(maker: Maker, row: Cells) -> None:
    first = maker.earlier()
    row |= {name: first[name] for name in ("nir", "key", "birth_date", "first_name")} | {"action_number": maker.world.other.number, "birth_name": "Autre"}


# ---- the identity

kind("gender", gender="Féminin", civility="Madame")
kind("civility", civility="Madame")
kind("civility", civility="Docteur")
kind("civility", civility="")
kind("gender", gender="")
kind("birth_name", birth_name="")
kind("birth_name", birth_name="N" * 61)
kind("birth_name", birth_name=datetime(2026, 3, 1))
kind("first_name", first_name="")
kind("first_name", first_name="Paul2")
kind("usual_name", usual_name="<b>")
kind("birth_date", birth_date="")
kind("birth_date", birth_date="31/02/1960")
kind("birth_date", birth_date="01/02/60")
kind("birth_date", birth_date="15/08/1974")  # another year than the number's
kind("birth_date", birth_date="01/01/1890")
kind("identity_confirmed", identity_confirmed="peut-être")


@made("birth_date", "too young")
def _young(_maker: Maker, row: Cells) -> None:
    row["birth_date"] = (clock.today() - timedelta(days=2000)).strftime("%d/%m/%Y")


@made("birth_name", "known under another name")
def _known_name(_maker: Maker, row: Cells) -> None:
    row["birth_name"] = "Personne"


@made("birth_date", "known with another date of birth")
def _known_date(_maker: Maker, row: Cells) -> None:
    row["birth_date"] = "03/06/1985"


# ---- contact

kind("nationality_id", nationality_id="Martienne")
kind("nationality_id", nationality_id="")
kind("street_number", street_number="A12")
kind("street_extension", street_extension="sexies")
kind("street_type_id", street_type_id="")
kind("street_name", street_name="rue du 🙂")
kind("street_name", street_name="x" * 121)
kind("address_complement", address_complement=_FREE_TEXT)
kind("other_information", other_information=_FREE_TEXT)
kind("postal_code", postal_code=1000)
kind("postal_code", postal_code="3100A")
kind("postal_code", postal_code=datetime(2026, 3, 1))
kind("town", town="PARIS")
kind("town", town="")
kind("mobile", mobile="05 61 00 00 00")
kind("mobile", mobile="six zéro")
kind("mobile", mobile="")
kind("mobile", mobile=612345678)
kind("landline", landline="05 61")
kind("email", email="sans-arobase")
kind("email", email="")

# ---- situation

kind("ft_registered", ft_registered="peut-être")
kind("ft_number", ft_number="")
kind("ft_number", ft_number="00000000")
kind("ft_number", ft_number="123")
kind("ft_registered_on", ft_registered_on="hier")
kind("ft_registered_on", ft_registered_on="01/01/1970")  # before the age of 14
kind("general_objective_id", general_objective_id="Devenir riche")
kind("receives_are", receives_are="")
kind("receives_rsa", receives_rsa="3")
kind("boe", boe="peut-être")
kind("school_leaver", school_leaver="")
kind("entry_level_id", entry_level_id="Niveau 99")
kind("last_class_year", last_class_year="1965")  # before the age of 10
kind("highest_level_year", highest_level_year="1800")
kind("highest_diploma_id", highest_diploma_id="")


@made("ft_registered_on", "registered to come")
def _to_come(_maker: Maker, row: Cells) -> None:
    row["ft_registered_on"] = (clock.today() + timedelta(days=30)).strftime("%d/%m/%Y")


kind("esf_state", esf_state="")
kind("esf_parent_abroad", esf_parent_abroad="")
kind("esf_birth_postal_code", esf_birth_postal_code="31")
kind("esf_homeless", esf_homeless="bof")

# ---- the line

kind("action_number", action_number="99Z0000000_1")
kind("action_number", action_number="")


@made("action_number", "action of another organisation")
def _others(maker: Maker, row: Cells) -> None:
    row["action_number"] = maker.world.elsewhere.number


@made("action_number", "action that is over")
def _over(maker: Maker, row: Cells) -> None:
    row["action_number"] = maker.world.over.number


@made("", "the same line twice")
def _twice(maker: Maker, row: Cells) -> None:
    row |= maker.earlier()


def make_lines(world: World, *, lines: int, faults: int, seed: int) -> list[Line]:
    """So many lines, and among them so many faults, of every kind in turn."""
    maker = Maker(world, seed)
    names = list(KINDS)
    wanted = [names[number % len(names)] for number in range(faults)]
    maker.known = [world.knows(10_000_000 + number) for number, one in enumerate(wanted) if one.startswith("known")]
    maker.chance.shuffle(wanted)
    places = set(maker.chance.sample(range(20, lines), faults))
    for place in range(lines):
        maker.add(wanted.pop() if place in places else None)
    return maker.lines


def xlsx_of(rows: Sequence[Mapping[str, Value]]) -> bytes:
    """The workbook: texts as texts, figures and days as a spreadsheet holds them."""
    names = [(one.column.name, one.header) for one in described()]
    return workbook([[header for _name, header in names], *([row[name] for name, _header in names] for row in rows)])


def workbook(table: Sequence[Sequence[Value]]) -> bytes:
    """Any table."""
    target = io.BytesIO()
    book = Workbook(target, {"in_memory": True, "constant_memory": True, "default_date_format": "dd/mm/yyyy"})
    sheet = book.add_worksheet("Stagiaires")
    for number, row in enumerate(table):
        for place, value in enumerate(row):
            if isinstance(value, datetime | date):
                sheet.write_datetime(number, place, value)
            elif isinstance(value, int):
                sheet.write_number(number, place, value)
            elif value:
                sheet.write_string(number, place, value)
    book.close()
    return target.getvalue()


__all__ = ["KINDS", "Line", "Value", "World", "make_lines", "workbook", "xlsx_of"]
