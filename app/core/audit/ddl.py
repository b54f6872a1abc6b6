"""The SQL of the journal: trigger functions, one set of triggers per table, and the refusal to alter a journal.

Statement-level triggers with transition tables: a statement that changes 50,000 rows makes one insert of 50,000
entries, not 50,000 inserts.  Nothing in the application can bypass them: they fire for the ORM, for Core, for raw SQL,
for COPY and for cascades alike.

The text is a pure function of the models and is frozen into a migration; :func:`install_audit` is for later migrations
that create a table.  No statement holds a percent sign, so that any way of executing them is safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, inspect

#: Columns that change at each write and mean nothing by themselves: an update of these alone leaves no entry.
DEFAULT_IGNORE = ("changed_by_fk", "changed_on", "updated_at", "version")
#: Security tables of the framework, whose classes are not ours to annotate.
_FRAMEWORK_REDACT: dict[str, tuple[str, ...]] = {
    "ab_user": ("password",),
    "ab_register_user": ("password", "registration_hash"),
    "ab_api_key": ("key_hash", "lookup_hash"),
}
_FRAMEWORK_IGNORE: dict[str, tuple[str, ...]] = {"ab_user": ("fail_login_count", "last_login", "login_count")}
_FRAMEWORK_SKIP = frozenset({"ab_permission", "ab_view_menu", "ab_permission_view", "alembic_version"})
_OPERATIONS = (
    ("INSERT", "audit_insert", "NEW TABLE AS new_rows"),
    ("UPDATE", "audit_update", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("DELETE", "audit_delete", "OLD TABLE AS old_rows"),
)

WRITE_FUNCTION = """\
CREATE OR REPLACE FUNCTION public.audit_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $audit$
DECLARE
    keys text[] := TG_ARGV[0]::text[];
    owner_column text := NULLIF(TG_ARGV[1], '');
    hidden text[] := TG_ARGV[2]::text[];
    ignored text[] := TG_ARGV[3]::text[];
    one_key text := CASE WHEN cardinality(keys) = 1 THEN keys[1] END;
    actor integer := NULLIF(current_setting('app.actor_id', true), '')::integer;
    request text := NULLIF(current_setting('app.request_id', true), '');
    behalf integer := NULLIF(current_setting('app.on_behalf_of', true), '')::integer;
    acting text := NULLIF(current_setting('role', true), 'none');
    xid bigint := pg_current_xact_id()::text::bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.audit_entry
            (transaction_id, actor_id, on_behalf_of_id, acting_role, request_id, organisation_id, table_name, row_id, operation, after)
        SELECT xid, actor, behalf, acting, request, (r.j ->> owner_column)::integer, TG_TABLE_NAME,
               CASE WHEN one_key IS NOT NULL THEN r.j ->> one_key ELSE public.audit_row_key(r.j, keys) END,
               'INSERT', public.audit_hide(r.j - ignored, hidden)
          FROM (SELECT to_jsonb(n) AS j FROM new_rows n) r;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public.audit_entry
            (transaction_id, actor_id, on_behalf_of_id, acting_role, request_id, organisation_id, table_name, row_id, operation, before)
        SELECT xid, actor, behalf, acting, request, (r.j ->> owner_column)::integer, TG_TABLE_NAME,
               CASE WHEN one_key IS NOT NULL THEN r.j ->> one_key ELSE public.audit_row_key(r.j, keys) END,
               'DELETE', public.audit_hide(r.j - ignored, hidden)
          FROM (SELECT to_jsonb(o) AS j FROM old_rows o) r;
    ELSE
        -- A row whose key itself changed has no counterpart: it shows as one that left and one that came.
        INSERT INTO public.audit_entry
            (transaction_id, actor_id, on_behalf_of_id, acting_role, request_id, organisation_id, table_name, row_id, operation, before, after)
        SELECT xid, actor, behalf, acting, request, (COALESCE(n.j, o.j) ->> owner_column)::integer, TG_TABLE_NAME,
               COALESCE(n.k, o.k),
               CASE WHEN o.j IS NULL THEN 'INSERT' WHEN n.j IS NULL THEN 'DELETE' ELSE 'UPDATE' END,
               d.before, d.after
          FROM (SELECT r.j, CASE WHEN one_key IS NOT NULL THEN r.j ->> one_key ELSE public.audit_row_key(r.j, keys) END AS k
                  FROM (SELECT to_jsonb(x) AS j FROM old_rows x) r) o
          FULL JOIN
               (SELECT r.j, CASE WHEN one_key IS NOT NULL THEN r.j ->> one_key ELSE public.audit_row_key(r.j, keys) END AS k
                  FROM (SELECT to_jsonb(x) AS j FROM new_rows x) r) n ON n.k = o.k
         CROSS JOIN LATERAL (
               SELECT jsonb_object_agg(e.key, public.audit_mark(o.j -> e.key, e.key, hidden)) FILTER (WHERE o.j IS NOT NULL) AS before,
                      jsonb_object_agg(e.key, public.audit_mark(n.j -> e.key, e.key, hidden)) FILTER (WHERE n.j IS NOT NULL) AS after,
                      count(*) AS changed
                 FROM jsonb_object_keys(COALESCE(n.j, o.j) - ignored) AS e(key)
                WHERE (o.j -> e.key) IS DISTINCT FROM (n.j -> e.key)) d
         WHERE d.changed > 0;
    END IF;
    RETURN NULL;
