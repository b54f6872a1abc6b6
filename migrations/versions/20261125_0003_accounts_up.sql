CREATE POLICY owner_select ON ab_user FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_select ON organisation FOR SELECT TO CURRENT_USER USING (true);
DROP TRIGGER IF EXISTS audit_insert ON public."ab_user";
DROP TRIGGER IF EXISTS audit_update ON public."ab_user";
DROP TRIGGER IF EXISTS audit_delete ON public."ab_user";
DROP TRIGGER IF EXISTS audit_truncate ON public."ab_user";
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_user" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","is_principal","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_user" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","is_principal","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_user" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","is_principal","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_user" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
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
$audit$;
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
$audit$;
DROP POLICY support_select ON audit_entry;
CREATE POLICY support_select ON audit_entry FOR SELECT TO portal_support USING (table_name IN ('ab_user', 'ab_user_role', 'organisation', 'access_link', 'second_factor', 'recovery_code', 'api_token', 'delegation', 'account_review', 'observation'));
ALTER TABLE access_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_link FORCE ROW LEVEL SECURITY;
REVOKE ALL ON access_link FROM PUBLIC;
GRANT SELECT ON access_link TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON access_link TO portal_system;
CREATE POLICY system_all ON access_link FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."access_link" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."access_link" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."access_link" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."access_link" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE recovery_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_request FORCE ROW LEVEL SECURITY;
REVOKE ALL ON recovery_request FROM PUBLIC;
GRANT SELECT ON recovery_request TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON recovery_request TO portal_system;
CREATE POLICY system_all ON recovery_request FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE second_factor ENABLE ROW LEVEL SECURITY;
ALTER TABLE second_factor FORCE ROW LEVEL SECURITY;
REVOKE ALL ON second_factor FROM PUBLIC;
GRANT SELECT ON second_factor TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON second_factor TO portal_system;
CREATE POLICY system_all ON second_factor FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."second_factor" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"user_id"}', 'organisation_id', '{"secret"}', '{"last_step"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."second_factor" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"user_id"}', 'organisation_id', '{"secret"}', '{"last_step"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."second_factor" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"user_id"}', 'organisation_id', '{"secret"}', '{"last_step"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."second_factor" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE recovery_code ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_code FORCE ROW LEVEL SECURITY;
REVOKE ALL ON recovery_code FROM PUBLIC;
GRANT SELECT ON recovery_code TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON recovery_code TO portal_system;
CREATE POLICY system_all ON recovery_code FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."recovery_code" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"code_hash"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."recovery_code" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"code_hash"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."recovery_code" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"code_hash"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."recovery_code" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE api_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_token FORCE ROW LEVEL SECURITY;
REVOKE ALL ON api_token FROM PUBLIC;
GRANT SELECT ON api_token TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON api_token TO portal_system;
CREATE POLICY system_all ON api_token FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."api_token" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{"last_used_at","last_used_ip"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."api_token" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{"last_used_at","last_used_ip"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."api_token" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{"last_used_at","last_used_ip"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."api_token" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE delegation ENABLE ROW LEVEL SECURITY;
ALTER TABLE delegation FORCE ROW LEVEL SECURITY;
REVOKE ALL ON delegation FROM PUBLIC;
GRANT SELECT ON delegation TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON delegation TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON delegation FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON delegation FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON delegation FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY support_all ON delegation FOR ALL TO portal_support USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON delegation FROM portal_tenant, portal_support, portal_region;
CREATE TRIGGER audit_insert AFTER INSERT ON public."delegation" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."delegation" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."delegation" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."delegation" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE account_review ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_review FORCE ROW LEVEL SECURITY;
REVOKE ALL ON account_review FROM PUBLIC;
GRANT SELECT ON account_review TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON account_review TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON account_review FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON account_review FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON account_review FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY support_all ON account_review FOR ALL TO portal_support USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON account_review FROM portal_tenant, portal_support, portal_region;
CREATE TRIGGER audit_insert AFTER INSERT ON public."account_review" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."account_review" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."account_review" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."account_review" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE observation ENABLE ROW LEVEL SECURITY;
ALTER TABLE observation FORCE ROW LEVEL SECURITY;
REVOKE ALL ON observation FROM PUBLIC;
GRANT SELECT ON observation TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON observation TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON observation FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON observation FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON observation FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY support_all ON observation FOR ALL TO portal_support USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON observation FROM portal_tenant, portal_support, portal_region;
CREATE TRIGGER audit_insert AFTER INSERT ON public."observation" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."observation" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."observation" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."observation" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO portal_tenant, portal_region, portal_support, portal_system;
CREATE OR REPLACE FUNCTION portal_end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session_epoch := GREATEST(NEW.session_epoch, OLD.session_epoch + 1);
    UPDATE access_link SET revoked_at = clock_timestamp() WHERE user_id = NEW.id AND used_at IS NULL AND revoked_at IS NULL;
    UPDATE api_token SET revoked_at = clock_timestamp() WHERE user_id = NEW.id AND revoked_at IS NULL;
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION portal_end_sessions_of_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ab_user u SET session_epoch = session_epoch + 1,
           is_principal = EXISTS (SELECT FROM ab_user_role l JOIN ab_role r ON r.id = l.role_id
                                   WHERE l.user_id = u.id AND r.name = 'Compte principal')
     WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.user_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.user_id END);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION portal_keep_a_principal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.organisation WHERE id = OLD.organisation_id AND active)
       AND NOT EXISTS (SELECT FROM public.ab_user WHERE organisation_id = OLD.organisation_id AND is_principal
                          AND active AND deactivated_at IS NULL AND deleted_at IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'organisation_keeps_a_principal',
            MESSAGE = 'the organisation would be left without an active principal account';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION portal_keep_a_principal() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER ab_user_keeps_a_principal AFTER UPDATE ON ab_user DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (
    OLD.is_principal AND OLD.active AND OLD.deactivated_at IS NULL AND OLD.deleted_at IS NULL
    AND NOT (NEW.is_principal AND NEW.active AND NEW.deactivated_at IS NULL AND NEW.deleted_at IS NULL
             AND NEW.organisation_id IS NOT DISTINCT FROM OLD.organisation_id)
) EXECUTE FUNCTION portal_keep_a_principal();
CREATE CONSTRAINT TRIGGER ab_user_keeps_a_principal_deleted AFTER DELETE ON ab_user DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (
    OLD.is_principal AND OLD.active AND OLD.deactivated_at IS NULL AND OLD.deleted_at IS NULL
) EXECUTE FUNCTION portal_keep_a_principal();
SET LOCAL ROLE portal_system;
-- One principal an organisation from now on: the one that is open, or else the oldest; the others become secondary accounts.
WITH ranked AS (
    SELECT l.id, row_number() OVER (PARTITION BY u.organisation_id ORDER BY (u.active AND u.deactivated_at IS NULL) DESC, u.id) AS place
      FROM ab_user_role l
      JOIN ab_role r ON r.id = l.role_id AND r.name = 'Compte principal'
      JOIN ab_user u ON u.id = l.user_id
     WHERE u.deleted_at IS NULL AND u.organisation_id IS NOT NULL
), surplus AS (
    DELETE FROM ab_user_role l USING ranked d WHERE l.id = d.id AND d.place > 1 RETURNING l.user_id
)
INSERT INTO ab_user_role (id, user_id, role_id)
SELECT nextval('ab_user_role_id_seq'), s.user_id, r.id FROM surplus s CROSS JOIN ab_role r WHERE r.name = 'Compte secondaire'
ON CONFLICT DO NOTHING;
UPDATE ab_user u SET is_principal = true
 WHERE EXISTS (SELECT FROM ab_user_role l JOIN ab_role r ON r.id = l.role_id WHERE l.user_id = u.id AND r.name = 'Compte principal');
RESET ROLE;
