"""Input in several steps: nothing is lost, nothing is skipped, and the final act happens once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import redirect
from sqlalchemy import text
from wtforms import BooleanField, Form, StringField
from wtforms.validators import InputRequired

from app.core import clock
from app.core.tenancy import Scope
from app.core.transaction import transaction
from app.core.ui.forms import FrDateField
from app.core.wizard import drafts
from app.core.wizard.steps import Step, StepRefused, WizardState
from app.core.wizard.view import Wizard

NIR = "162071315508982"
acts: list[dict[str, Any]] = []
BASE = "/essai"


class WhoForm(Form):
    """First step."""

    name = StringField("Nom", [InputRequired("Remplissez ce champ.")])
    nir = StringField("NIR")
    agree = BooleanField("Accord")


class WhenForm(Form):
    """Second step."""

    start = FrDateField("Début", [InputRequired("Remplissez ce champ.")])


class ProbeWizard(Wizard):
    """Three steps about a number."""

    route_base = f"{BASE}/<int:subject_id>"
    class_permission_name = "ProbeWizard"
    kind = "probe"
    steps = (Step("qui", "Qui", WhoForm), Step("quand", "Quand", WhenForm), Step("recapitulatif", "Récapitulatif"))

    def load_subject(self, subject_id: int) -> Any:
        return {"id": subject_id} if subject_id < 1000 else None

    def initial(self, step: Step, state: WizardState) -> dict[str, Any]:
        return {"name": "Initial"} if step.name == "qui" else {}

    def finish(self, state: WizardState) -> str:
        who, when = state.values("qui"), state.values("quand")
        if who["name"] == "Refusé":
            raise StepRefused("qui", "Ce nom est refusé.", field="name")
        if who["name"] == "Plein":
            raise StepRefused("recapitulatif", "Il n’y a plus de place.")
        acts.append({"subject": state.subject["id"], **who, **when})
        return "/fini"

    def leave_url(self, state: WizardState) -> str:
        return "/parti"


@pytest.fixture(scope="module")
def wizard_app(kernel: Any) -> Any:
    builder = kernel.app.appbuilder
    with kernel.app.app_context():
        builder.add_view_no_menu(ProbeWizard())
    kernel.app.config["WTF_CSRF_ENABLED"] = False
    kernel.app.add_url_rule("/fini", "fini", lambda: redirect("/"))
    return kernel


@pytest.fixture
def browser(wizard_app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    from app.accounts.testing import sign_in

    acts.clear()
    monkeypatch.setattr(type(wizard_app.app.appbuilder.sm), "has_access", lambda *_: True)
    monkeypatch.setitem(wizard_app.app.config, "WTF_CSRF_CHECK_DEFAULT", False)

    def make(identifier: str = "principal") -> Any:
        client = wizard_app.app.test_client()
        sign_in(wizard_app.app, client, identifier)
        return client

    yield make
    with wizard_app.working(Scope.system()) as session, transaction():
        session.execute(text("DELETE FROM wizard_draft"))


def _token(page: Any) -> str:
    found = re.search(r'name="wizard_token" value="([^"]+)"', page.text)
    assert found, page.text[:2000]
    return found.group(1)


def _post(client: Any, step: str, subject: int = 1, token: str | None = None, **data: str) -> Any:
    if token is None:
        token = _token(client.get(f"{BASE}/{subject}/{step}", follow_redirects=True))
    return client.post(f"{BASE}/{subject}/{step}", data={"wizard_token": token, **data})


def _count(kernel: Any) -> int:
    with kernel.working(Scope.system()) as session:
        return int(session.scalar(text("SELECT count(*) FROM wizard_draft")))


def test_from_the_first_step_to_the_act(browser: Any, wizard_app: Any) -> None:
    client = browser()
    assert client.get(f"{BASE}/1/").location.endswith(f"{BASE}/1/qui")
    page = client.get(f"{BASE}/1/qui")
    assert 'value="Initial"' in page.text
    assert _count(wizard_app) == 0, "a GET writes nothing"
    assert _post(client, "qui", name="Blanc", agree="y").location.endswith("/quand")
    assert _post(client, "quand", start="05/01/2026").location.endswith("/recapitulatif")
    token = _token(client.get(f"{BASE}/1/recapitulatif"))
    assert client.post(f"{BASE}/1/recapitulatif", data={"wizard_token": token}).location == "/fini"
    assert len(acts) == 1
    assert (acts[0]["name"], acts[0]["agree"], str(acts[0]["start"]), acts[0]["subject"]) == ("Blanc", True, "2026-01-05", 1)


def test_no_step_is_skipped(browser: Any) -> None:
    client = browser()
    for step in ("quand", "recapitulatif"):
        assert client.get(f"{BASE}/1/{step}").location.endswith("/qui")
        assert client.post(f"{BASE}/1/{step}", data={"start": "05/01/2026"}).location.endswith("/qui")
    _post(client, "qui", name="Blanc")
    assert client.get(f"{BASE}/1/recapitulatif").location.endswith("/quand")
    assert acts == []
    assert client.get(f"{BASE}/1/inconnu").status_code == 404
    assert client.get(f"{BASE}/1000/qui").status_code == 404


def test_what_is_wrong_is_shown_and_kept(browser: Any) -> None:
    client = browser()
    _post(client, "qui", name="Blanc", nir="pas un numéro")
    answer = _post(client, "quand", start="31/02/2026")
    assert answer.status_code == 422
    assert 'value="31/02/2026"' in answer.text
    assert 'value="31/02/2026"' in client.get(f"{BASE}/1/quand").text
    assert client.get(f"{BASE}/1/recapitulatif").location.endswith("/quand")


def test_going_back_and_leaving_lose_nothing_not_even_what_is_wrong(browser: Any) -> None:
    client = browser()
    _post(client, "qui", name="Blanc")
    assert _post(client, "quand", start="31/02/2026", go="back").location.endswith("/qui")
    assert 'value="31/02/2026"' in client.get(f"{BASE}/1/quand").text
    assert _post(client, "qui", name="", go="leave").location == "/parti"
    assert 'value=""' in client.get(f"{BASE}/1/qui").text


def test_unticking_a_box_is_remembered(browser: Any) -> None:
    client = browser()
    _post(client, "qui", name="Blanc", agree="y")
    assert "checked" in client.get(f"{BASE}/1/qui").text
    _post(client, "qui", name="Blanc")
    assert "checked" not in client.get(f"{BASE}/1/qui").text


def test_saved_while_typing_and_found_again_after_signing_out(browser: Any, wizard_app: Any) -> None:
    client = browser()
    assert client.post(f"{BASE}/1/qui/brouillon", data={"name": "Dup", "nir": NIR, "intrus": "x"}).status_code == 204
    other = browser()  # a new session of the same account
    start = other.get(f"{BASE}/1/")
    assert "/qui" in start.location
    assert "reprise=1" in start.location
    page = other.get(start.location)
    assert 'value="Dup"' in page.text
    assert NIR in page.text
    assert acts == []
    with wizard_app.working(Scope.system()) as session:
        stored = session.execute(text("SELECT w::text FROM wizard_draft w")).scalar_one()
    assert NIR not in stored
    assert NIR.encode().hex() not in stored
    assert "Dup" not in stored


def test_a_draft_belongs_to_one_account(browser: Any, wizard_app: Any) -> None:
    browser().post(f"{BASE}/1/qui/brouillon", data={"name": "Secret-de-principal"})
    for identifier in ("secondaire", "autre-of", "region"):
        assert "Secret-de-principal" not in browser(identifier).get(f"{BASE}/1/qui").text
    with wizard_app.working(Scope.system()) as session:
        owner, organisation = session.execute(text("SELECT user_id, organisation_id FROM wizard_draft")).one()
    for scope, actor in ((Scope.organisation(organisation), owner + 1000), (Scope.region(), owner + 1000), (Scope.support(), None)):
        with wizard_app.working(scope, actor=actor) as session:
            assert session.scalar(text("SELECT count(*) FROM wizard_draft")) == 0
    with wizard_app.working(Scope.organisation(organisation), actor=owner) as session:
        assert session.scalar(text("SELECT count(*) FROM wizard_draft")) == 1


def test_drafts_of_two_subjects_do_not_mix(browser: Any) -> None:
    client = browser()
    client.post(f"{BASE}/1/qui/brouillon", data={"name": "Un"})
    client.post(f"{BASE}/2/qui/brouillon", data={"name": "Deux"})
    assert 'value="Un"' in client.get(f"{BASE}/1/qui").text
    assert 'value="Deux"' in client.get(f"{BASE}/2/qui").text


def test_a_refusal_is_shown_where_it_belongs_and_keeps_everything(browser: Any) -> None:
    client = browser()
    _post(client, "qui", name="Refusé")
    _post(client, "quand", start="05/01/2026")
    answer = _post(client, "recapitulatif")
    assert answer.status_code == 422
    assert "Ce nom est refusé." in answer.text
    assert 'value="Refusé"' in answer.text
    _post(client, "qui", name="Plein")
    answer = _post(client, "recapitulatif")
    assert answer.status_code == 422
    assert "Il n’y a plus de place." in answer.text
    _post(client, "qui", name="Accepté")
    assert _post(client, "recapitulatif").location == "/fini"
    assert len(acts) == 1


def test_a_double_click_has_one_effect(browser: Any, wizard_app: Any) -> None:
    from threading import Barrier, Thread

    client = browser()
    _post(client, "qui", name="Blanc")
    _post(client, "quand", start="05/01/2026")
    token = _token(client.get(f"{BASE}/1/recapitulatif"))
    clients = [browser() for _ in range(5)]
    barrier, answers = Barrier(5), []

    def click(one: Any) -> None:
        barrier.wait()
        answers.append(one.post(f"{BASE}/1/recapitulatif", data={"wizard_token": token}).location)

    threads = [Thread(target=click, args=(one,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["/fini"] * 5
    assert len(acts) == 1
    # pressed again an hour later, from the page still open
    assert client.post(f"{BASE}/1/recapitulatif", data={"wizard_token": token}).location == "/fini"
    assert len(acts) == 1
    with wizard_app.working(Scope.system()) as session:
        assert session.scalar(text("SELECT data IS NULL AND finished_at IS NOT NULL FROM wizard_draft"))
    # a new input about the same subject starts empty
    assert 'value="Initial"' in client.get(f"{BASE}/1/qui").text


def test_giving_up_forgets_the_draft(browser: Any, wizard_app: Any) -> None:
    client = browser()
    client.post(f"{BASE}/1/qui/brouillon", data={"name": "Un"})
    question = client.get(f"{BASE}/1/abandon")
    assert question.status_code == 200
    assert "est supprimé définitivement" in question.text
    assert _count(wizard_app) == 1  # a GET only asks
    assert 'id="abandon-draft"' in client.get(f"{BASE}/1/qui").text
    assert client.post(f"{BASE}/1/abandon").location == "/parti"
    assert _count(wizard_app) == 0
    assert 'value="Initial"' in client.get(f"{BASE}/1/qui").text


def test_a_draft_deleted_in_another_window_loses_nothing(browser: Any) -> None:
    """The page still open is not sent back to the first step in silence: what it brings is kept, and that is said."""
    client = browser()
    _post(client, "qui", name="Blanc")
    token = _token(client.get(f"{BASE}/1/quand"))
    client.post(f"{BASE}/1/abandon")
    answer = client.post(f"{BASE}/1/quand", data={"wizard_token": token, "start": "05/01/2026"})
    assert answer.location.endswith("/qui")
    page = client.get(f"{BASE}/1/qui").text
    assert "Ce que vous venez de saisir est gardé" in page
    _post(client, "qui", name="Blanc")
    assert 'value="05/01/2026"' in client.get(f"{BASE}/1/quand").text


def test_the_act_is_that_of_the_summary_shown(browser: Any) -> None:
    """What another window changed since the summary was shown is not recorded unseen."""
    client = browser()
    _post(client, "qui", name="Blanc")
    _post(client, "quand", start="05/01/2026")
    page = client.get(f"{BASE}/1/recapitulatif")
    shown = re.search(r'name="wizard_shown" value="([^"]+)"', page.text)
    assert shown is not None
    _post(client, "qui", name="Noir")
    answer = client.post(f"{BASE}/1/recapitulatif", data={"wizard_token": _token(page), "wizard_shown": shown[1]})
    assert answer.status_code == 422
    assert "changé dans une autre fenêtre" in answer.text
    assert acts == []
    shown = re.search(r'name="wizard_shown" value="([^"]+)"', answer.text)
    assert shown is not None
    assert client.post(f"{BASE}/1/recapitulatif", data={"wizard_token": _token(page), "wizard_shown": shown[1]}).location == "/fini"


def test_expired_drafts_are_not_offered_and_are_purged(browser: Any, wizard_app: Any) -> None:
    client = browser()
    client.post(f"{BASE}/1/qui/brouillon", data={"name": "Vieux"})
    with wizard_app.working(Scope.system()) as session, transaction():
        session.execute(text("UPDATE wizard_draft SET expires_at = :t"), {"t": clock.now() - timedelta(seconds=1)})
    assert "Vieux" not in client.get(f"{BASE}/1/qui").text
    client.post(f"{BASE}/1/qui/brouillon", data={"name": "Neuf"})
    assert 'value="Neuf"' in client.get(f"{BASE}/1/qui").text
    with wizard_app.working(Scope.system()) as session:
        with transaction():
            session.execute(text("UPDATE wizard_draft SET expires_at = :t"), {"t": clock.now() - timedelta(seconds=1)})
        assert drafts.purge() == 1


def test_a_draft_has_a_size(wizard_app: Any) -> None:
    with wizard_app.working(Scope.system()) as session:
        user = session.scalar(text("SELECT min(id) FROM ab_user"))
        session.rollback()
    with (
        wizard_app.working(Scope.system(), actor=user),
        pytest.raises(drafts.DraftTooLarge),
        drafts.editing("probe", "9", token=uuid.uuid4(), first_step="qui") as draft,
    ):
        draft.steps["qui"] = {"name": ["x" * drafts.MAX_BYTES]}


def test_too_much_text_is_refused_without_a_crash(browser: Any, wizard_app: Any) -> None:
    client = browser()
    answer = client.post(f"{BASE}/1/qui", data={"name": "x" * (drafts.MAX_BYTES + 1)})
    assert answer.status_code == 413
    assert _count(wizard_app) == 0


def test_the_page_of_the_account_that_used_the_browser_before(browser: Any, wizard_app: Any) -> None:
    first = browser()
    token = _token(first.get(f"{BASE}/1/qui"))
    first.post(f"{BASE}/1/qui/brouillon", data={"wizard_token": token, "name": "Dupont"})
    second = browser("secondaire")
    assert _post(second, "qui", token=token, name="Martin").status_code < 500
    assert _count(wizard_app) == 2
    assert "Dupont" not in second.get(f"{BASE}/1/qui").text
    assert "Dupont" in first.get(f"{BASE}/1/qui").text


def test_an_account_has_so_many_drafts(browser: Any, wizard_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, the oldest blank one gives way; with none blank, what was typed is shown with the drafts to delete."""
    monkeypatch.setattr(drafts, "MAX_OPEN", 3)
    client = browser()
    for subject in (1, 3, 4):
        _post(client, "qui", subject, name=f"Nom {subject}")
    full = _post(client, "qui", 5, name="Cinquième")
    assert full.status_code == 422
    assert "Cinquième" in full.text
    assert full.text.count("/abandon") == 3
    assert f'href="{BASE}/3/abandon"' in full.text
    assert _count(wizard_app) == 3
    assert client.post(f"{BASE}/5/qui/brouillon", data={"name": "Cinquième"}, headers={"Accept": "application/json"}).status_code == 422
    assert _post(client, "qui", 4, name="Autre").status_code == 302, "a draft that exists is still written"
    client.post(f"{BASE}/3/abandon")
    assert _post(client, "qui", 5, name="Cinquième").status_code == 302
    assert _post(browser("secondaire"), "qui", 9, name="À part").status_code == 302, "each account has its own"


def test_a_blank_draft_gives_way(browser: Any, wizard_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MAX_OPEN", 2)
    client = browser()
    assert _post(client, "qui", 1, name="", nir=" ").status_code == 422
    _post(client, "qui", 3, name="Nom")
    assert _post(client, "qui", 5, name="Autre").status_code == 302
    assert _count(wizard_app) == 2
    with wizard_app.working(Scope.system()) as session:
        assert session.scalars(text("SELECT subject_key FROM wizard_draft ORDER BY id")).all() == ["3", "5"]
