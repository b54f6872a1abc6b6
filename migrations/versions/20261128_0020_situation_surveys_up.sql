ALTER TABLE employment_contract ENABLE ROW LEVEL SECURITY;
ALTER TABLE employment_contract FORCE ROW LEVEL SECURITY;
REVOKE ALL ON employment_contract FROM PUBLIC;
GRANT SELECT ON employment_contract TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON employment_contract TO portal_region, portal_system;
CREATE POLICY region_all ON employment_contract FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON employment_contract FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON employment_contract FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON employment_contract FOR SELECT TO portal_support USING (true);
CREATE POLICY observer_select ON employment_contract FOR SELECT TO portal_observer USING (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."employment_contract" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."employment_contract" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."employment_contract" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."employment_contract" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE professional_sector ENABLE ROW LEVEL SECURITY;
ALTER TABLE professional_sector FORCE ROW LEVEL SECURITY;
REVOKE ALL ON professional_sector FROM PUBLIC;
GRANT SELECT ON professional_sector TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON professional_sector TO portal_region, portal_system;
CREATE POLICY region_all ON professional_sector FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON professional_sector FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON professional_sector FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON professional_sector FOR SELECT TO portal_support USING (true);
CREATE POLICY observer_select ON professional_sector FOR SELECT TO portal_observer USING (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."professional_sector" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."professional_sector" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."professional_sector" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."professional_sector" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE socio_professional_category ENABLE ROW LEVEL SECURITY;
ALTER TABLE socio_professional_category FORCE ROW LEVEL SECURITY;
REVOKE ALL ON socio_professional_category FROM PUBLIC;
GRANT SELECT ON socio_professional_category TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON socio_professional_category TO portal_region, portal_system;
CREATE POLICY region_all ON socio_professional_category FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON socio_professional_category FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON socio_professional_category FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON socio_professional_category FOR SELECT TO portal_support USING (true);
CREATE POLICY observer_select ON socio_professional_category FOR SELECT TO portal_observer USING (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."socio_professional_category" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."socio_professional_category" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."socio_professional_category" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."socio_professional_category" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE survey_situation ENABLE ROW LEVEL SECURITY;
ALTER TABLE survey_situation FORCE ROW LEVEL SECURITY;
REVOKE ALL ON survey_situation FROM PUBLIC;
GRANT SELECT ON survey_situation TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON survey_situation TO portal_region, portal_system;
CREATE POLICY region_all ON survey_situation FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON survey_situation FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON survey_situation FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON survey_situation FOR SELECT TO portal_support USING (true);
CREATE POLICY observer_select ON survey_situation FOR SELECT TO portal_observer USING (true);
CREATE TRIGGER audit_insert AFTER INSERT ON public."survey_situation" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."survey_situation" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."survey_situation" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."survey_situation" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE survey_opt_out ENABLE ROW LEVEL SECURITY;
ALTER TABLE survey_opt_out FORCE ROW LEVEL SECURITY;
REVOKE ALL ON survey_opt_out FROM PUBLIC;
GRANT SELECT ON survey_opt_out TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON survey_opt_out TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON survey_opt_out FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON survey_opt_out FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON survey_opt_out FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON survey_opt_out AS RESTRICTIVE FOR ALL TO portal_limited USING (EXISTS (SELECT FROM registration r WHERE r.trainee_id = survey_opt_out.trainee_id)) WITH CHECK (EXISTS (SELECT FROM registration r WHERE r.trainee_id = survey_opt_out.trainee_id));
CREATE TRIGGER audit_insert AFTER INSERT ON public."survey_opt_out" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."survey_opt_out" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."survey_opt_out" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."survey_opt_out" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE situation_survey ENABLE ROW LEVEL SECURITY;
ALTER TABLE situation_survey FORCE ROW LEVEL SECURITY;
REVOKE ALL ON situation_survey FROM PUBLIC;
GRANT SELECT ON situation_survey TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON situation_survey TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON situation_survey FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON situation_survey FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON situation_survey FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON situation_survey AS RESTRICTIVE FOR ALL TO portal_limited USING (action_id IN (SELECT g.action_id FROM action_access g WHERE g.user_id = NULLIF(current_setting('app.limited_account', true), '')::integer)) WITH CHECK (action_id IN (SELECT g.action_id FROM action_access g WHERE g.user_id = NULLIF(current_setting('app.limited_account', true), '')::integer));
CREATE TRIGGER audit_insert AFTER INSERT ON public."situation_survey" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"category_id","certification","certification_level_id","company","contract_type_id","employed","job_related","job_title","sector_id","situation_id"}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."situation_survey" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"category_id","certification","certification_level_id","company","contract_type_id","employed","job_related","job_title","sector_id","situation_id"}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."situation_survey" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"category_id","certification","certification_level_id","company","contract_type_id","employed","job_related","job_title","sector_id","situation_id"}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."situation_survey" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE survey_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE survey_link FORCE ROW LEVEL SECURITY;
REVOKE ALL ON survey_link FROM PUBLIC;
GRANT SELECT ON survey_link TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON survey_link TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON survey_link FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON survey_link FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON survey_link FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON survey_link AS RESTRICTIVE FOR ALL TO portal_limited USING (survey_id IN (SELECT s.id FROM situation_survey s)) WITH CHECK (survey_id IN (SELECT s.id FROM situation_survey s));
CREATE TRIGGER audit_insert AFTER INSERT ON public."survey_link" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."survey_link" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."survey_link" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"token_hash"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."survey_link" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
ALTER TABLE survey_reply ENABLE ROW LEVEL SECURITY;
ALTER TABLE survey_reply FORCE ROW LEVEL SECURITY;
REVOKE ALL ON survey_reply FROM PUBLIC;
GRANT SELECT ON survey_reply TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON survey_reply TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON survey_reply FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON survey_reply FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON survey_reply FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY limited_all ON survey_reply AS RESTRICTIVE FOR ALL TO portal_limited USING (survey_id IN (SELECT s.id FROM situation_survey s)) WITH CHECK (survey_id IN (SELECT s.id FROM situation_survey s));
CREATE TRIGGER audit_insert AFTER INSERT ON public."survey_reply" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"category_id","certification","certification_level_id","company","contract_type_id","employed","job_related","job_title","sector_id","situation_id"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."survey_reply" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"category_id","certification","certification_level_id","company","contract_type_id","employed","job_related","job_title","sector_id","situation_id"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."survey_reply" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"category_id","certification","certification_level_id","company","contract_type_id","employed","job_related","job_title","sector_id","situation_id"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."survey_reply" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO portal_tenant, portal_region, portal_support, portal_system;
-- What a situation asks is copied with each answer, so that the checks of the row can say which answers go together.
CREATE FUNCTION portal_survey_situation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.employed := (SELECT s.employed FROM survey_situation s WHERE s.id = NEW.situation_id);
    RETURN NEW;
