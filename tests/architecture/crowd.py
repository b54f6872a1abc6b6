"""A crowd: copies of every kind of row, made by SQL from the models' own metadata, so that a new table is in it by itself.

Three times over: as worlds apart (each row has parents of its own, down to its organisation), within one organisation, and under one
parent. A page that reads something once per row, per organisation or per child then shows it in its number of statements.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
from sqlalchemy import Index, Table, UniqueConstraint
from sqlalchemy.engine import make_url

from app.core.extensions import db

COPIES = 120

#: Rights, sessions under way and what never grows with use.
_NOT_COPIED = {
    "ab_permission", "ab_view_menu", "ab_permission_view", "ab_permission_view_role", "ab_user_group", "ab_group", "ab_group_role",
    "ab_api_key", "ab_register_user", "seeded_value", "audit_seal", "audit_sealed",
}  # fmt: skip

#: The row to copy, where not any row would do.
_MODEL = {
    "action": "status = 'EC'",
    "enrolment": "actual_end IS NULL",
    "trainee": "nir_hash IS NOT NULL",
    "ab_user": "username = 'secondaire'",
    "ab_user_role": "user_id = (SELECT id FROM ab_user WHERE username = 'secondaire')",
    "user_session": "revoked_at IS NULL",
    "delegation": "ended_at IS NOT NULL",
    "market_rule_version": "published_at IS NOT NULL",  # a second draft cannot be
}

#: Columns without foreign key that name a row all the same.
_SOFT = {"actor_id": "ab_user"}

#: Always the copied row's own.
_KEPT_ALWAYS = {("ab_user_role", "role_id")}

#: In the third crowd, the parent all copies share.
_SHARED_PARENT = {
    ("registration", "action_id"), ("component", "action_id"), ("action", "contract_id"), ("action_history", "action_id"),
    ("enrolment", "action_id"), ("enrolment", "registration_id"), ("component_site", "component_id"), ("user_session", "user_id"),
    ("training_session", "component_id"), ("information_meeting", "session_id"), ("finish_declaration", "action_id"),
    ("contact", "programme_id"), ("modification_request_event", "request_id"), ("action_partner", "action_id"), ("request_document", "action_id"),
    ("request_document", "request_id"), ("request_signature", "request_id"), ("sign_in_attempt", "user_id"), ("api_token", "user_id"), ("recovery_code", "user_id"),
    ("enrolment_act", "enrolment_id"),
}  # fmt: skip

#: A row for each table that the demonstration leaves empty: text of SQL after the table's name.
_EXAMPLES = {
    "mail_message": "(id, created_at, recipient, template, subject, state, attempts, next_attempt_at) "
    "VALUES (gen_random_uuid(), now(), 'a@example.org', 'x', 'Objet', 'kept', 0, now())",
    "nir_reading": "(at, actor_id, subject_type, subject_id, organisation_id, purpose, reason) "
    "VALUES (now(), {user}, 'trainee', 1, {organisation}, 'display', 'Vérification')",
    "outbox_partner": "(name) VALUES ('agora')",
    "outbox_intervention": "(partner, kind, actor_id, created_at) VALUES ('agora', 'replay', {user}, now())",
    "outbox_attempt": "(organisation_id, message_id, at, state, error_kind, code) SELECT organisation_id, id, now(), 'pending', 'unavailable', 'no_answer' "
    "FROM outbox_message ORDER BY id LIMIT 1",
    "reconciliation_run": "(partner, trigger, state, phase, started_at, finished_at, counts) VALUES ('agora', 'night', 'done', 'over', now(), now(), '{{}}')",
    "reconciliation_file": "(run_id, reference, number, status, file_version) SELECT id, 'essai', '30444380', 'entered', 1 FROM reconciliation_run LIMIT 1",
    "reconciliation_difference": "(run_id, last_run_id, partner, kind, organisation_id, enrolment_id, reference, ours, theirs, state, assignee, due_on, found_at) "
    "SELECT r.id, r.id, 'agora', 'status', e.organisation_id, e.id, e.external_reference::text, '{{}}', '{{}}', 'open', 'organisation', current_date, now() "
    "FROM reconciliation_run r, enrolment e WHERE e.organisation_id = {organisation} ORDER BY e.id LIMIT 1",
    "periodic_run": "(name, func, queue, every_seconds) VALUES ('essai', 'x:y', 'default', 60)",
    "sign_in_attempt": "(at, address, user_id, outcome) VALUES (now(), '192.0.2.1', {user}, 'success')",
    "action_access": "(organisation_id, user_id, action_id) SELECT u.organisation_id, u.id, a.id FROM ab_user u "
    "JOIN action a USING (organisation_id) WHERE u.username = 'secondaire' ORDER BY a.id LIMIT 1",
    "delegation": "(organisation_id, delegator_id, delegate_id, starts_on, ends_on, created_at, ended_at) SELECT {organisation}, {user}, "
    "(SELECT id FROM ab_user WHERE username = 'secondaire'), current_date + 50, current_date + 60, now(), now()",
    "second_factor": "(user_id, organisation_id, seal_uid, secret, created_at, confirmed_at, last_step) "
    "VALUES ({user}, {organisation}, gen_random_uuid(), '\\x00', now(), now(), 0)",
    "recovery_code": "(user_id, organisation_id, code_hash) VALUES ({user}, {organisation}, 'essai')",
    "api_token": "(user_id, organisation_id, name, prefix, token_hash, scopes, created_at, expires_at) "
    "VALUES ({user}, {organisation}, 'Essai', 'pmf_essai', 'essai', '{{compte:lecture}}', now(), now() + interval '30 days')",
    "account_review": "(organisation_id, opened_at, due_on, completed_at, completed_by) VALUES ({organisation}, now(), current_date, now(), {user})",
    "observation": "(organisation_id, observer_id, observed_id, reason, started_at) "
    "VALUES ({organisation}, (SELECT id FROM ab_user WHERE username = 'support'), {user}, 'Appel', now())",
    "finish_declaration": "(organisation_id, action_id, declared_at, withdrawn_at) "
    "SELECT organisation_id, id, now(), now() FROM action WHERE status = 'EC' AND organisation_id = {organisation} ORDER BY id LIMIT 1",
    "request_reminder": "(organisation_id, event_id, kind, sent_at) SELECT organisation_id, id, 'validators', now() FROM modification_request_event ORDER BY id LIMIT 1",
    "request_document": "(organisation_id, action_id, request_id, role, name, media_type, size, sha256, added_at) "
    "SELECT organisation_id, action_id, id, 'supporting', 'note.pdf', 'application/pdf', 1, repeat('0', 64), now() FROM modification_request "
    "WHERE organisation_id = {organisation} ORDER BY id LIMIT 1",
    "request_document_content": "(organisation_id, id, data) SELECT organisation_id, id, '\\x25'::bytea FROM request_document LIMIT 1",
    "request_signature": "(organisation_id, request_id, stated, signed_at, account_id) "
    "SELECT organisation_id, id, 'essai', now(), {user} FROM modification_request WHERE organisation_id = {organisation} ORDER BY id LIMIT 1",
    "interruption": "(organisation_id, enrolment_id, interrupted_on, reason, created_at, updated_at) "
    "SELECT organisation_id, id, planned_start, 'SANTE', now(), now() FROM enrolment WHERE actual_end IS NULL AND organisation_id = {organisation} ORDER BY id LIMIT 1",
    "enrolment_act": "(organisation_id, enrolment_id, kind, reason, happened_at) "
    "SELECT organisation_id, id, 'interrupt', '', now() FROM enrolment WHERE actual_end IS NULL AND organisation_id = {organisation} ORDER BY id LIMIT 1",
    "survey_reply": "(organisation_id, survey_id, replied_at, situation_id, certification) SELECT s.organisation_id, s.id, now(), v.id, 'no' "
    "FROM situation_survey s, survey_situation v WHERE NOT v.employed ORDER BY s.id, v.id LIMIT 1",
    "survey_link": "(organisation_id, survey_id, rank, token_hash, sent_at, expires_at) SELECT organisation_id, id, 1, repeat('0', 64), now(), now() "
    "FROM situation_survey WHERE organisation_id = {organisation} ORDER BY id LIMIT 1",
    "survey_opt_out": "(organisation_id, trainee_id, asked_at) SELECT organisation_id, id, now() FROM trainee WHERE organisation_id = {organisation} ORDER BY id LIMIT 1",
    "audit_entry": "(transaction_id, table_name, operation, actor_id) VALUES (1, 'action', 'INSERT', {user})",
}


class Crowd:
    """Fills the database of one application."""

    def __init__(self, superuser_url: str, application_url: str) -> None:
        database = make_url(application_url).database
        self.url = make_url(superuser_url).set(database=database).render_as_string(hide_password=False)
        self.tables = [table for table in db.metadata.sorted_tables if table.name not in _NOT_COPIED]

    def connect(self) -> psycopg.Connection[Any]:
        """Somebody who holds the whole server; no trigger fires."""
        connection = psycopg.connect(self.url, autocommit=True)
        connection.execute("SET session_replication_role = replica")
        return connection

    def prepare(self) -> None:
        """At least one row everywhere, few towns, and no check: copies have numbers of their own."""
        with self.connect() as sql:
            for table, name in sql.execute(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
            ).fetchall():
                sql.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
            sql.execute("DELETE FROM town WHERE id NOT IN (SELECT id FROM town ORDER BY id LIMIT 3)")
            organisation, user = self._one(sql, "SELECT organisation_id, id FROM ab_user WHERE username = 'principal'")
            for table, example in _EXAMPLES.items():
                if self._one(sql, f"SELECT 1 FROM {table} LIMIT 1") is None:
                    sql.execute(f"INSERT INTO {table} {example.format(organisation=organisation, user=user)}")

    def gather(self) -> None:
        """The three crowds."""
        with self.connect() as sql:
            (organisation,) = self._one(sql, "SELECT organisation_id FROM ab_user WHERE username = 'principal'")
            models = {table.name: self._model(sql, table, organisation) for table in self.tables}
            models["organisation"] = organisation
            for batch in (1, 2, 3):
                for table in self.tables:
                    if models[table.name] is not None:
                        self._copy(sql, table, models, batch)
            sql.execute("ANALYZE")

    @staticmethod
    def _one(sql: psycopg.Connection[Any], statement: str) -> Any:
        return sql.execute(statement).fetchone()

    def _model(self, sql: psycopg.Connection[Any], table: Table, organisation: int) -> Any:
        key = self._key(table)
        conditions = [_MODEL[table.name]] if table.name in _MODEL else []
        order = f"(organisation_id = {organisation}) DESC NULLS LAST, {key}" if "organisation_id" in table.c else key
        found = self._one(sql, f"SELECT {key} FROM {table.name} WHERE {' AND '.join(conditions) or 'true'} ORDER BY {order} LIMIT 1")
        return found[0] if found else None

    @staticmethod
    def _key(table: Table) -> str:
        return next(iter(table.primary_key.columns)).name

    def _copy(self, sql: psycopg.Connection[Any], table: Table, models: dict[str, Any], batch: int) -> None:
        base, key = batch * 1_000_000, self._key(table)
        if batch > 1 and table.name == "organisation":
            return
        values: dict[str, str] = {}
        distinct = {key}
        for column in table.columns:
            if column.computed is not None:
                continue
            target = next((fk.column.table.name for fk in column.foreign_keys if fk.column.name == self._key(fk.column.table)), _SOFT.get(column.name))
            own = f'm."{column.name}"'
            if column.name == key and target is None:
                values[key] = self._fresh(column, base, batch)
            elif target is None or models.get(target) is None or (table.name, column.name) in _KEPT_ALWAYS or target in _NOT_COPIED:
                values[column.name] = own
            elif (target == "organisation" and batch > 1) or (batch == 3 and (table.name, column.name) in _SHARED_PARENT):
                values[column.name] = f"CASE WHEN {own} IS NOT NULL THEN {models[target]!r} END"
            else:
                values[column.name] = f"CASE WHEN {own} IS NOT NULL THEN {base} + n END"
                distinct.add(column.name)
        for name in self._unique_left(table, distinct, values):
            values[name] = self._fresh(table.c[name], batch * 200 + 100, batch)
        names = ", ".join(f'"{name}"' for name in values)
        sql.execute(
            f"INSERT INTO {table.name} ({names}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values.values())} "
            f"FROM {table.name} m, generate_series(1, {COPIES}) n WHERE m.{key}::text = %s",
            (str(models[table.name]),),
        )

    @staticmethod
    def _unique_left(table: Table, distinct: set[str], values: dict[str, str]) -> set[str]:
        """A column to make different for each uniqueness that new parents do not ensure."""
        chosen: set[str] = set()
        rules = [[column.name for column in one.columns] for one in table.constraints if isinstance(one, UniqueConstraint)]
        rules += [[column.name for column in one.columns] for one in table.indexes if isinstance(one, Index) and one.unique]
        rules += [[column.name] for column in table.columns if column.unique]
        for names in rules:
            if not (distinct | chosen) & set(names):
                # none left: a partial rule over a parent alone, which the row to copy must be outside of
                chosen.update([name for name in names if name in values and not table.c[name].foreign_keys][:1])
        return chosen

    @staticmethod
    def _fresh(column: Any, base: int, batch: int) -> str:
        kind = column.type.python_type
        if kind is int:
            return f"{base} + n"
        if kind is str:
            return f"'Z' || ({batch * 200} + n)"
        if kind is date:
            return f"DATE '2030-01-01' + {batch * 200} + n"
        if kind is bytes:
            return f"sha256(('{batch}-' || n)::bytea)"
        return "gen_random_uuid()"
