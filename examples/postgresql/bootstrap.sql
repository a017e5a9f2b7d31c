-- Roles, logins and the database. A superuser runs it once:
--   psql "$ADMIN_URL" -X -v ON_ERROR_STOP=1 -v secrets=secrets/logins -f bootstrap.sql
-- It reads the passwords in the files of make-secrets. No password is logged.
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
SET password_encryption = 'scram-sha-256'; -- the default from PostgreSQL 14 on

\set files `cat :'secrets'/*.conf | grep -c ^password=`
SELECT set_config('bootstrap.files', :'files', false) \g /dev/null
DO $$ BEGIN
    IF current_setting('bootstrap.files') <> '8' THEN
        RAISE EXCEPTION 'there are no 8 files of logins: run make-secrets, and name its folder with -v secrets=FOLDER';
    END IF;
END $$;

-- The group roles; `kms-schema roles --apply` grants their privileges. The owner may lend itself the last one for that.
CREATE ROLE kms_owner NOLOGIN;
CREATE ROLE kms_app NOLOGIN;
CREATE ROLE kms_rotator NOLOGIN;
CREATE ROLE kms_admin NOLOGIN;
CREATE ROLE kms_auditor NOLOGIN;
CREATE ROLE kms_sealer NOLOGIN;
CREATE ROLE kms_retention NOLOGIN;
CREATE ROLE kms_remover NOLOGIN;
GRANT kms_remover TO kms_owner WITH ADMIN OPTION;

-- A login for each duty, with the password of its file.
\set password `sed -n 's/^password=//p' :'secrets'/kms_migrator.conf`
CREATE ROLE kms_migrator LOGIN PASSWORD :'password' IN ROLE kms_owner;
ALTER ROLE kms_migrator SET role = kms_owner;
\set password `sed -n 's/^password=//p' :'secrets'/keeper.conf`
CREATE ROLE keeper LOGIN PASSWORD :'password' IN ROLE kms_admin, kms_rotator;
\set password `sed -n 's/^password=//p' :'secrets'/rotator.conf`
CREATE ROLE rotator LOGIN PASSWORD :'password' IN ROLE kms_rotator;
\set password `sed -n 's/^password=//p' :'secrets'/sealer.conf`
CREATE ROLE sealer LOGIN PASSWORD :'password' IN ROLE kms_sealer;
\set password `sed -n 's/^password=//p' :'secrets'/retainer.conf`
CREATE ROLE retainer LOGIN PASSWORD :'password' IN ROLE kms_sealer, kms_retention;
\set password `sed -n 's/^password=//p' :'secrets'/auditor.conf`
CREATE ROLE auditor LOGIN PASSWORD :'password' IN ROLE kms_auditor;
-- Of the application, one login owns the tables and migrates them, the other one uses them.
\set password `sed -n 's/^password=//p' :'secrets'/invoices_owner.conf`
CREATE ROLE invoices_owner LOGIN PASSWORD :'password';
\set password `sed -n 's/^password=//p' :'secrets'/invoices.conf`
CREATE ROLE invoices LOGIN PASSWORD :'password' IN ROLE kms_app;
ALTER ROLE invoices SET idle_in_transaction_session_timeout = '60s';

CREATE DATABASE kms OWNER kms_owner;
\connect kms
CREATE SCHEMA invoices AUTHORIZATION invoices_owner;
GRANT USAGE ON SCHEMA invoices TO invoices, keeper;
ALTER ROLE invoices_owner IN DATABASE kms SET search_path = invoices;
ALTER ROLE invoices IN DATABASE kms SET search_path = invoices;