END $$;
CREATE TRIGGER situation BEFORE INSERT OR UPDATE OF situation_id, employed ON situation_survey FOR EACH ROW EXECUTE FUNCTION portal_survey_situation();
CREATE TRIGGER situation BEFORE INSERT OR UPDATE OF situation_id, employed ON survey_reply FOR EACH ROW EXECUTE FUNCTION portal_survey_situation();
-- The surveys of an exit are made with it, in its transaction, whatever wrote it. A cancelled exit takes away those that say nothing; the others
-- are kept without a day, and come back with the next exit.
CREATE FUNCTION portal_survey_of_exit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actual_end IS NULL THEN
        DELETE FROM situation_survey s WHERE s.enrolment_id = NEW.id AND s.state = 'waiting'
           AND NOT EXISTS (SELECT FROM survey_link l WHERE l.survey_id = s.id);
        UPDATE situation_survey SET due_on = NULL WHERE enrolment_id = NEW.id;
    ELSE
        INSERT INTO situation_survey (organisation_id, enrolment_id, action_id, moment, due_on, created_at, updated_at)
        SELECT NEW.organisation_id, NEW.id, NEW.action_id, m.moment, (NEW.actual_end + m.wait)::date, clock_timestamp(), clock_timestamp()
          FROM (VALUES ('exit', interval '0'), ('3m', interval '3 months'), ('6m', interval '6 months')) m (moment, wait)
            ON CONFLICT (enrolment_id, moment) DO UPDATE SET due_on = EXCLUDED.due_on, updated_at = EXCLUDED.updated_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER surveys_of_exit AFTER UPDATE OF actual_end ON enrolment
    FOR EACH ROW WHEN (OLD.actual_end IS DISTINCT FROM NEW.actual_end) EXECUTE FUNCTION portal_survey_of_exit();
CREATE TRIGGER surveys_of_new_exit AFTER INSERT ON enrolment FOR EACH ROW WHEN (NEW.actual_end IS NOT NULL) EXECUTE FUNCTION portal_survey_of_exit();
