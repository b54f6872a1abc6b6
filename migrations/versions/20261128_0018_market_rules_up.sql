ALTER TABLE market_rule_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE market_rule_version FORCE ROW LEVEL SECURITY;
REVOKE ALL ON market_rule_version FROM PUBLIC;
GRANT SELECT ON market_rule_version TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON market_rule_version TO portal_region, portal_system;
CREATE POLICY region_all ON market_rule_version FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON market_rule_version FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON market_rule_version FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON market_rule_version FOR SELECT TO portal_support USING (true);
CREATE POLICY observer_select ON market_rule_version FOR SELECT TO portal_observer USING (true);
ALTER POLICY tenant_select ON market_rule_version USING (published_at IS NOT NULL);
ALTER POLICY support_select ON market_rule_version USING (published_at IS NOT NULL);
ALTER POLICY observer_select ON market_rule_version USING (published_at IS NOT NULL);
CREATE TRIGGER audit_insert AFTER INSERT ON public."market_rule_version" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."market_rule_version" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."market_rule_version" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."market_rule_version" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON SEQUENCE market_rule_version_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
ALTER TABLE market_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE market_rule FORCE ROW LEVEL SECURITY;
REVOKE ALL ON market_rule FROM PUBLIC;
GRANT SELECT ON market_rule TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON market_rule TO portal_region, portal_system;
CREATE POLICY region_all ON market_rule FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON market_rule FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON market_rule FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON market_rule FOR SELECT TO portal_support USING (true);
CREATE POLICY observer_select ON market_rule FOR SELECT TO portal_observer USING (true);
ALTER POLICY tenant_select ON market_rule USING (version_id IN (SELECT v.id FROM market_rule_version v));
ALTER POLICY support_select ON market_rule USING (version_id IN (SELECT v.id FROM market_rule_version v));
ALTER POLICY observer_select ON market_rule USING (version_id IN (SELECT v.id FROM market_rule_version v));
CREATE TRIGGER audit_insert AFTER INSERT ON public."market_rule" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."market_rule" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."market_rule" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."market_rule" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON SEQUENCE market_rule_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
ALTER TABLE request_reminder ENABLE ROW LEVEL SECURITY;
ALTER TABLE request_reminder FORCE ROW LEVEL SECURITY;
REVOKE ALL ON request_reminder FROM PUBLIC;
GRANT SELECT ON request_reminder TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON request_reminder TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON request_reminder FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON request_reminder FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON request_reminder FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON request_reminder AS RESTRICTIVE FOR ALL TO portal_limited USING (event_id IN (SELECT e.id FROM modification_request_event e)) WITH CHECK (event_id IN (SELECT e.id FROM modification_request_event e));
CREATE TRIGGER audit_insert AFTER INSERT ON public."request_reminder" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."request_reminder" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."request_reminder" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."request_reminder" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON SEQUENCE request_reminder_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
DROP TRIGGER IF EXISTS audit_insert ON public."modification_request";
DROP TRIGGER IF EXISTS audit_update ON public."modification_request";
DROP TRIGGER IF EXISTS audit_delete ON public."modification_request";
DROP TRIGGER IF EXISTS audit_truncate ON public."modification_request";
CREATE TRIGGER audit_insert AFTER INSERT ON public."modification_request" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"motivation","notes","observations"}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."modification_request" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"motivation","notes","observations"}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."modification_request" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"motivation","notes","observations"}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."modification_request" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
DROP TRIGGER IF EXISTS audit_insert ON public."modification_request_event";
DROP TRIGGER IF EXISTS audit_update ON public."modification_request_event";
DROP TRIGGER IF EXISTS audit_delete ON public."modification_request_event";
DROP TRIGGER IF EXISTS audit_truncate ON public."modification_request_event";
CREATE TRIGGER audit_insert AFTER INSERT ON public."modification_request_event" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"comment","notes"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."modification_request_event" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"comment","notes"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."modification_request_event" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"comment","notes"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."modification_request_event" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE FUNCTION portal_market_version_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published_at IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'restrict_violation', CONSTRAINT = 'market_rule_published',
            MESSAGE = 'a published version of the rules never changes';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
-- The version is locked in share: a rule written while the version is published either comes before, or is refused.
CREATE FUNCTION portal_market_rule_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM market_rule_version v WHERE v.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.version_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.version_id END) FOR SHARE;
    IF EXISTS (
        SELECT FROM market_rule_version v WHERE v.published_at IS NOT NULL
           AND v.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.version_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.version_id END)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'restrict_violation', CONSTRAINT = 'market_rule_published',
            MESSAGE = 'a rule of a published version never changes';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER published BEFORE UPDATE OR DELETE ON market_rule_version FOR EACH ROW EXECUTE FUNCTION portal_market_version_published();
CREATE TRIGGER published BEFORE INSERT OR UPDATE OR DELETE ON market_rule FOR EACH ROW EXECUTE FUNCTION portal_market_rule_published();
