ALTER TABLE action_export RENAME TO list_export;
ALTER SEQUENCE action_export_id_seq RENAME TO list_export_id_seq;
ALTER TABLE list_export RENAME COLUMN kind TO list_name;
ALTER TABLE list_export DROP CONSTRAINT ck_action_export_kind;
ALTER TABLE list_export RENAME CONSTRAINT ck_action_export_file_format TO ck_list_export_file_format;
ALTER TABLE list_export RENAME CONSTRAINT pk_action_export TO pk_list_export;
ALTER INDEX ix_action_export_organisation RENAME TO ix_list_export_organisation;
ALTER INDEX ix_action_export_actor RENAME TO ix_list_export_actor;
ALTER TABLE list_export ALTER COLUMN list_name TYPE varchar(80);
ALTER TABLE list_export ALTER COLUMN columns TYPE varchar(80)[];
ALTER TABLE list_export ADD COLUMN way varchar(8) NOT NULL DEFAULT 'direct';
ALTER TABLE list_export ADD COLUMN file_id integer;
ALTER TABLE list_export ADD COLUMN personal boolean NOT NULL DEFAULT false;
ALTER TABLE list_export ADD COLUMN numbers boolean NOT NULL DEFAULT false;
ALTER TABLE list_export ADD CONSTRAINT ck_list_export_way CHECK (way IN ('direct', 'prepared', 'fetched'));
CREATE TABLE export_choice (
	id SERIAL NOT NULL, 
	organisation_id INTEGER, 
	user_id INTEGER NOT NULL, 
	list_name VARCHAR(80) NOT NULL, 
	file_format VARCHAR(4) NOT NULL, 
	columns VARCHAR(80)[] NOT NULL, 
	chosen_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	CONSTRAINT pk_export_choice PRIMARY KEY (id), 
	CONSTRAINT uq_export_choice_list UNIQUE (user_id, list_name), 
	CONSTRAINT fk_export_choice_organisation_id_organisation FOREIGN KEY(organisation_id) REFERENCES organisation (id) ON DELETE CASCADE, 
	CONSTRAINT fk_export_choice_user_id_ab_user FOREIGN KEY(user_id) REFERENCES ab_user (id) ON DELETE CASCADE
);
CREATE INDEX ix_export_choice_organisation_id ON export_choice (organisation_id);
CREATE TABLE export_file (
	id SERIAL NOT NULL, 
	seal_uid UUID NOT NULL, 
	organisation_id INTEGER, 
	user_id INTEGER NOT NULL, 
	list_name VARCHAR(80) NOT NULL, 
	file_format VARCHAR(4) NOT NULL, 
	columns VARCHAR(80)[] NOT NULL, 
	asked BYTEA NOT NULL, 
	scope VARCHAR(64) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	attempt SMALLINT DEFAULT '0' NOT NULL, 
	expected INTEGER, 
	lines INTEGER DEFAULT '0' NOT NULL, 
	size BIGINT DEFAULT '0' NOT NULL, 
	chunks INTEGER DEFAULT '0' NOT NULL, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	alive_at TIMESTAMP WITH TIME ZONE, 
	ready_at TIMESTAMP WITH TIME ZONE, 
	expires_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	seen_at TIMESTAMP WITH TIME ZONE, 
	CONSTRAINT pk_export_file PRIMARY KEY (id), 
	CONSTRAINT ck_export_file_state CHECK (state IN ('waiting', 'running', 'ready', 'failed')), 
	CONSTRAINT ck_export_file_file_format CHECK (file_format IN ('xlsx', 'ods', 'csv')), 
	CONSTRAINT ck_export_file_ready_whole CHECK ((state = 'ready') = (ready_at IS NOT NULL)), 
	CONSTRAINT fk_export_file_organisation_id_organisation FOREIGN KEY(organisation_id) REFERENCES organisation (id) ON DELETE CASCADE, 
	CONSTRAINT fk_export_file_user_id_ab_user FOREIGN KEY(user_id) REFERENCES ab_user (id) ON DELETE CASCADE
);
CREATE INDEX ix_export_file_account ON export_file (user_id, id);
CREATE INDEX ix_export_file_expires ON export_file (expires_at);
CREATE INDEX ix_export_file_organisation_id ON export_file (organisation_id);
CREATE INDEX ix_export_file_to_do ON export_file (id) WHERE state IN ('waiting', 'running');
CREATE INDEX ix_export_file_unseen ON export_file (user_id) WHERE seen_at IS NULL AND state IN ('ready', 'failed');
CREATE TABLE export_chunk (
	id BIGSERIAL NOT NULL, 
	file_id INTEGER NOT NULL, 
	seal_uid UUID NOT NULL, 
	attempt SMALLINT NOT NULL, 
	number INTEGER NOT NULL, 
	content BYTEA NOT NULL, 
	CONSTRAINT pk_export_chunk PRIMARY KEY (id), 
	CONSTRAINT uq_export_chunk_number UNIQUE (file_id, attempt, number), 
	CONSTRAINT fk_export_chunk_file_id_export_file FOREIGN KEY(file_id) REFERENCES export_file (id) ON DELETE CASCADE
);
ALTER TABLE export_choice ENABLE ROW LEVEL SECURITY;
ALTER TABLE export_choice FORCE ROW LEVEL SECURITY;
REVOKE ALL ON export_choice FROM PUBLIC;
GRANT SELECT ON export_choice TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON export_choice TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON export_choice FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON export_choice FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON export_choice FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY own_account ON export_choice AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region USING (user_id = NULLIF(current_setting('app.actor_id', true), '')::integer) WITH CHECK (user_id = NULLIF(current_setting('app.actor_id', true), '')::integer);
REVOKE INSERT, UPDATE, DELETE ON export_choice FROM portal_support;
GRANT USAGE, SELECT ON SEQUENCE export_choice_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
ALTER TABLE export_file ENABLE ROW LEVEL SECURITY;
ALTER TABLE export_file FORCE ROW LEVEL SECURITY;
REVOKE ALL ON export_file FROM PUBLIC;
GRANT SELECT ON export_file TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON export_file TO portal_tenant, portal_region, portal_support, portal_system;
CREATE POLICY tenant_all ON export_file FOR ALL TO portal_tenant USING (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer) WITH CHECK (organisation_id = NULLIF(current_setting('app.organisation_id', true), '')::integer);
CREATE POLICY region_all ON export_file FOR ALL TO portal_region USING (true) WITH CHECK (true);
CREATE POLICY system_all ON export_file FOR ALL TO portal_system USING (true) WITH CHECK (true);
CREATE POLICY own_account ON export_file AS RESTRICTIVE FOR ALL TO portal_tenant, portal_region USING (user_id = NULLIF(current_setting('app.actor_id', true), '')::integer) WITH CHECK (user_id = NULLIF(current_setting('app.actor_id', true), '')::integer);
REVOKE INSERT, UPDATE, DELETE ON export_file FROM portal_support;
GRANT USAGE, SELECT ON SEQUENCE export_file_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
ALTER TABLE export_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE export_chunk FORCE ROW LEVEL SECURITY;
REVOKE ALL ON export_chunk FROM PUBLIC;
GRANT SELECT ON export_chunk TO portal_tenant, portal_region, portal_support, portal_system, portal_observer;
GRANT INSERT, UPDATE, DELETE ON export_chunk TO portal_system;
CREATE POLICY system_all ON export_chunk FOR ALL TO portal_system USING (true) WITH CHECK (true);
GRANT USAGE, SELECT ON SEQUENCE export_chunk_id_seq TO portal_tenant, portal_region, portal_support, portal_system;
CREATE TRIGGER audit_insert AFTER INSERT ON public."export_file" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"asked"}', '{"alive_at","chunks","expected","lines","seen_at","size"}');
CREATE TRIGGER audit_update AFTER UPDATE ON public."export_file" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"asked"}', '{"alive_at","chunks","expected","lines","seen_at","size"}');
CREATE TRIGGER audit_delete AFTER DELETE ON public."export_file" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write('{"id"}', 'organisation_id', '{"asked"}', '{"alive_at","chunks","expected","lines","seen_at","size"}');
CREATE TRIGGER audit_truncate AFTER TRUNCATE ON public."export_file" FOR EACH STATEMENT EXECUTE FUNCTION public.audit_write_truncate();
