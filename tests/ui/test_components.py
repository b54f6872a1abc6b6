"""Macros: every component renders, says what it must to assistive technology, and escapes what it is given."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import DateField, DateTimeField, RadioField, SelectField, SelectMultipleField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired

from app.core.ui import KeysetPage, Page
from app.core.ui.components import field_view, form_errors, html_attributes, page_numbers, step_states
from app.core.ui.forms import FrDateField, FrDecimalField, YesNoField, parse_fr_date

TWO = [SelectChoice("1", "Un"), SelectChoice("2", "Deux")]


class Sample(FlaskForm):
    name = StringField("Nom", [InputRequired("Saisissez le nom.")], description="De naissance.")
    start = FrDateField("Début")
    hours = FrDecimalField("Heures")
    known = YesNoField("Inscrit", [InputRequired("Choisissez.")])
    one = SelectField("Un", choices=TWO)
    radio = RadioField("Radio", [InputRequired("Choisissez.")], choices=TWO)
    many = SelectMultipleField("Plusieurs", choices=TWO)


def filled(**data: Any) -> Sample:
    return Sample(MultiDict(data), meta={"csrf": False})


def render(app: Flask, source: str, path: str = "/", **values: Any) -> str:
    with app.test_request_context(path):
        return render_template_string('{% import "portal/macros.html" as m %}' + source, **values)


def test_attributes() -> None:
    assert html_attributes({"id": "a", "class": "x"}, class_="y", hx_get="/z?a=1&b=2", hidden=True, title=None) == (
        ' id="a" class="x y" hx-get="/z?a=1&amp;b=2" hidden'
    )
    with pytest.raises(ValueError, match="inline"):
        html_attributes(style="color:red")
    with pytest.raises(ValueError, match="inline"):
        html_attributes(onclick="x()")


def test_field_describes_itself(ui_app: Flask) -> None:
    with ui_app.test_request_context():
        form = filled()
        form.validate()
        page = render(ui_app, "{{ m.error_summary(form) }}{{ m.field(form.name) }}{{ m.field(form.radio) }}", form=form)
    assert 'href="#name"' in page
    assert 'href="#radio-0"' in page
    assert 'id="radio-0"' in page
    assert 'aria-describedby="name-hint name-error"' in page
    assert 'aria-invalid="true"' in page
    assert page.index('id="name-hint"') < page.index('id="name-error"') < page.index('<input type="text"')
    assert "autofocus data-autofocus" in page
    assert "<legend" in page


@pytest.mark.parametrize(
    ("name", "kind"),
    [("name", "input"), ("start", "date"), ("hours", "input"), ("known", "radios"), ("one", "select"), ("radio", "radios"), ("many", "checkboxes")],
)
def test_kinds_are_guessed(ui_app: Flask, name: str, kind: str) -> None:
    with ui_app.test_request_context():
        assert field_view(filled()[name]).kind == kind


def test_kinds_of_stock_date_fields(ui_app: Flask) -> None:
    class Stock(FlaskForm):
        day = DateField("Jour")

    with ui_app.test_request_context():
        assert field_view(Stock(meta={"csrf": False}, data={"day": date(2026, 1, 5)}).day).value == "05/01/2026"
    assert DateTimeField  # its kind is a plain text field, see _DATETIME_FIELDS


def test_select_can_be_radio_buttons(ui_app: Flask) -> None:
    with ui_app.test_request_context():
        page = render(ui_app, '{{ m.field(form.one, kind="radios") }}', form=filled(one="2"))
    assert re.search(r'id="one-1"[^>]*value="2" checked', page)


def test_what_was_typed_is_shown_back(ui_app: Flask) -> None:
    with ui_app.test_request_context():
        form = filled(start="31/02/2023", hours="12,345", name='<b>"')
        assert not form.validate()
        page = render(ui_app, "{% for f in form %}{{ m.field(f) }}{% endfor %}", form=form)
    assert 'value="31/02/2023"' in page
    assert 'value="12,345"' in page
    assert "&lt;b&gt;&#34;" in page
    lines = [message for _target, message in form_errors(form)]
    assert len(lines) == len(set(lines)), lines  # each line names its field: "Choisissez." twice would not tell which


@pytest.mark.parametrize("text", ["05/01/2023", "5/1/2023", "5.1.2023", "05012023", "2023-01-05", " 05/01/2023 "])
def test_dates_are_read(text: str) -> None:
    assert parse_fr_date(text) == date(2023, 1, 5)


@pytest.mark.parametrize("text", ["01/01/1800", "31/12/2998", "2998-12-31"])
def test_a_year_that_nobody_means_is_told_with_those_accepted(ui_app: Flask, text: str) -> None:
    class DayForm(FlaskForm):
        class Meta:
            csrf = False

        day = FrDateField("Jour")

    with ui_app.test_request_context():
        form = DayForm(MultiDict({"day": text}))
        assert not form.validate()
        (said,) = form.day.errors
    assert "1900" in said
    assert "2200" in said


def test_a_day_that_does_not_exist_is_told_from_what_is_no_date(app: Flask) -> None:
    with app.test_request_context():
        absent, unread = filled(start="31/02/2023"), filled(start="demain")
        assert not absent.validate() and not unread.validate()
        assert "n’existe pas dans le calendrier" in absent.start.errors[0] and "n’est pas lisible" in unread.start.errors[0]


@pytest.mark.parametrize("text", ["", "31/02/2023", "05/01/23", "01/13/2023", "demain", "05/01/0023", "5012023"])
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_fr_date(text)


def test_yes_no(ui_app: Flask) -> None:
    with ui_app.test_request_context():
        assert [filled(known=text).known.data for text in ("oui", "non", "?")] == [True, False, None]
        assert filled(known="non", name="x", radio="1", one="1").validate()
        page = render(ui_app, "{{ m.field(form.known) }}", form=Sample(formdata=None, data={"known": False}, meta={"csrf": False}))
    assert re.search(r'value="non" checked', page)
    assert not re.search(r'value="oui" checked', page)


def test_decimal_comma(ui_app: Flask) -> None:
    with ui_app.test_request_context():
        assert str(filled(hours="1 234,5").hours.data) == "1234.50"
        assert str(filled(hours="12.25").hours.data) == "12.25"
        for text in ("abc", "NaN", "Infinity", "1,234"):
            form = filled(hours=text)
            form.validate()
            assert form.hours.errors


def test_table_sorts_by_links_and_labels_its_cells(ui_app: Flask) -> None:
    source = (
        '{% call m.data_table("Actions", [{"label": "Numéro", "sort": "number"}, {"label": "Début", "sort": "start"}, "Places"]) %}'
        '{% call m.row(href="/a/1") %}{{ m.cell("Numéro", "<1>", kind="code") }}{{ m.cell("Début") }}{{ m.cell("Places", 0, kind="num") }}{% endcall %}'
        "{% endcall %}"
    )
    page = render(ui_app, source, "/actions?sort=number&order=asc&page=4&statut=EC")
    assert "<caption>Actions</caption>" in page
    assert 'aria-sort="ascending"' in page
    assert page.count("aria-sort") == 1
    assert "/actions?statut=EC&amp;sort=number&amp;order=desc" in page
    assert "/actions?statut=EC&amp;sort=start&amp;order=asc" in page
    assert 'data-label="Places"' in page
    assert ">0</div>" in page.replace("\n", "")
    assert "&lt;1&gt;" in page
    assert 'data-href="/a/1"' in page


def test_pagination_keeps_the_address(ui_app: Flask) -> None:
    page = render(ui_app, "{{ m.pagination(page) }}", "/l?statut=EC&page=2", page=Page(2, 25, 130))
    assert 'rel="next" href="/l?statut=EC&amp;page=3"' in page
    assert 'aria-current="page"' in page
    keyset = render(ui_app, "{{ m.pagination(page) }}", "/l?statut=EC&before=9", page=KeysetPage(25, 25, after="x=1"))
    assert 'href="/l?statut=EC&amp;after=x%3D1"' in keyset
    assert 'rel="prev"' not in keyset


def test_page_numbers() -> None:
    assert page_numbers(1, 1) == [1]
    assert page_numbers(4, 49) == [1, 2, 3, 4, 5, None, 49]
    assert page_numbers(25, 49) == [1, None, 24, 25, 26, None, 49]
    assert (Page(1, 25, 0).first, Page(1, 25, 0).last, Page(1, 25, 0).pages) == (0, 0, 1)


def test_steps() -> None:
    assert [step["state"] for step in step_states(["a", "b", "c"], 1)] == ["done", "current", "todo"]
    assert [step["state"] for step in step_states([{"label": "A", "key": "a", "done": False}, {"label": "B", "key": "b"}], "b")] == ["todo", "current"]
    assert step_states([("A", "/a")], "A")[0]["href"] == "/a"


def test_conflict_offers_one_choice_per_field(ui_app: Flask) -> None:
    from datetime import UTC, datetime

    fields = [{"name": "places", "label": "Places", "base": 12, "mine": 14, "theirs": 15, "choice": "theirs"}]
    page = render(ui_app, '{{ m.conflict(fields, "Mme Blanc", at) }}', fields=fields, at=datetime(2023, 1, 5, 13, 2, tzinfo=UTC))
    assert "14:02" in page
    assert page.count('name="choice-places"') == 2
    assert re.search(r'value="theirs" checked', page)


@pytest.mark.parametrize("sentence", ["Tout est perdu.", lazy_gettext("Tout est perdu.")])
def test_the_text_of_a_message_is_a_sentence_or_several(ui_app: Flask, sentence: Any) -> None:
    """To Jinja, a lazy string is a list of letters."""
    source = '{{ m.alert("warning", "Titre", body) }}'
    assert render(ui_app, source, body=sentence).count("<p>Tout est perdu.</p>") == 1
    assert render(ui_app, source, body=[sentence, "Vraiment."]).count("<p>") == 2


def test_dialog_without_script_is_a_link_to_a_page(ui_app: Flask) -> None:
    source = '{{ m.dialog_trigger("Clôturer", "d", "/a/1/cloturer") }}'
    page = render(ui_app, source + '{{ m.confirm_dialog("d", "Clôturer ?", "Définitif.", "/a/1/cloturer", "Clôturer") }}')
    assert 'href="/a/1/cloturer"' in page
    assert '<form method="post"' in page
    assert 'name="csrf_token"' in page
    assert page.index("autofocus") < page.index("button-danger")


def test_style_guide_exists_in_demonstration_mode_only(ui_app: Flask) -> None:
    from tests.ui.conftest import make_app

    assert ui_app.test_client().get("/ui").status_code == 200
    assert make_app(DEMO=False).test_client().get("/ui").status_code == 404


@pytest.mark.parametrize("typed", ["1e30", "1E400000", "NaN", "inf", "1_000", "--1", ".", ",", "+", "9" * 40, "1" + "0" * 5000])
def test_what_is_no_amount_is_refused_without_a_crash(ui_app: Flask, typed: str) -> None:
    with ui_app.test_request_context():
        form = filled(hours=typed)
        assert form.hours.data is None
        assert form.hours.process_errors


@pytest.mark.parametrize(("typed", "value"), [("1 234,5", "1234.50"), (",5", "0.50"), ("-3.", "-3.00"), ("007", "7.00")])
def test_amounts_as_people_type_them(ui_app: Flask, typed: str, value: str) -> None:
    with ui_app.test_request_context():
        assert str(filled(hours=typed).hours.data) == value
