ALTER TABLE finish_declaration ENABLE ROW LEVEL SECURITY;
ALTER TABLE finish_declaration FORCE ROW LEVEL SECURITY;
REVOKE ALL ON finish_declaration FROM PUBLIC;
GRANT SELECT ON finish_declaration TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON finish_declaration TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON finish_declaration FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON finish_declaration FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON finish_declaration FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY observer_select ON finish_declaration FOR SELECT TO portal_observer USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY limited_all ON finish_declaration AS RESTRICTIVE FOR ALL TO portal_limited USING (action_id IN (SELECT g.action_id FROM action_access g WHERE g.user_id = NULLIF(current_setting('app.limited_account', true), '')::integer)) WITH CHECK (action_id IN (SELECT g.action_id FROM action_access g WHERE g.user_id = NULLIF(current_setting('app.limited_account', true), '')::integer));
CREATE TRIGGER audit_insert AFTER INSERT ON public."finish_declaration" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."finish_declaration" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."finish_declaration" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."finish_declaration" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE training_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE training_session FORCE ROW LEVEL SECURITY;
REVOKE ALL ON training_session FROM PUBLIC;
GRANT SELECT ON training_session TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON training_session TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON training_session FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON training_session FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON training_session FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY observer_select ON training_session FOR SELECT TO portal_observer USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY limited_all ON training_session AS RESTRICTIVE FOR ALL TO portal_limited USING (component_id IN (SELECT c.id FROM component c)) WITH CHECK (component_id IN (SELECT c.id FROM component c));
REVOKE DELETE ON training_session FROM portal_tenant, portal_region, portal_support, portal_system;
CREATE TRIGGER audit_insert AFTER INSERT ON public."training_session" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."training_session" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."training_session" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."training_session" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE information_meeting ENABLE ROW LEVEL SECURITY;
ALTER TABLE information_meeting FORCE ROW LEVEL SECURITY;
REVOKE ALL ON information_meeting FROM PUBLIC;
GRANT SELECT ON information_meeting TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON information_meeting TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON information_meeting FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON information_meeting FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON information_meeting FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY observer_select ON information_meeting FOR SELECT TO portal_observer USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY limited_all ON information_meeting AS RESTRICTIVE FOR ALL TO portal_limited USING (session_id IN (SELECT s.id FROM training_session s)) WITH CHECK (session_id IN (SELECT s.id FROM training_session s));
CREATE TRIGGER audit_insert AFTER INSERT ON public."information_meeting" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."information_meeting" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."information_meeting" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."information_meeting" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO portal_tenant, portal_region, portal_support, portal_system;
CREATE FUNCTION portal_session_never_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation', CONSTRAINT = 'training_session_never_deleted',
        MESSAGE = 'a session is never deleted';
END $$;
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON training_session FOR EACH STATEMENT EXECUTE FUNCTION portal_session_never_deleted();
-- Dates: each check reads the rows as they are at the end of the transaction. The outer row is locked in share, so that a change of it
-- and a new inner row, made at the same time, see each other.
CREATE FUNCTION portal_component_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outer_start date; outer_end date; inner_start date; inner_end date;
BEGIN
    SELECT a.planned_start, a.planned_end INTO outer_start, outer_end FROM action a WHERE a.id = NEW.action_id FOR SHARE;
    SELECT c.planned_start, c.planned_end INTO inner_start, inner_end FROM component c WHERE c.id = NEW.id;
    IF inner_start < outer_start OR inner_end > outer_end THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_component_within_action',
            MESSAGE = 'a component lies outside its action';
    END IF;
    IF TG_OP = 'UPDATE' AND EXISTS (
        SELECT FROM training_session s WHERE s.component_id = NEW.id AND s.cancelled_at IS NULL AND (s.starts_on < inner_start OR s.ends_on > inner_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_session_within_component',
            MESSAGE = 'a session lies outside its component';
    END IF;
    IF TG_OP = 'UPDATE' AND EXISTS (
        SELECT FROM enrolment e WHERE e.component_id = NEW.id
           AND (e.planned_start < inner_start OR COALESCE(e.actual_end, e.planned_end) > inner_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_enrolment_within_component',
            MESSAGE = 'an enrolment lies outside its component';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION portal_action_dates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM component c JOIN action a ON a.id = c.action_id
         WHERE a.id = NEW.id AND (c.planned_start < a.planned_start OR c.planned_end > a.planned_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_component_within_action',
            MESSAGE = 'a component lies outside its action';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION portal_session_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outer_start date; outer_end date;
BEGIN
    SELECT c.planned_start, c.planned_end INTO outer_start, outer_end FROM component c WHERE c.id = NEW.component_id FOR SHARE;
    IF EXISTS (
        SELECT FROM training_session s WHERE s.id = NEW.id AND s.cancelled_at IS NULL AND (s.starts_on < outer_start OR s.ends_on > outer_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_session_within_component',
            MESSAGE = 'a session lies outside its component';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION portal_enrolment_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outer_start date; outer_end date;
BEGIN
    SELECT c.planned_start, c.planned_end INTO outer_start, outer_end FROM component c WHERE c.id = NEW.component_id FOR SHARE;
    IF EXISTS (
        SELECT FROM enrolment e WHERE e.id = NEW.id
           AND (e.planned_start < outer_start OR COALESCE(e.actual_end, e.planned_end) > outer_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_enrolment_within_component',
            MESSAGE = 'an enrolment lies outside its component';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER within_action AFTER INSERT OR UPDATE OF planned_start, planned_end, action_id ON component
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_component_dates();
CREATE CONSTRAINT TRIGGER around_components AFTER UPDATE OF planned_start, planned_end ON action
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_action_dates();
CREATE CONSTRAINT TRIGGER within_component AFTER INSERT OR UPDATE OF starts_on, ends_on, component_id, cancelled_at ON training_session
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_session_dates();
CREATE CONSTRAINT TRIGGER within_component AFTER INSERT OR UPDATE OF planned_start, planned_end, actual_end, component_id ON enrolment
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_enrolment_dates();
