"""A text that a person types and that is kept holds no number of a person: every form of the portal refuses one, at its field."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.datastructures import MultiDict
from wtforms import Form, HiddenField, PasswordField, StringField

from app.core.fab.views import PortalModelView
from app.core.tenancy import Scope, bound_scope
from app.core.ui.kept_text import KeptTextForm
from app.core.ui.styleguide import SampleForm
from app.requests.domain.changes import Change, Field, Key, Target
from app.requests.forms import lines_form

APP = Path(__file__).resolve().parents[2] / "app"
#: A number with its key, as somebody writes it in a sentence.
TYPED = "Son NIR 1 62 07 13 155 089 82 est faux"
#: What a form takes when it is made.
_NEEDS: dict[str, dict[str, Any]] = {"TokenForm": {"scopes": []}}
#: Answers that ask for other boxes: what is typed into a question that is not asked is let go.
_ASKS = {"SituationForm": {"ft_registered": "oui", "esf_state": "complete"}}
#: Boxes that may take a number of the same look, each declared where it stands.
DECLARED = {
    ("VerificationForm", "nir"), ("VerificationForm", "key"), ("NumberForm", "nir"), ("NumberForm", "key"), ("CorrectionForm", "nir"), ("CorrectionForm", "key"),
    ("ContactForm", "mobile"), ("ContactForm", "landline"), ("IdentificationForm", "mobile"), ("IdentificationForm", "landline"), ("TokenForm", "networks"),
    ("SampleForm", "nir"), ("SampleForm", "nir_key"),
}  # fmt: skip
KEEP_NOTHING = {"SignInForm", "RecoveryForm", "CodeForm", "FirstCodeForm", "PasswordAndCodeForm", "SearchForm"}


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _forms(app: Flask) -> dict[str, type[Form]]:
    """Every form class of the portal by its name, those that Flask-AppBuilder makes of a table included."""
    found = {f"{one.__module__}.{one.__qualname__}": one for one in _below(Form) if one.__module__.startswith("app.")}
    assert f"{SampleForm.__module__}.SampleForm" in found
    found.pop("app.core.fab.listing.SearchForm", None)  # the search of a list: nothing is kept, and no number comes as far
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]  # Flask-AppBuilder's own
        if isinstance(view, PortalModelView):
            for kind in ("add", "edit"):
                if view.has_route(kind):
                    found[f"{type(view).__name__}.{kind}"] = getattr(view, f"{kind}_form")
    return found


def test_every_form_has_the_rule(app: Flask) -> None:
    wrong = [name for name, one in _forms(app).items() if not issubclass(one, KeptTextForm)]
    assert not wrong, f"derive from KeptTextForm: {wrong}"
    builders = [
        f"{path.relative_to(APP)}:{node.lineno}"
        for path in APP.rglob("*.py")
        if path.name != "kept_text.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "FlaskForm"
    ]
    assert not builders, builders


def _refuses(form: Any, name: str) -> bool:
    """Whether the form says no, or lets go what is typed into a question that is not asked."""
    for field in form:
        if getattr(field, "choices", ()) is None:
            field.choices = []
    form.validate()
    return bool(form[name].errors) or not form[name].data


def test_every_text_that_is_kept_refuses_a_number(app: Flask, db_session: Any) -> None:
    forms = _forms(app)
    forms["lines_form"] = lines_form([Change(Key(Target.ACTION, 1, Field.TITLE), "a", "b")])
    taken: set[tuple[str, str]] = set()
    silent: set[str] = set()
    texts = 0
    with app.test_request_context("/", method="POST"), bound_scope(Scope.system()):
        for form_class in forms.values():
            needs = _NEEDS.get(form_class.__name__, {})
            blank: Any = form_class(formdata=MultiDict(), **needs)
            for field in blank:
                if not isinstance(field, StringField) or isinstance(field, HiddenField | PasswordField):
                    continue
                texts += 1
                form: Any = form_class(formdata=MultiDict(_ASKS.get(form_class.__name__, {}) | {field.name: TYPED}), **needs)
                if _key(form, field) in form.kept_texts():
                    assert _refuses(form, _key(form, field)), f"{form_class.__name__}.{field.name} takes a number"
                elif form.keeps_nothing:
                    silent.add(form_class.__name__)
                elif field.type != "TelField":
                    assert form.number_boxes[_key(form, field)], "a box that takes numbers says why"
                    taken.add((form_class.__name__, _key(form, field)))
    assert taken == DECLARED
    assert silent == KEEP_NOTHING
    assert texts > 60


def _key(form: Any, field: Any) -> str:
    return next(key for key, one in form._fields.items() if one.name == field.name)

