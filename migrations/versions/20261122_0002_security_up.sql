GRANT USAGE ON SCHEMA public TO portal_tenant, portal_region, portal_support, portal_system;
ALTER TABLE ab_group ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_group FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_group FROM PUBLIC;
GRANT SELECT ON ab_group TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_group TO portal_system;
CREATE POLICY system_all ON ab_group FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_group FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_group FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_group FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_permission ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_permission FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_permission FROM PUBLIC;
GRANT SELECT ON ab_permission TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_permission TO portal_system;
CREATE POLICY system_all ON ab_permission FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_permission FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_permission FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_permission FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_register_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_register_user FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_register_user FROM PUBLIC;
GRANT SELECT ON ab_register_user TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_register_user TO portal_system;
CREATE POLICY system_all ON ab_register_user FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_register_user FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_register_user FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_register_user FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_role FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_role FROM PUBLIC;
GRANT SELECT ON ab_role TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_role TO portal_system;
CREATE POLICY system_all ON ab_role FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_role FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_role FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_role FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_view_menu ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_view_menu FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_view_menu FROM PUBLIC;
GRANT SELECT ON ab_view_menu TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_view_menu TO portal_system;
CREATE POLICY system_all ON ab_view_menu FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_view_menu FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_view_menu FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_view_menu FOR SELECT TO portal_support USING (true);
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;
REVOKE ALL ON audit_entry FROM PUBLIC;
GRANT SELECT ON audit_entry TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_select ON audit_entry FOR SELECT TO portal_region USING (true);
CREATE POLICY system_select ON audit_entry FOR SELECT TO portal_system USING (true);
CREATE POLICY tenant_select ON audit_entry FOR SELECT TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY owner_insert ON audit_entry FOR INSERT TO CURRENT_USER WITH CHECK (true);
CREATE POLICY owner_select ON audit_entry FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY support_select ON audit_entry FOR SELECT TO portal_support USING (table_name IN ('ab_user', 'ab_user_role', 'organisation'));
ALTER TABLE audit_seal ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_seal FORCE ROW LEVEL SECURITY;
REVOKE ALL ON audit_seal FROM PUBLIC;
GRANT SELECT ON audit_seal TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_select ON audit_seal FOR SELECT TO portal_region USING (true);
CREATE POLICY system_select ON audit_seal FOR SELECT TO portal_system USING (true);
GRANT INSERT ON audit_seal TO portal_system;
CREATE POLICY system_insert ON audit_seal FOR INSERT TO portal_system WITH CHECK (true);
ALTER TABLE audit_sealed ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_sealed FORCE ROW LEVEL SECURITY;
REVOKE ALL ON audit_sealed FROM PUBLIC;
GRANT SELECT ON audit_sealed TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_select ON audit_sealed FOR SELECT TO portal_region USING (true);
CREATE POLICY system_select ON audit_sealed FOR SELECT TO portal_system USING (true);
GRANT INSERT ON audit_sealed TO portal_system;
CREATE POLICY system_insert ON audit_sealed FOR INSERT TO portal_system WITH CHECK (true);
ALTER TABLE exit_reason ENABLE ROW LEVEL SECURITY;
ALTER TABLE exit_reason FORCE ROW LEVEL SECURITY;
REVOKE ALL ON exit_reason FROM PUBLIC;
GRANT SELECT ON exit_reason TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON exit_reason TO portal_region, portal_system;
CREATE POLICY region_all ON exit_reason FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON exit_reason FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON exit_reason FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON exit_reason FOR SELECT TO portal_support USING (true);
ALTER TABLE general_objective ENABLE ROW LEVEL SECURITY;
ALTER TABLE general_objective FORCE ROW LEVEL SECURITY;
REVOKE ALL ON general_objective FROM PUBLIC;
GRANT SELECT ON general_objective TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON general_objective TO portal_region, portal_system;
CREATE POLICY region_all ON general_objective FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON general_objective FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON general_objective FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON general_objective FOR SELECT TO portal_support USING (true);
ALTER TABLE highest_diploma ENABLE ROW LEVEL SECURITY;
ALTER TABLE highest_diploma FORCE ROW LEVEL SECURITY;
REVOKE ALL ON highest_diploma FROM PUBLIC;
GRANT SELECT ON highest_diploma TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON highest_diploma TO portal_region, portal_system;
CREATE POLICY region_all ON highest_diploma FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON highest_diploma FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON highest_diploma FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON highest_diploma FOR SELECT TO portal_support USING (true);
ALTER TABLE last_class ENABLE ROW LEVEL SECURITY;
ALTER TABLE last_class FORCE ROW LEVEL SECURITY;
REVOKE ALL ON last_class FROM PUBLIC;
GRANT SELECT ON last_class TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON last_class TO portal_region, portal_system;
CREATE POLICY region_all ON last_class FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON last_class FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON last_class FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON last_class FOR SELECT TO portal_support USING (true);
ALTER TABLE level ENABLE ROW LEVEL SECURITY;
ALTER TABLE level FORCE ROW LEVEL SECURITY;
REVOKE ALL ON level FROM PUBLIC;
GRANT SELECT ON level TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON level TO portal_region, portal_system;
CREATE POLICY region_all ON level FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON level FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON level FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON level FOR SELECT TO portal_support USING (true);
ALTER TABLE mail_message ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_message FORCE ROW LEVEL SECURITY;
REVOKE ALL ON mail_message FROM PUBLIC;
GRANT SELECT ON mail_message TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON mail_message TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_all ON mail_message FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON mail_message FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_insert ON mail_message FOR INSERT TO portal_tenant WITH CHECK (true);
CREATE POLICY support_insert ON mail_message FOR INSERT TO portal_support WITH CHECK (true);
ALTER TABLE nationality ENABLE ROW LEVEL SECURITY;
ALTER TABLE nationality FORCE ROW LEVEL SECURITY;
REVOKE ALL ON nationality FROM PUBLIC;
GRANT SELECT ON nationality TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON nationality TO portal_region, portal_system;
CREATE POLICY region_all ON nationality FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON nationality FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON nationality FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON nationality FOR SELECT TO portal_support USING (true);
ALTER TABLE nir_reading ENABLE ROW LEVEL SECURITY;
ALTER TABLE nir_reading FORCE ROW LEVEL SECURITY;
REVOKE ALL ON nir_reading FROM PUBLIC;
GRANT SELECT ON nir_reading TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_select ON nir_reading FOR SELECT TO portal_region USING (true);
CREATE POLICY system_select ON nir_reading FOR SELECT TO portal_system USING (true);
CREATE POLICY tenant_select ON nir_reading FOR SELECT TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
GRANT INSERT ON nir_reading TO portal_tenant, portal_region, portal_system;
CREATE POLICY tenant_insert ON nir_reading FOR INSERT TO portal_tenant WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_insert ON nir_reading FOR INSERT TO portal_region WITH CHECK (true);
CREATE POLICY system_insert ON nir_reading FOR INSERT TO portal_system WITH CHECK (true);
ALTER TABLE organisation ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisation FORCE ROW LEVEL SECURITY;
REVOKE ALL ON organisation FROM PUBLIC;
GRANT SELECT ON organisation TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON organisation TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON organisation FOR ALL TO portal_tenant USING (id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON organisation FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON organisation FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY support_all ON organisation FOR ALL TO portal_support USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON organisation FROM portal_tenant, portal_support;
ALTER TABLE outbox_partner ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox_partner FORCE ROW LEVEL SECURITY;
REVOKE ALL ON outbox_partner FROM PUBLIC;
GRANT SELECT ON outbox_partner TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON outbox_partner TO portal_region, portal_system;
CREATE POLICY region_all ON outbox_partner FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON outbox_partner FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON outbox_partner FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON outbox_partner FOR SELECT TO portal_support USING (true);
ALTER TABLE periodic_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE periodic_run FORCE ROW LEVEL SECURITY;
REVOKE ALL ON periodic_run FROM PUBLIC;
GRANT SELECT ON periodic_run TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON periodic_run TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_all ON periodic_run FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON periodic_run FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE professional_situation ENABLE ROW LEVEL SECURITY;
ALTER TABLE professional_situation FORCE ROW LEVEL SECURITY;
REVOKE ALL ON professional_situation FROM PUBLIC;
GRANT SELECT ON professional_situation TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON professional_situation TO portal_region, portal_system;
CREATE POLICY region_all ON professional_situation FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON professional_situation FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON professional_situation FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON professional_situation FOR SELECT TO portal_support USING (true);
ALTER TABLE programme ENABLE ROW LEVEL SECURITY;
ALTER TABLE programme FORCE ROW LEVEL SECURITY;
REVOKE ALL ON programme FROM PUBLIC;
GRANT SELECT ON programme TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON programme TO portal_region, portal_system;
CREATE POLICY region_all ON programme FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON programme FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON programme FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON programme FOR SELECT TO portal_support USING (true);
ALTER TABLE public_category ENABLE ROW LEVEL SECURITY;
ALTER TABLE public_category FORCE ROW LEVEL SECURITY;
REVOKE ALL ON public_category FROM PUBLIC;
GRANT SELECT ON public_category TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON public_category TO portal_region, portal_system;
CREATE POLICY region_all ON public_category FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON public_category FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON public_category FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON public_category FOR SELECT TO portal_support USING (true);
ALTER TABLE seeded_value ENABLE ROW LEVEL SECURITY;
ALTER TABLE seeded_value FORCE ROW LEVEL SECURITY;
REVOKE ALL ON seeded_value FROM PUBLIC;
GRANT SELECT ON seeded_value TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON seeded_value TO portal_region, portal_system;
CREATE POLICY region_all ON seeded_value FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON seeded_value FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON seeded_value FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON seeded_value FOR SELECT TO portal_support USING (true);
ALTER TABLE site ENABLE ROW LEVEL SECURITY;
ALTER TABLE site FORCE ROW LEVEL SECURITY;
REVOKE ALL ON site FROM PUBLIC;
GRANT SELECT ON site TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON site TO portal_region, portal_system;
CREATE POLICY region_all ON site FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON site FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON site FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON site FOR SELECT TO portal_support USING (true);
ALTER TABLE street_type ENABLE ROW LEVEL SECURITY;
ALTER TABLE street_type FORCE ROW LEVEL SECURITY;
REVOKE ALL ON street_type FROM PUBLIC;
GRANT SELECT ON street_type TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON street_type TO portal_region, portal_system;
CREATE POLICY region_all ON street_type FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON street_type FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON street_type FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON street_type FOR SELECT TO portal_support USING (true);
ALTER TABLE town ENABLE ROW LEVEL SECURITY;
ALTER TABLE town FORCE ROW LEVEL SECURITY;
REVOKE ALL ON town FROM PUBLIC;
GRANT SELECT ON town TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON town TO portal_region, portal_system;
CREATE POLICY region_all ON town FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON town FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON town FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON town FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_group_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_group_role FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_group_role FROM PUBLIC;
GRANT SELECT ON ab_group_role TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_group_role TO portal_system;
CREATE POLICY system_all ON ab_group_role FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_group_role FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_group_role FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_group_role FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_permission_view ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_permission_view FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_permission_view FROM PUBLIC;
GRANT SELECT ON ab_permission_view TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_permission_view TO portal_system;
CREATE POLICY system_all ON ab_permission_view FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_permission_view FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_permission_view FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_permission_view FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_user FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_user FROM PUBLIC;
GRANT SELECT ON ab_user TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_user TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON ab_user FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON ab_user FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON ab_user FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY support_all ON ab_user FOR ALL TO portal_support USING (true) WITH CHECK (true);
REVOKE INSERT, UPDATE, DELETE ON ab_user FROM portal_tenant, portal_support, portal_region;
ALTER TABLE contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact FORCE ROW LEVEL SECURITY;
REVOKE ALL ON contact FROM PUBLIC;
GRANT SELECT ON contact TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON contact TO portal_region, portal_system;
CREATE POLICY region_all ON contact FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON contact FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON contact FOR SELECT TO portal_tenant USING (true);
CREATE POLICY support_select ON contact FOR SELECT TO portal_support USING (true);
ALTER TABLE contract ENABLE ROW LEVEL SECURITY;
ALTER TABLE contract FORCE ROW LEVEL SECURITY;
REVOKE ALL ON contract FROM PUBLIC;
GRANT SELECT ON contract TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON contract TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON contract FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON contract FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON contract FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE outbox_message ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox_message FORCE ROW LEVEL SECURITY;
REVOKE ALL ON outbox_message FROM PUBLIC;
GRANT SELECT ON outbox_message TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON outbox_message TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_all ON outbox_message FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON outbox_message FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON outbox_message FOR SELECT TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY tenant_insert ON outbox_message FOR INSERT TO portal_tenant WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
ALTER TABLE trainee ENABLE ROW LEVEL SECURITY;
ALTER TABLE trainee FORCE ROW LEVEL SECURITY;
REVOKE ALL ON trainee FROM PUBLIC;
GRANT SELECT ON trainee TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON trainee TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON trainee FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON trainee FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON trainee FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE ab_api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_api_key FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_api_key FROM PUBLIC;
GRANT SELECT ON ab_api_key TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_api_key TO portal_system;
CREATE POLICY system_all ON ab_api_key FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_api_key FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_api_key FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_api_key FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_permission_view_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_permission_view_role FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_permission_view_role FROM PUBLIC;
GRANT SELECT ON ab_permission_view_role TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_permission_view_role TO portal_system;
CREATE POLICY system_all ON ab_permission_view_role FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_permission_view_role FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_permission_view_role FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_permission_view_role FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_user_group ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_user_group FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_user_group FROM PUBLIC;
GRANT SELECT ON ab_user_group TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_user_group TO portal_system;
CREATE POLICY system_all ON ab_user_group FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_user_group FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_user_group FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_user_group FOR SELECT TO portal_support USING (true);
ALTER TABLE ab_user_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE ab_user_role FORCE ROW LEVEL SECURITY;
REVOKE ALL ON ab_user_role FROM PUBLIC;
GRANT SELECT ON ab_user_role TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON ab_user_role TO portal_system;
CREATE POLICY system_all ON ab_user_role FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY tenant_select ON ab_user_role FOR SELECT TO portal_tenant USING (true);
CREATE POLICY region_select ON ab_user_role FOR SELECT TO portal_region USING (true);
CREATE POLICY support_select ON ab_user_role FOR SELECT TO portal_support USING (true);
ALTER TABLE action ENABLE ROW LEVEL SECURITY;
ALTER TABLE action FORCE ROW LEVEL SECURITY;
REVOKE ALL ON action FROM PUBLIC;
GRANT SELECT ON action TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON action TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON action FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON action FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON action FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE outbox_intervention ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox_intervention FORCE ROW LEVEL SECURITY;
REVOKE ALL ON outbox_intervention FROM PUBLIC;
GRANT SELECT ON outbox_intervention TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON outbox_intervention TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY region_all ON outbox_intervention FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON outbox_intervention FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE sign_in_attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_in_attempt FORCE ROW LEVEL SECURITY;
REVOKE ALL ON sign_in_attempt FROM PUBLIC;
GRANT SELECT ON sign_in_attempt TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON sign_in_attempt TO portal_system;
CREATE POLICY system_all ON sign_in_attempt FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE user_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session FORCE ROW LEVEL SECURITY;
REVOKE ALL ON user_session FROM PUBLIC;
GRANT SELECT ON user_session TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON user_session TO portal_system;
CREATE POLICY system_all ON user_session FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE OR REPLACE FUNCTION portal_end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.session_epoch := GREATEST(NEW.session_epoch, OLD.session_epoch + 1);
    RETURN NEW;
END $$;
CREATE TRIGGER ab_user_end_sessions BEFORE UPDATE ON ab_user FOR EACH ROW WHEN (
    OLD.password IS DISTINCT FROM NEW.password
    OR OLD.organisation_id IS DISTINCT FROM NEW.organisation_id
    OR (OLD.active AND NEW.active IS NOT TRUE)
    OR (OLD.blocked_at IS NULL AND NEW.blocked_at IS NOT NULL)
    OR (OLD.deactivated_at IS NULL AND NEW.deactivated_at IS NOT NULL)
    OR (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
) EXECUTE FUNCTION portal_end_sessions();
CREATE OR REPLACE FUNCTION portal_end_sessions_of_role_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ab_user SET session_epoch = session_epoch + 1
     WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.user_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.user_id END);
    RETURN NULL;
END $$;
CREATE TRIGGER ab_user_role_end_sessions AFTER INSERT OR UPDATE OR DELETE ON ab_user_role
    FOR EACH ROW EXECUTE FUNCTION portal_end_sessions_of_role_change();
CREATE OR REPLACE FUNCTION portal_end_sessions_of_organisation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sessions_valid_from := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER organisation_end_sessions BEFORE UPDATE ON organisation FOR EACH ROW
    WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION portal_end_sessions_of_organisation();
ALTER TABLE wizard_draft ENABLE ROW LEVEL SECURITY;
ALTER TABLE wizard_draft FORCE ROW LEVEL SECURITY;
REVOKE ALL ON wizard_draft FROM PUBLIC;
GRANT SELECT ON wizard_draft TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON wizard_draft TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON wizard_draft FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON wizard_draft FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON wizard_draft FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY support_all ON wizard_draft FOR ALL TO portal_support USING (true) WITH CHECK (true);
CREATE POLICY own_account ON wizard_draft AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region, portal_support USING (user_id = NULLIF(current_setting('app.actor_id', true), '')::integer) WITH CHECK (user_id = NULLIF(current_setting('app.actor_id', true), '')::integer);
ALTER TABLE action_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE action_history FORCE ROW LEVEL SECURITY;
REVOKE ALL ON action_history FROM PUBLIC;
GRANT SELECT ON action_history TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON action_history TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON action_history FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON action_history FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON action_history FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE advance_invoice_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE advance_invoice_request FORCE ROW LEVEL SECURITY;
REVOKE ALL ON advance_invoice_request FROM PUBLIC;
GRANT SELECT ON advance_invoice_request TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON advance_invoice_request TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON advance_invoice_request FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON advance_invoice_request FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON advance_invoice_request FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE component ENABLE ROW LEVEL SECURITY;
ALTER TABLE component FORCE ROW LEVEL SECURITY;
REVOKE ALL ON component FROM PUBLIC;
GRANT SELECT ON component TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON component TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON component FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON component FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON component FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE identity_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_request FORCE ROW LEVEL SECURITY;
REVOKE ALL ON identity_request FROM PUBLIC;
GRANT SELECT ON identity_request TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON identity_request TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON identity_request FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON identity_request FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON identity_request FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE registration ENABLE ROW LEVEL SECURITY;
ALTER TABLE registration FORCE ROW LEVEL SECURITY;
REVOKE ALL ON registration FROM PUBLIC;
GRANT SELECT ON registration TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON registration TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON registration FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON registration FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON registration FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE component_site ENABLE ROW LEVEL SECURITY;
ALTER TABLE component_site FORCE ROW LEVEL SECURITY;
REVOKE ALL ON component_site FROM PUBLIC;
GRANT SELECT ON component_site TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON component_site TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON component_site FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON component_site FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON component_site FOR ALL TO portal_system USING (true) WITH CHECK (true);
ALTER TABLE enrolment ENABLE ROW LEVEL SECURITY;
ALTER TABLE enrolment FORCE ROW LEVEL SECURITY;
REVOKE ALL ON enrolment FROM PUBLIC;
GRANT SELECT ON enrolment TO portal_tenant, portal_region, portal_support, portal_system;
GRANT INSERT, UPDATE, DELETE ON enrolment TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON enrolment FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON enrolment FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON enrolment FOR ALL TO portal_system USING (true) WITH CHECK (true);
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO portal_tenant, portal_region, portal_support, portal_system;
GRANT SELECT ON alembic_version TO portal_tenant, portal_region, portal_support, portal_system;
CREATE OR REPLACE FUNCTION public.audit_mark(value jsonb, name text, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN name = ANY (hidden) AND jsonb_typeof(value) <> 'null' THEN '"•"'::jsonb ELSE value END;
CREATE OR REPLACE FUNCTION public.audit_hide(row_values jsonb, hidden text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN cardinality(hidden) = 0 THEN row_values
            ELSE (SELECT jsonb_object_agg(e.key, public.audit_mark(e.value, e.key, hidden)) FROM jsonb_each(row_values) AS e) END;
CREATE OR REPLACE FUNCTION public.audit_row_key(row_values jsonb, keys text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT string_agg(row_values ->> u.k, ':' ORDER BY u.i) FROM unnest(keys) WITH ORDINALITY AS u(k, i));
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
CREATE OR REPLACE FUNCTION public.audit_refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $audit$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = 'the journal ' || TG_TABLE_NAME || ' is append-only';
END
$audit$;
REVOKE ALL ON FUNCTION public.audit_write() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_write_truncate() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_refuse() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_mark(jsonb, text, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_hide(jsonb, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.audit_row_key(jsonb, text[]) FROM PUBLIC;
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_api_key" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{"key_hash","lookup_hash"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_api_key" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{"key_hash","lookup_hash"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_api_key" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{"key_hash","lookup_hash"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_api_key" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_group" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_group" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_group" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_group" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_group_role" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_group_role" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_group_role" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_group_role" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_permission_view_role" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_permission_view_role" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_permission_view_role" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_permission_view_role" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_register_user" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{"password","registration_hash"}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_register_user" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{"password","registration_hash"}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_register_user" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{"password","registration_hash"}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_register_user" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_role" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_role" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_role" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_role" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_user" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_user" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_user" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"password"}', '{"changed_by_fk","changed_on","fail_login_count","failed_attempts","failed_in_window","failed_since","last_failed_at","last_login","last_sign_in_at","login_count","session_epoch"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_user" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_user_group" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_user_group" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_user_group" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_user_group" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."ab_user_role" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."ab_user_role" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."ab_user_role" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."ab_user_role" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."action" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."action" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."action" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."action" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."action_history" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."action_history" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."action_history" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."action_history" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."advance_invoice_request" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."advance_invoice_request" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."advance_invoice_request" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."advance_invoice_request" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public."audit_entry" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public."audit_seal" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public."audit_sealed" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();
CREATE TRIGGER audit_insert AFTER INSERT ON public."component" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."component" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."component" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."component" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."component_site" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."component_site" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."component_site" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."component_site" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."contact" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."contact" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."contact" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."contact" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."contract" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."contract" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."contract" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."contract" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."enrolment" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"agora_refusal"}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."enrolment" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"agora_refusal"}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."enrolment" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"agora_refusal"}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."enrolment" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."exit_reason" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."exit_reason" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."exit_reason" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."exit_reason" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."general_objective" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."general_objective" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."general_objective" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."general_objective" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."highest_diploma" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."highest_diploma" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."highest_diploma" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."highest_diploma" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."last_class" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."last_class" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."last_class" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."last_class" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."level" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."level" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."level" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."level" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."nationality" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."nationality" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."nationality" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."nationality" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public."nir_reading" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse();
CREATE TRIGGER audit_insert AFTER INSERT ON public."nir_reading" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."nir_reading" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."nir_reading" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."nir_reading" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."organisation" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."organisation" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."organisation" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'id', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."organisation" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."outbox_intervention" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."outbox_intervention" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."outbox_intervention" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."outbox_intervention" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."professional_situation" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."professional_situation" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."professional_situation" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."professional_situation" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."programme" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."programme" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."programme" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."programme" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."public_category" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."public_category" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."public_category" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."public_category" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."registration" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"address_complement","boe","email","esf_birth_postal_code","esf_homeless","esf_parent_abroad","ft_number","insee_code","landline","mobile","other_information","postal_code","receives_aah","receives_are","receives_other","receives_rsa","sort_name","special_mention","street_extension","street_name","street_number","street_type_id","town"}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."registration" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"address_complement","boe","email","esf_birth_postal_code","esf_homeless","esf_parent_abroad","ft_number","insee_code","landline","mobile","other_information","postal_code","receives_aah","receives_are","receives_other","receives_rsa","sort_name","special_mention","street_extension","street_name","street_number","street_type_id","town"}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."registration" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"address_complement","boe","email","esf_birth_postal_code","esf_homeless","esf_parent_abroad","ft_number","insee_code","landline","mobile","other_information","postal_code","receives_aah","receives_are","receives_other","receives_rsa","sort_name","special_mention","street_extension","street_name","street_number","street_type_id","town"}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."registration" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."site" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."site" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."site" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."site" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."street_type" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."street_type" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."street_type" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', '', '{}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."street_type" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
CREATE TRIGGER audit_insert AFTER INSERT ON public."trainee" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"birth_date","birth_name","civility","first_name","gender","nir_ciphertext","nir_hash","nir_masked","search_vector","sort_name","usual_name"}', '{"updated_at","version"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."trainee" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"birth_date","birth_name","civility","first_name","gender","nir_ciphertext","nir_hash","nir_masked","search_vector","sort_name","usual_name"}', '{"updated_at","version"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."trainee" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"birth_date","birth_name","civility","first_name","gender","nir_ciphertext","nir_hash","nir_masked","search_vector","sort_name","usual_name"}', '{"updated_at","version"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."trainee" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