END
$audit$"""

_HELPERS = (
    """\
CREATE OR REPLACE FUNCTION public.audit_mark(value jsonb, name text, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN name = ANY (hidden) AND jsonb_typeof(value) <> 'null' THEN '"•"'::jsonb ELSE value END""",
    """\
CREATE OR REPLACE FUNCTION public.audit_hide(row_values jsonb, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN cardinality(hidden) = 0 THEN row_values
            ELSE (SELECT jsonb_object_agg(e.key, public.audit_mark(e.value, e.key, hidden)) FROM jsonb_each(row_values) AS e) END""",
    """\
CREATE OR REPLACE FUNCTION public.audit_row_key(row_values jsonb, keys text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(row_values ->> u.k, ':' ORDER BY u.i) FROM unnest(keys) WITH ORDINALITY AS u(k, i))""",
)

_TRUNCATE_FUNCTION = """\
CREATE OR REPLACE FUNCTION public.audit_write_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $audit$
BEGIN
    INSERT INTO public.audit_entry (transaction_id, actor_id, on_behalf_of_id, acting_role, request_id, table_name, operation)
    VALUES (pg_current_xact_id()::text::bigint,
            NULLIF(current_setting('app.actor_id', true), '')::integer,
            NULLIF(current_setting('app.on_behalf_of', true), '')::integer,
            NULLIF(current_setting('role', true), 'none'),
            NULLIF(current_setting('app.request_id', true), ''), TG_TABLE_NAME, 'TRUNCATE');
    RETURN NULL;
END
$audit$"""

_REFUSE_FUNCTION = """\
CREATE OR REPLACE FUNCTION public.audit_refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $audit$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = 'the journal ' || TG_TABLE_NAME || ' is append-only';
END
$audit$"""

_FUNCTIONS = ("audit_write()", "audit_write_truncate()", "audit_refuse()")
_HELPER_NAMES = ("audit_mark(jsonb, text, text[])", "audit_hide(jsonb, text[])", "audit_row_key(jsonb, text[])")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _array(names: Iterable[str]) -> str:
    return _literal("{" + ",".join(f'"{name}"' for name in names) + "}")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def function_ddl() -> list[str]:
    """Statements that create the functions all triggers share; for the migration that creates the journal."""
    statements = [*_HELPERS, WRITE_FUNCTION, _TRUNCATE_FUNCTION, _REFUSE_FUNCTION]
    statements += [f"REVOKE ALL ON FUNCTION public.{name} FROM PUBLIC" for name in (*_FUNCTIONS, *_HELPER_NAMES)]
    return statements


def trigger_ddl(
    table_name: str,
    *,
    keys: Sequence[str],
    organisation_column: str | None,
    redact: Iterable[str] = (),
    ignore: Iterable[str] = DEFAULT_IGNORE,
) -> list[str]:
    """Statements that put one table under the journal."""
    arguments = ", ".join(
        (_array(keys), _literal(organisation_column or ""), _array(sorted(set(redact))), _array(sorted(set(ignore))))
    )
    statements = [
        (
            f"CREATE TRIGGER {trigger} AFTER {operation} ON public.{_quote(table_name)} REFERENCING {tables}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write({arguments})"
        )
        for operation, trigger, tables in _OPERATIONS
    ]
    statements.append(
        f"CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public.{_quote(table_name)}"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate()"
    )
    return statements


def trigger_drop_ddl(table_name: str) -> list[str]:
    """Statements that take one table out of the journal."""
    names = [trigger for _, trigger, _ in _OPERATIONS] + ["audit_truncate"]
    return [f"DROP TRIGGER IF EXISTS {name} ON public.{_quote(table_name)}" for name in names]


def append_only_ddl(table_name: str) -> list[str]:
    """Statements that make a table refuse UPDATE, DELETE and TRUNCATE from everyone, its owner included."""
    return [
        (
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.{_quote(table_name)}"
            " FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse()"
        )
    ]


def _classes() -> dict[Any, type[Any]]:
    from flask_appbuilder import Model

    return {mapper.local_table: mapper.class_ for mapper in Model.registry.mappers}


def is_audited(table: Table, entity: type[Any] | None) -> bool:
    """Whether the table is under the journal: all are, but those whose class says ``__audit__ = False``."""
    return table.name not in _FRAMEWORK_SKIP and getattr(entity, "__audit__", True) is not False


def redacted_columns(table: Table, entity: type[Any] | None) -> tuple[str, ...]:
    """Columns whose value never enters the journal: all bytes (ciphertexts, hashes) and those the model lists."""
    declared = tuple(getattr(entity, "__audit_redact__", ()))
    unknown = set(declared) - set(table.c.keys())
    if unknown:
        raise ValueError(f"{table.name}: __audit_redact__ names unknown columns {sorted(unknown)}")
    binary = tuple(column.name for column in table.columns if isinstance(column.type, LargeBinary))
    return tuple(sorted({*declared, *binary, *_FRAMEWORK_REDACT.get(table.name, ())}))


def ignored_columns(table: Table, entity: type[Any] | None) -> tuple[str, ...]:
    """Columns left out of the journal: the usual ones and the model's ``__audit_ignore__``."""
    wanted = {*DEFAULT_IGNORE, *getattr(entity, "__audit_ignore__", ()), *_FRAMEWORK_IGNORE.get(table.name, ())}
    return tuple(sorted(wanted & set(table.c.keys())))


def organisation_column(table: Table, entity: type[Any] | None) -> str | None:
    """Column that says whose row it is: ``organisation_id``, the class's ``__rls_key__``, or the organisation's own id."""
    key = getattr(entity, "__rls_key__", None)
    if key:
        return str(key)
    if table.name == "organisation":
        return "id"
    return "organisation_id" if "organisation_id" in table.c else None


def audit_ddl(metadata: MetaData) -> list[str]:
    """All statements of the journal for the models of ``metadata``, in a stable order."""
    classes = _classes()
    statements = function_ddl()
    for table in sorted(metadata.tables.values(), key=lambda t: t.name):
        entity = classes.get(table)
        if getattr(entity, "__append_only__", False):
            statements += append_only_ddl(table.name)
        if is_audited(table, entity):
            statements += trigger_ddl(
                table.name,
                keys=[column.name for column in table.primary_key.columns],
                organisation_column=organisation_column(table, entity),
                redact=redacted_columns(table, entity),
                ignore=ignored_columns(table, entity),
            )
    return statements


def audit_drop_ddl(metadata: MetaData) -> list[str]:
    """The way back of :func:`audit_ddl`."""
    classes = _classes()
    statements: list[str] = []
    for table in sorted(metadata.tables.values(), key=lambda t: t.name, reverse=True):
        entity = classes.get(table)
        if is_audited(table, entity):
            statements += trigger_drop_ddl(table.name)
        if getattr(entity, "__append_only__", False):
            statements.append(f"DROP TRIGGER IF EXISTS append_only ON public.{_quote(table.name)}")
    statements += [f"DROP FUNCTION IF EXISTS public.{name}" for name in (*_FUNCTIONS, *reversed(_HELPER_NAMES))]
    return statements


def install_audit(
    connection: Connection,
    table_name: str,
    *,
    redact: Iterable[str] = (),
    ignore: Iterable[str] = DEFAULT_IGNORE,
    organisation_column: str | None = None,
) -> None:
    """Put a table just created by a migration under the journal; keys, bytes and owner column are read from the database."""
    found = inspect(connection)
    columns = {column["name"]: column["type"] for column in found.get_columns(table_name)}
    owner = organisation_column or ("organisation_id" if "organisation_id" in columns else None)
    binary = {name for name, kind in columns.items() if isinstance(kind, LargeBinary)}
    for statement in trigger_ddl(
        table_name,
        keys=found.get_pk_constraint(table_name)["constrained_columns"],
        organisation_column=owner,
        redact={*redact, *binary},
        ignore=set(ignore) & set(columns),
    ):
        connection.exec_driver_sql(statement)


def uninstall_audit(connection: Connection, table_name: str) -> None:
    """Take a table out of the journal; what was written stays."""
    for statement in trigger_drop_ddl(table_name):
        connection.exec_driver_sql(statement)
