-- Roles and database of the portal. Run it as a superuser; it may be run again at any time.
-- psql -v ON_ERROR_STOP=1 -v database=portail -v owner_password=… -v app_password=… -f launcher/roles.sql
--
-- PostgreSQL 16 or later.
--
-- portal_owner   owns the tables and runs the migrations
-- portal_app     the application signs in with it; it owns nothing, and takes one of the roles below in each transaction
-- portal_tenant, portal_region, portal_support, portal_system, portal_observer   what row-level security lets each kind of user see
-- portal_limited  an organisation's account that sees some actions only: what portal_tenant has, under further policies
SET client_min_messages = warning;
SELECT pg_advisory_lock(709384511);
SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY['portal_owner', 'portal_app', 'portal_tenant', 'portal_region', 'portal_support', 'portal_system', 'portal_observer',
                    'portal_limited']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE portal_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
ALTER ROLE portal_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD :'app_password';
SELECT format('ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', name)
  FROM unnest(ARRAY['portal_tenant', 'portal_region', 'portal_support', 'portal_system', 'portal_observer', 'portal_limited']) AS name
\gexec
GRANT portal_tenant TO portal_limited WITH INHERIT TRUE, SET FALSE, ADMIN FALSE;
GRANT portal_tenant, portal_region, portal_support, portal_system, portal_observer, portal_limited
   TO portal_app, portal_owner WITH INHERIT FALSE, SET TRUE, ADMIN FALSE;
SELECT format('CREATE DATABASE %I OWNER portal_owner TEMPLATE template0 ENCODING ''UTF8''', :'database')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'database')
\gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO portal_app', :'database')
\gexec
SELECT pg_advisory_unlock(709384511);
