"""The file of the trainees without NIR, taken out under the reader's tenancy; no number in it, not even masked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.actions.models import Action
from app.actions.services import actor_name
from app.core import context
from app.core.extensions import db
from app.core.tabular.journaled import JournaledFile
from app.core.tabular.writing import ColumnKind, FileFormat, Heading
from app.core.tenancy import current_scope
from app.core.ui.format import fr_date

from ..models import Registration, Trainee
from ..queries import without_nir
from .models import NumberFile
from .rules import HEADERS, PREFIX, Column

_WIDTHS: Final = {Column.BIRTH_NAME: 28, Column.FIRST_NAME: 20, Column.ACTIONS: 30, Column.NIR: 22}


#: Which kind of number somebody has now.
_PRESENT: Final = case((Trainee.nir_kind.is_not(None), Trainee.nir_kind), else_=literal("aucun"))


def _without_nir() -> ColumnElement[bool]:
    """The people of the list of the NIA to regularise."""
    return Trainee.id.in_(select(Registration.trainee_id).where(without_nir()))


def count_without_nir() -> int:
    """How many lines the file would have."""
    return db.session.scalar(select(func.count()).select_from(Trainee).where(_without_nir())) or 0


def list_files(limit: int = 20) -> list[NumberFile]:
    """The files taken out, latest first."""
    return list(db.session.scalars(select(NumberFile).order_by(NumberFile.id.desc()).limit(limit)))


def _actions() -> Any:
    listed = func.string_agg(Action.number, aggregate_order_by(literal(", "), Action.number))
    return (
        select(listed).select_from(Registration).join(Action, Action.id == Registration.action_id)
        .where(Registration.trainee_id == Trainee.id).correlate(Trainee).scalar_subquery()
    )  # fmt: skip


def _statement() -> Select[Any]:
    columns = (
        literal(PREFIX).concat(Trainee.id), Trainee.birth_name, Trainee.first_name, Trainee.birth_date, func.coalesce(_actions(), ""),
        _PRESENT, literal(""), literal(""),
    )  # fmt: skip
    return select(*columns).where(_without_nir()).order_by(Trainee.sort_name, Trainee.id)


def known_cells(trainee_ids: Collection[int]) -> dict[int, dict[Column, str]]:
    """What the file says of these people besides reference and name, in one statement; of those alone whom the account may see."""
    statement = select(Trainee.id, Trainee.first_name, Trainee.birth_date, func.coalesce(_actions(), "").label("actions"), _PRESENT.label("present"))
    return {
        row.id: {
            Column.FIRST_NAME: row.first_name, Column.BIRTH_DATE: fr_date(row.birth_date), Column.ACTIONS: row.actions, Column.PRESENT: row.present,
        }
        for row in db.session.execute(statement.where(Trainee.id.in_(trainee_ids)))
    }  # fmt: skip


def number_file(file_format: FileFormat) -> JournaledFile:
    """The file of the trainees without NIR, begun."""
    actor = context.actor_id()
    entry = NumberFile(organisation_id=current_scope().organisation_id, account_id=actor, account_name=actor_name(actor), file_format=file_format.value)
    headings = [
        Heading(words, ColumnKind.DATE if column is Column.BIRTH_DATE else ColumnKind.TEXT, _WIDTHS.get(column, 16)) for column, words in HEADERS.items()
    ]
    return JournaledFile(entry, _statement(), file_format=file_format, title="NIR", headings=headings)
