DROP TRIGGER IF EXISTS ab_user_keeps_a_principal_deleted ON ab_user;
DROP TRIGGER IF EXISTS ab_user_keeps_a_principal ON ab_user;
DROP FUNCTION IF EXISTS portal_keep_a_principal();
CREATE OR REPLACE FUNCTION portal_end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session_epoch := GREATEST(NEW.session_epoch, OLD.session_epoch + 1);
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION portal_end_sessions_of_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ab_user SET session_epoch = session_epoch + 1
     WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.user_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.user_id END);
    RETURN NULL;
END $$;
DROP POLICY support_select ON audit_entry;
CREATE POLICY support_select ON audit_entry FOR SELECT TO portal_support USING (table_name IN ('ab_user', 'ab_user_role', 'organisation'));
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
    acting text := NULLIF(current_setting('role', true), 'none');
    xid bigint := pg_current_xact_id()::text::bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.audit_entry
            (transaction_id, actor_id, acting_role, request_id, organisation_id, table_name, row_id, operation, after)
        SELECT xid, actor, acting, request, (r.j ->> owner_column)::integer, TG_TABLE_NAME,
               CASE WHEN one_key IS NOT NULL THEN r.j ->> one_key ELSE public.audit_row_key(r.j, keys) END,
               'INSERT', public.audit_hide(r.j - ignored, hidden)
          FROM (SELECT to_jsonb(n) AS j FROM new_rows n) r;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public.audit_entry
            (transaction_id, actor_id, acting_role, request_id, organisation_id, table_name, row_id, operation, before)
        SELECT xid, actor, acting, request, (r.j ->> owner_column)::integer, TG_TABLE_NAME,
               CASE WHEN one_key IS NOT NULL THEN r.j ->> one_key ELSE public.audit_row_key(r.j, keys) END,
               'DELETE', public.audit_hide(r.j - ignored, hidden)
          FROM (SELECT to_jsonb(o) AS j FROM old_rows o) r;
    ELSE
        -- A row whose key itself changed has no counterpart: it shows as one that left and one that came.
        INSERT INTO public.audit_entry
            (transaction_id, actor_id, acting_role, request_id, organisation_id, table_name, row_id, operation, before, after)
        SELECT xid, actor, acting, request, (COALESCE(n.j, o.j) ->> owner_column)::integer, TG_TABLE_NAME,
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
$audit$;
CREATE OR REPLACE FUNCTION public.audit_write_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $audit$
BEGIN
    INSERT INTO public.audit_entry (transaction_id, actor_id, acting_role, request_id, table_name, operation)
    VALUES (pg_current_xact_id()::text::bigint,
            NULLIF(current_setting('app.actor_id', true), '')::integer,
            NULLIF(current_setting('role', true), 'none'),
            NULLIF(current_setting('app.request_id', true), ''), TG_TABLE_NAME, 'TRUNCATE');
    RETURN NULL;
END
$audit$;
DROP TRIGGER IF EXISTS audit_insert ON public."ab_user";
DROP TRIGGER IF EXISTS audit_update ON public."ab_user";
DROP TRIGGER IF EXISTS audit_delete ON public."ab_user";
DROP TRIGGER IF EXISTS audit_truncate ON public."ab_user";
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_user" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_user" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_user" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_user" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
DROP POLICY owner_select ON ab_user;
DROP POLICY owner_select ON organisation;
