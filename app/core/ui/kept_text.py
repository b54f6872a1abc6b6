"""The base of every form: a text that a person types and that is kept holds no number of a person.

A NIR has boxes of its own, is encrypted and is read against a reason (design rule 8); in a free text it would be kept and shown in
clear.  So every text box refuses one, but for those a form declares in ``number_boxes``, each with the reason why it takes numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, StringField, TelField, ValidationError

from app.core.nir.text import holds_number

#: Text boxes that are no free text: nobody types into the first, the second is never shown, the third takes a telephone number.
_OTHERS = (HiddenField, PasswordField, TelField)

#: Why a box takes numbers.
NIR_BOX = "the box of the NIR itself: encrypted, never shown again"
PHONE_BOX = "a telephone number, checked as one"


def no_number(_form: Any, field: Any) -> None:
    """A free text is kept and shown as it is: the number of a person has no place in it."""
    if isinstance(field.data, str) and holds_number(field.data):
        raise ValidationError(_("Write no number of a person here: the NIR goes into its own box."))


class KeptTextForm(FlaskForm):
    """What every form of the portal is made of.  The anti-forgery token is checked once, for the whole application."""

    class Meta(FlaskForm.Meta):
        csrf = False

    #: Text boxes made for a number, and why.
    number_boxes: ClassVar[Mapping[str, str]] = {}
    #: Why nothing of this form is kept; empty for all others.
    keeps_nothing: ClassVar[str] = ""

    def kept_texts(self) -> dict[str, Any]:
        """The fields whose text is kept as it was typed, by name."""
        if self.keeps_nothing:
            return {}
        texts = {name: field for name, field in self._fields.items() if isinstance(field, StringField) and not isinstance(field, _OTHERS)}
        return {name: field for name, field in texts.items() if name not in self.number_boxes}

    def validate(self, extra_validators: Any = None) -> bool:
        """Each field by its own rules, and every text by the one above."""
        rules = {name: list(more) for name, more in (extra_validators or {}).items()}
        for name in self.kept_texts():
            rules.setdefault(name, []).append(no_number)
        return bool(super().validate(rules))


__all__ = ["NIR_BOX", "PHONE_BOX", "KeptTextForm", "no_number"]
