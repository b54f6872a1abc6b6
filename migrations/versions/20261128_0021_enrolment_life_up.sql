ALTER TABLE enrolment_act ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrolment_act FORCE ROW LEVEL SECURITY;
REVOKE ALL ON enrolment_act FROM PUBLIC;
GRANT SELECT ON enrolment_act TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON enrolment_act TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON enrolment_act FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON enrolment_act FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON enrolment_act FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON enrolment_act AS RESTRICTIVE FOR ALL TO portal_limited USING (enrolment_id IN (SELECT e.id FROM enrolment e)) WITH CHECK (enrolment_id IN (SELECT e.id FROM enrolment e));
CREATE TRIGGER audit_insert AFTER INSERT ON public."enrolment_act" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"reason"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."enrolment_act" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"reason"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."enrolment_act" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"reason"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."enrolment_act" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON SEQUENCE enrolment_act_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
ALTER TABLE interruption ENABLE ROW LEVEL SECURITY;
ALTER TABLE interruption FORCE ROW LEVEL SECURITY;
REVOKE ALL ON interruption FROM PUBLIC;
GRANT SELECT ON interruption TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON interruption TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON interruption FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON interruption FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON interruption FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON interruption AS RESTRICTIVE FOR ALL TO portal_limited USING (enrolment_id IN (SELECT e.id FROM enrolment e)) WITH CHECK (enrolment_id IN (SELECT e.id FROM enrolment e));
CREATE TRIGGER audit_insert AFTER INSERT ON public."interruption" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"reason"}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."interruption" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"reason"}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."interruption" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"reason"}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."interruption" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON SEQUENCE interruption_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
-- An enrolment made by mistake is held to no date any more; interruptions lie within the path.
CREATE OR REPLACE FUNCTION portal_component_dates() RETURNS trigger LANGUAGE plpgsql AS $$
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
        SELECT FROM enrolment e WHERE e.component_id = NEW.id AND e.cancelled_at IS NULL
           AND (e.planned_start < inner_start OR COALESCE(e.actual_end, e.planned_end) > inner_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_enrolment_within_component',
            MESSAGE = 'an enrolment lies outside its component';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION portal_enrolment_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outer_start date; outer_end date;
BEGIN
    SELECT c.planned_start, c.planned_end INTO outer_start, outer_end FROM component c WHERE c.id = NEW.component_id FOR SHARE;
    IF EXISTS (
        SELECT FROM enrolment e WHERE e.id = NEW.id AND e.cancelled_at IS NULL
           AND (e.planned_start < outer_start OR COALESCE(e.actual_end, e.planned_end) > outer_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_enrolment_within_component',
            MESSAGE = 'an enrolment lies outside its component';
    END IF;
    IF TG_OP = 'UPDATE' AND EXISTS (
        SELECT FROM interruption i JOIN enrolment e ON e.id = i.enrolment_id
         WHERE e.id = NEW.id AND (i.interrupted_on < e.planned_start OR COALESCE(i.resumed_on, i.interrupted_on) > COALESCE(e.actual_end, e.planned_end))
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_interruption_within_path',
            MESSAGE = 'an interruption lies outside its enrolment';
    END IF;
    RETURN NULL;
END $$;
-- The enrolment is locked in share: its dates and a new interruption, written at the same time, see each other.
CREATE FUNCTION portal_interruption_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    path_start date; path_end date;
BEGIN
    SELECT e.planned_start, COALESCE(e.actual_end, e.planned_end) INTO path_start, path_end FROM enrolment e WHERE e.id = NEW.enrolment_id FOR SHARE;
    IF EXISTS (
        SELECT FROM interruption i WHERE i.id = NEW.id AND (i.interrupted_on < path_start OR COALESCE(i.resumed_on, i.interrupted_on) > path_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_interruption_within_path',
            MESSAGE = 'an interruption lies outside its enrolment';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER within_path AFTER INSERT OR UPDATE OF interrupted_on, resumed_on, enrolment_id ON interruption
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_interruption_dates();
