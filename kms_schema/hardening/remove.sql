SET LOCAL lock_timeout = '{lock_timeout}';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

-- One run at a time, and not during a migration.
DO $kms$ BEGIN PERFORM pg_advisory_xact_lock({lock_key}); END $kms$;

-- The state before.
DO $kms$ BEGIN PERFORM set_config('kms.hardening_before', ({state})::text, true); END $kms$;

{remove}
{entry}
