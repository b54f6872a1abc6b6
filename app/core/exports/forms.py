"""What to put into a file."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField, RadioField, SelectMultipleField, StringField
from wtforms.validators import Length

from app.core.named import LONGEST_NAME
from app.core.tabular.writing import FileFormat
from app.core.ui.format import fr_number
from app.core.ui.forms import Required
from app.core.ui.kept_text import KeptTextForm

from .domain import LONGEST_REASON, MOST_NUMBERS, SHORTEST_REASON

FORMAT_LABELS: dict[FileFormat, Any] = {
    FileFormat.XLSX: _l("XLSX (Excel)"),
    FileFormat.ODS: _l("ODS (LibreOffice)"),
    FileFormat.CSV: _l("CSV (text, semicolons)"),
}


def _on_one_line(text: str | None) -> str:
    return " ".join((text or "").replace("\x00", "").split())


class ExportForm(KeptTextForm):
    """Format and columns; the numbers of the people, for those entitled; whether to wait for it."""

    file_format = RadioField(_l("Format of the file"), name="format", default=FileFormat.XLSX.value, validate_choice=False)
    columns = SelectMultipleField(_l("Columns of the file"), name="colonnes", validate_choice=False)
    numbers = BooleanField(_l("Add the NIRs in clear"), name="nir")
    reason = StringField(_l("Reason for reading the numbers"), [Length(max=LONGEST_REASON)], name="motif", filters=[_on_one_line])
    background = BooleanField(_l("Prepare the file in the background, and tell me when it is ready"), name="arriere_plan")

    def validate(self, extra_validators: Any = None, *, entitled: bool = False, lines: int = 0) -> bool:
        """A format and a column at least, all of them offered; for the numbers, a right, a reason, and few enough lines."""
        valid = bool(super().validate(extra_validators))
        if self.file_format.data not in set(FileFormat):
            self.file_format.errors = [_("Choose one of these formats.")]
            valid = False
        offered = {key for key, _label in self.columns.choices}
        if not self.columns.data or not set(self.columns.data) <= offered:
            self.columns.errors = [_("Choose one column at least.") if not self.columns.data else _("One of these columns does not exist: choose again.")]
            valid = False
        if self.numbers.data:
            valid = self._valid_numbers(entitled, lines) and valid
        return valid

    def _valid_numbers(self, entitled: bool, lines: int) -> bool:
        if not entitled:
            self.numbers.errors = [_("Your account may not take the NIRs out.")]
        elif lines > MOST_NUMBERS:
            self.numbers.errors = [
                _("At most %(most)s lines may leave with the NIRs: narrow the list, or leave the NIRs out.", most=fr_number(MOST_NUMBERS))
            ]
        elif self.background.data:
            self.background.errors = [_("A file with the NIRs is never kept: download it at once, or leave the NIRs out.")]
        if len(self.reason.data or "") < SHORTEST_REASON:
            self.reason.errors = [_("Say why in at least 10 characters.")]
        return not (self.numbers.errors or self.background.errors or self.reason.errors)


class _NamedForm(KeptTextForm):
    name = StringField(
        _l("Name of the selection"), [Required(), Length(max=LONGEST_NAME, message=_l("%(max)d characters at most: shorten the name."))],
        name="nom", filters=[_on_one_line],
    )  # fmt: skip


class SelectionForm(_NamedForm):
    """Under which name columns are kept; whether the selection of that name is to change."""

    replace = BooleanField(_l("Change the selection of this name"), name="remplacer")


class RenameSelectionForm(_NamedForm):
    """Another name, from the one that was shown."""

    version = HiddenField()


__all__ = ["FORMAT_LABELS", "ExportForm", "RenameSelectionForm", "SelectionForm"]
