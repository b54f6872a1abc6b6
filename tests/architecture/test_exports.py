"""Every list is exported, or it is said here why not (decision 0041)."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Flask

from app.core.exports import registry

APP = Path(__file__).parents[2] / "app"
_LIST = re.compile(r"call data_table\(|\btimeline\(")
_LINK = re.compile(r"export_link\(|ExportsView\.choose|ActionExportsView\.choose|export_url\(")
_NAMED = re.compile(r'export_link\("([^"]+)"|list_name="([^"]+)"')

#: A table drawn by a part → the template of the page, or of the part, that holds its link.
LINKED_BY = {
    "appbuilder/general/lib.html": "appbuilder/general/model/list.html",
    "appbuilder/general/widgets/base_list.html": "appbuilder/general/model/list.html",
    "exchanges/_differences.html": "exchanges/reconciliation.html",
    "trainees/_table.html": "trainees/_exports.html",
}

_ONE = "What one object holds, on its own page."
_CHOICE = "A step of a form: lines to choose from, or what an act would do or did, for whoever acts now."
_ONES_OWN = "A few lines of one's own account, bounded, that serve to come back or to shut out."
_FILE = "What one file holds or would do: it is downloaded itself, annotated or with its errors."
NOT_EXPORTED = {
    "accounts/bulk_preview.html": _FILE,
    "accounts/my_account/_sessions.html": _ONES_OWN,
    "accounts/my_account/_sign_ins.html": _ONES_OWN,
    "accounts/my_account/_tokens.html": _ONES_OWN + " Those of the organisation are exported.",
    "accounts/review.html": "A queue of decisions, emptied once a year; the same accounts are exported from the secondary accounts.",
    "actions/_partners.html": _ONE,
    "actions/components.html": "The sessions of one action; components are exported from the list of actions.",
    "actions/declarations.html": _ONE,
    "actions/history.html": _ONE + " The journal of the Région is exported whole.",
    "actions/invoices.html": _ONE,
    "actions/searches.html": _ONES_OWN,
    "actions/session.html": _ONE,
    "appbuilder/supervision/message_show.html": _ONE,
    "exchanges/_run.html": _ONE + " Its differences are exported from the comparison.",
    "exchanges/searches.html": "Searches of identities are erased after an hour: no file may keep them longer.",
    "exchanges/show.html": _ONE,
    "exports/_files.html": _ONES_OWN,
    "exports/selections.html": _ONES_OWN,
    "imports/by_program.html": "Documentation of the interface.",
    "imports/check.html": _FILE,
    "imports/columns.html": _FILE,
    "imports/report.html": _FILE,
    "imports/specification.html": "The specification of a matrix, which is a PDF and a template too.",
    "imports/undo.html": _FILE,
    "mail_viewer/list.html": "The mails of the demonstration, which leave nowhere; those of the portal are exported from its supervision.",
    "portal/styleguide.html": "Examples of the design system.",
    "requests/_documents.html": _ONE,
    "requests/_macros.html": _ONE,
    "requests/batch_result.html": _CHOICE,
    "requests/dates.html": _CHOICE,
    "requests/overtaken.html": _CHOICE,
    "requests/rules_trial.html": _CHOICE,
    "requests/show.html": _ONE,
    "trainees/_outcomes.html": _CHOICE,
    "trainees/choose_component.html": _CHOICE,
    "trainees/repair.html": _FILE,
    "trainees/repair_preview.html": _FILE,
    "trainees/repair_report.html": _FILE,
    "trainees/show.html": _ONE,
}


def _templates() -> dict[str, str]:
    """Template → its text, but the macros that draw tables."""
    found = {str(path).rpartition("/templates/")[2]: path.read_text() for path in sorted(APP.glob("**/templates/**/*.html"))}
    return {name: text for name, text in found.items() if name != "portal/macros.html"}


def test_every_page_with_a_list_exports_it_or_says_why_not() -> None:
    templates = _templates()
    drawn = {name for name, text in templates.items() if _LIST.search(text)}
    linked = {name for name in drawn if _LINK.search(templates[LINKED_BY.get(name, name)])}
    assert drawn - linked - NOT_EXPORTED.keys() == set(), "declare an export (app/core/exports), or say here why these lists have none"
    assert NOT_EXPORTED.keys() & linked == set(), "they are exported by now"
    assert (NOT_EXPORTED.keys() | LINKED_BY.keys()) - drawn == set(), "there is no list any more"


def test_every_link_leads_to_a_declared_list_and_every_list_has_a_link(app: Flask) -> None:
    written = {one or other for text in _templates().values() for one, other in _NAMED.findall(text)}
    with app.test_request_context():
        assert {name for name in written if registry.find_list(name) is None} == set()
    #: Their address, or their name, is said by the view.
    elsewhere = {"actions", "composantes", "historique-comptes", "historique-organisme"}
    assert {one.key for one in registry.registered_lists()} - written - elsewhere == set()
