"""Supervision speaks French: tables, operations, partners, periods; the code stays beside the words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.fab import names
from app.core.fab.supervision import _cron_words

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("20 3 * * *", "tous les jours à 3 h 20"),
        ("5 14 * * 1", "les lundis à 14 h 05"),
        ("0 6 1 * *", "le 1 de chaque mois à 6 h 00"),
        ("*/5 * * * *", "*/5 * * * *"),
    ],
)
def test_schedules_are_read_as_sentences(app: Flask, cron: str, words: str) -> None:
    with app.test_request_context():
        assert _cron_words(cron).replace("\u00a0", " ") == words


def test_periodic_jobs_say_when(browse: Any, db_session: Session) -> None:
    from app.core.jobs.models import PeriodicRun

    if db_session.get(PeriodicRun, "purge-mail") is None:
        db_session.add(PeriodicRun(name="purge-mail", func="app.core.mail.jobs:purge", queue="default", cron="40 3 * * *", active=True))
        db_session.commit()
    body = browse("admin").get("/supervision/taches/list/").get_data(as_text=True).replace("\u00a0", " ")
    assert 'tous les jours à 3 h 40 <code class="code-beside">40 3 * * *</code>' in body


def test_the_journal_names_tables_and_narrows_by_them(browse: Any, db_session: Session) -> None:
    from app.reference.models import Nationality

    db_session.add(Nationality(code="ZZ", label="Zz"))
    db_session.commit()
    page = browse("admin")
    body = page.get("/supervision/journal/list/?f_table_name=nationality").get_data(as_text=True)
    assert 'Nationalités <code class="code-beside">nationality</code>' in body
    assert '<option value="nationality" selected>Nationalités</option>' in body


def test_messages_name_partner_and_operation(browse: Any, db_session: Session) -> None:
    from sqlalchemy import select

    from app.accounts.models import Organisation
    from app.core.outbox.models import OutboxMessage

    key = db_session.scalars(select(Organisation.id).limit(1)).one()
    db_session.add(
        OutboxMessage(
            partner="agora", operation="create_file", subject_type="enrolment", subject_id=1, ordering_key="enrolment:words", organisation_id=key, params={}
        )
    )
    db_session.commit()
    body = browse("admin").get("/supervision/messages/list/?f_operation=create_file").get_data(as_text=True)
    assert 'Création du dossier <code class="code-beside">create_file</code>' in body
    assert "<td" in body
    assert ">AGORA<" in body


def test_mails_are_named_by_their_subject(browse: Any, db_session: Session) -> None:
    from app.core.mail.models import MailMessage

    db_session.add(MailMessage(recipient="a@example.org", template="account_unblocked", subject="Votre compte est débloqué"))
    db_session.commit()
    body = browse("admin").get("/supervision/courriels/list/").get_data(as_text=True)
    assert 'Votre compte est débloqué <code class="code-beside">account_unblocked</code>' in body


def test_an_unnamed_code_is_shown_as_it_is(app: Flask) -> None:
    with app.test_request_context():
        assert names.table_label("new_table") == "new_table"
        assert names.counted("new_table", 3) == "new_table : 3"
        assert str(names.with_code("<b>", "x")) == '&lt;b&gt; <code class="code-beside">x</code>'


def test_every_operation_sent_has_its_words(app: Flask) -> None:
    from app.core.outbox.registry import _registry

    assert app
    known = {code for code, _label in names.operation_choices()}
    assert {operation for _partner, operation in _registry.handlers} <= known


def test_signing_in_again_leads_back_to_the_first_tab(browse: Any, client: Any) -> None:
    body = browse("principal").get("/reprise").get_data(as_text=True)
    assert "Revenez à l’onglet précédent" in body
    away = client.get("/reprise")
    assert away.status_code == 302
    assert "next=" in away.location
