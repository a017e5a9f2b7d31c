"""Ways in which a PostgreSQL database drifts from what the package made, each with the one finding it must give.

At least one for each kind of object and each attribute that the validator reads. The statement runs as a superuser.
"""

SWALLOW = "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
LIMIT_THE_VIEW = """DO $$ BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW rotations_due AS '
        || rtrim(pg_get_viewdef('rotations_due'::regclass), ';') || ' LIMIT 1'; END $$"""
LIMIT_THE_DASHBOARD = """DO $$ DECLARE
    was text := rtrim(pg_get_viewdef('key_management_dashboard'::regclass), ';'); BEGIN
    DROP MATERIALIZED VIEW key_management_dashboard;
    EXECUTE 'CREATE MATERIALIZED VIEW key_management_dashboard AS ' || was || ' LIMIT 1';
    CREATE UNIQUE INDEX uq_key_management_dashboard ON key_management_dashboard (row_key); END $$"""

DRIFTS: tuple[tuple[str, str, str], ...] = (
    # tables
    ("DROP TABLE key_view_refreshes", "KMS101", "table key_view_refreshes"),
    ("DROP TABLE rotation_policies CASCADE", "KMS101", "table rotation_policies"),
    ("ALTER TABLE key_rotations RENAME TO rotations", "KMS101", "table key_rotations"),
    ("ALTER TABLE key_versions SET (fillfactor = 50)", "KMS309", "table key_versions"),
    ("ALTER TABLE key_versions SET (toast.autovacuum_enabled = off)", "KMS308", "table key_versions"),
    ("ALTER TABLE key_masters REPLICA IDENTITY FULL", "KMS103", "table key_masters"),
    ("ALTER TABLE key_audit_logs OWNER TO pg_monitor", "KMS301", "table key_audit_logs"),
    ("GRANT UPDATE ON key_audit_logs TO pg_monitor", "KMS302", "table key_audit_logs"),
    ("GRANT SELECT ON key_versions TO PUBLIC", "KMS302", "table key_versions"),
    ("GRANT UPDATE (event_type) ON key_audit_logs TO pg_monitor", "KMS302", "table key_audit_logs"),
    ("ALTER TABLE key_audit_logs ENABLE ROW LEVEL SECURITY", "KMS303", "table key_audit_logs"),
    ("ALTER TABLE key_audit_logs FORCE ROW LEVEL SECURITY", "KMS303", "table key_audit_logs"),
    ("ALTER TABLE key_rotations SET UNLOGGED", "KMS304", "table key_rotations"),
    ("COMMENT ON TABLE key_masters IS 'x'", "KMS305", "table key_masters"),
    ("CREATE TABLE elsewhere () INHERITS (key_audit_logs)", "KMS212", "child table public.elsewhere"),
    # columns
    ("ALTER TABLE hsm_configurations DROP COLUMN last_health_check", "KMS111",
     "column hsm_configurations.last_health_check"),
    ("ALTER TABLE key_masters ADD COLUMN note text", "KMS112", "column key_masters.note"),
    ("ALTER TABLE key_masters ADD COLUMN note text UNIQUE", "KMS112", "column key_masters.note"),
    ("ALTER TABLE key_masters RENAME derivation_path TO path", "KMS114", "column key_masters.derivation_path"),
    ("ALTER TABLE key_audit_seals ALTER next_key TYPE text", "KMS113", "column key_audit_seals.next_key"),
    ("ALTER TABLE key_masters ALTER derivation_path SET NOT NULL", "KMS113", "column key_masters.derivation_path"),
    ("ALTER TABLE key_audit_logs ALTER timestamp DROP NOT NULL", "KMS113", "column key_audit_logs.timestamp"),
    ("ALTER TABLE key_masters ALTER status SET DEFAULT 'active'", "KMS113", "column key_masters.status"),
    ("ALTER TABLE key_masters ALTER security_level DROP DEFAULT", "KMS113", "column key_masters.security_level"),
    ('ALTER TABLE key_audit_seals ALTER next_key TYPE varchar(500) COLLATE "C"',
     "KMS113", "column key_audit_seals.next_key"),
    ("ALTER TABLE key_versions ALTER encrypted_key_data SET STORAGE EXTERNAL", "KMS308",
     "column key_versions.encrypted_key_data"),
    ("ALTER TABLE key_masters ALTER status SET STATISTICS 10", "KMS308", "column key_masters.status"),
    ("ALTER TABLE key_view_refreshes ADD COLUMN n int GENERATED ALWAYS AS IDENTITY", "KMS112",
     "column key_view_refreshes.n"),
    # constraints
    ("ALTER TABLE key_masters DROP CONSTRAINT ck_key_masters_status_known", "KMS121",
     "constraint key_masters.ck_key_masters_status_known"),
    ("ALTER TABLE key_masters ADD CHECK (algorithm <> 'DES')", "KMS122",
     "constraint key_masters.key_masters_algorithm_check"),
    ("""ALTER TABLE key_masters DROP CONSTRAINT ck_key_masters_usage_count_range,
        ADD CONSTRAINT ck_key_masters_usage_count_range CHECK (usage_count >= -1)""", "KMS123",
     "constraint key_masters.ck_key_masters_usage_count_range"),
    ("""ALTER TABLE key_masters DROP CONSTRAINT ck_key_masters_usage_count_range,
        ADD CONSTRAINT ck_key_masters_usage_count_range CHECK
            (usage_count BETWEEN 0 AND 1000000000000000) NOT VALID""", "KMS125",
     "constraint key_masters.ck_key_masters_usage_count_range"),
    ("""UPDATE pg_trigger SET tgenabled = 'D' FROM pg_constraint
        WHERE conname = 'fk_key_versions_key_id_key_masters' AND tgconstraint = pg_constraint.oid""", "KMS126",
     "constraint key_versions.fk_key_versions_key_id_key_masters"),
    ("ALTER TABLE key_masters RENAME CONSTRAINT ck_key_masters_status_known TO known", "KMS124",
     "constraint key_masters.ck_key_masters_status_known"),
    ("ALTER TABLE key_versions ALTER CONSTRAINT fk_key_versions_key_id_key_masters DEFERRABLE", "KMS123",
     "constraint key_versions.fk_key_versions_key_id_key_masters"),
    ("ALTER TABLE key_audit_logs DROP CONSTRAINT pk_key_audit_logs",
     "KMS121", "constraint key_audit_logs.pk_key_audit_logs"),
    ("""ALTER TABLE key_audit_logs DROP CONSTRAINT pk_key_audit_logs,
        ADD CONSTRAINT pk_key_audit_logs PRIMARY KEY (id, sequence)""", "KMS123",
     "constraint key_audit_logs.pk_key_audit_logs"),
    ("""ALTER TABLE key_audit_logs DROP CONSTRAINT fk_key_audit_logs_key_id_key_masters, ADD CONSTRAINT
        fk_key_audit_logs_key_id_key_masters FOREIGN KEY (key_id) REFERENCES key_masters (id) ON DELETE CASCADE""",
     "KMS123", "constraint key_audit_logs.fk_key_audit_logs_key_id_key_masters"),
    ("CREATE TABLE host (key_id uuid REFERENCES key_masters (id))", "KMS232",
     "incoming reference public.host.host_key_id_fkey"),
    # indexes
    ("DROP INDEX idx_key_masters_expiring_partial", "KMS131", "index idx_key_masters_expiring_partial"),
    ("DROP INDEX uq_key_versions_live", "KMS131", "index uq_key_versions_live"),
    ("CREATE INDEX extra ON key_audit_logs (user_id)", "KMS132", "index extra"),
    ("ALTER INDEX uq_key_versions_live RENAME TO live", "KMS134", "index uq_key_versions_live"),
    ("""DROP INDEX idx_key_audit_high_risk_partial; CREATE INDEX idx_key_audit_high_risk_partial
        ON key_audit_logs (timestamp, key_id, event_type, risk_score) WHERE risk_score >= 90""", "KMS133",
     "index idx_key_audit_high_risk_partial"),
    ("""DROP INDEX uq_key_versions_live; CREATE INDEX uq_key_versions_live ON key_versions (key_id)
        WHERE deactivated_at IS NULL""", "KMS133", "index uq_key_versions_live"),
    ("ALTER INDEX idx_key_versions_lifecycle SET (fillfactor = 50)", "KMS133", "index idx_key_versions_lifecycle"),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'uq_key_versions_live'::regclass", "KMS135",
     "index uq_key_versions_live"),
    ("ALTER INDEX idx_key_versions_lifecycle DEPENDS ON EXTENSION plpgsql", "KMS307",
     "index idx_key_versions_lifecycle"),
    ("CLUSTER key_masters USING pk_key_masters", "KMS308", "index pk_key_masters"),
    ("DROP INDEX uq_key_health_monitor", "KMS131", "index uq_key_health_monitor"),
    # triggers
    ("DROP TRIGGER prevent_key_audit_log_update ON key_audit_logs", "KMS141",
     "trigger key_audit_logs.prevent_key_audit_log_update"),
    ("ALTER TABLE key_audit_logs DISABLE TRIGGER prevent_key_audit_log_delete", "KMS145",
     "trigger key_audit_logs.prevent_key_audit_log_delete"),
    ("ALTER TABLE key_audit_logs ENABLE TRIGGER prevent_key_audit_log_delete", "KMS145",
     "trigger key_audit_logs.prevent_key_audit_log_delete"),
    ("ALTER TRIGGER prevent_key_audit_log_delete ON key_audit_logs RENAME TO z", "KMS144",
     "trigger key_audit_logs.prevent_key_audit_log_delete"),
    ("""DROP TRIGGER prevent_key_audit_log_update ON key_audit_logs;
        CREATE TRIGGER prevent_key_audit_log_update BEFORE UPDATE OF event_type ON key_audit_logs
        FOR EACH ROW EXECUTE FUNCTION prevent_key_audit_log_change();
        ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER prevent_key_audit_log_update""", "KMS143",
     "trigger key_audit_logs.prevent_key_audit_log_update"),
    ("""DROP TRIGGER prevent_key_audit_log_update ON key_audit_logs;
        CREATE TRIGGER prevent_key_audit_log_update BEFORE UPDATE ON key_audit_logs
        FOR EACH ROW WHEN (OLD.risk_score > 100) EXECUTE FUNCTION prevent_key_audit_log_change();
        ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER prevent_key_audit_log_update""", "KMS143",
     "trigger key_audit_logs.prevent_key_audit_log_update"),
    (f"{SWALLOW} CREATE TRIGGER aa BEFORE INSERT ON key_audit_logs FOR EACH ROW EXECUTE FUNCTION swallow()", "KMS142",
     "trigger key_audit_logs.aa"),
    # rules and policies
    ("CREATE RULE mute AS ON INSERT TO key_audit_logs DO INSTEAD NOTHING", "KMS192", "rule key_audit_logs.mute"),
    ("CREATE POLICY hide ON key_audit_logs USING (false)", "KMS202", "policy key_audit_logs.hide"),
    # functions
    ("DROP FUNCTION refresh_key_views()", "KMS151", "function refresh_key_views()"),
    ("DROP FUNCTION kms_uuidv7() CASCADE", "KMS151", "function kms_uuidv7()"),
    ("""CREATE OR REPLACE FUNCTION prevent_key_audit_log_change() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'""", "KMS153",
     "function prevent_key_audit_log_change()"),
    ("ALTER FUNCTION prevent_key_audit_log_change() SECURITY DEFINER",
     "KMS153", "function prevent_key_audit_log_change()"),
    ("ALTER FUNCTION guard_key_audit_log_insert() RESET search_path",
     "KMS153", "function guard_key_audit_log_insert()"),
    ("ALTER FUNCTION guard_key_audit_log_insert() SET search_path = public",
     "KMS153", "function guard_key_audit_log_insert()"),
    ("ALTER FUNCTION kms_uuidv7() STABLE", "KMS153", "function kms_uuidv7()"),
    ("ALTER FUNCTION kms_uuidv7() COST 7", "KMS153", "function kms_uuidv7()"),
    ("ALTER FUNCTION guard_key_audit_log_insert() OWNER TO pg_monitor",
     "KMS301", "function guard_key_audit_log_insert()"),
    ("GRANT EXECUTE ON FUNCTION refresh_key_views() TO PUBLIC", "KMS302", "function refresh_key_views()"),
    ("REVOKE EXECUTE ON FUNCTION kms_uuidv7() FROM PUBLIC", "KMS302", "function kms_uuidv7()"),
    ("CREATE FUNCTION kms_uuidv7(n int) RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'", "KMS152",
     "function kms_uuidv7(n integer)"),
    # views
    ("DROP VIEW rotations_due CASCADE", "KMS161", "view rotations_due"),
    (LIMIT_THE_VIEW, "KMS163", "view rotations_due"),
    ("ALTER VIEW rotations_due SET (security_barrier = on)", "KMS163", "view rotations_due"),
    ("ALTER VIEW rotations_due ALTER id SET DEFAULT gen_random_uuid()", "KMS163", "view rotations_due"),
    ("DROP MATERIALIZED VIEW key_management_dashboard", "KMS171", "materialized view key_management_dashboard"),
    (LIMIT_THE_DASHBOARD, "KMS173", "materialized view key_management_dashboard"),
    ("REFRESH MATERIALIZED VIEW key_management_dashboard WITH NO DATA", "KMS175",
     "materialized view key_management_dashboard"),
    ("ALTER MATERIALIZED VIEW key_health_monitor OWNER TO pg_monitor",
     "KMS301", "materialized view key_health_monitor"),
    # sequences
    ("DROP SEQUENCE key_audit_logs_sequence_seq", "KMS181", "sequence key_audit_logs_sequence_seq"),
    ("ALTER SEQUENCE key_audit_logs_sequence_seq CACHE 20", "KMS183", "sequence key_audit_logs_sequence_seq"),
    ("ALTER SEQUENCE key_audit_logs_sequence_seq INCREMENT 2", "KMS183", "sequence key_audit_logs_sequence_seq"),
    ("ALTER SEQUENCE key_audit_logs_sequence_seq CYCLE", "KMS183", "sequence key_audit_logs_sequence_seq"),
    ("ALTER SEQUENCE key_audit_logs_sequence_seq AS integer", "KMS183", "sequence key_audit_logs_sequence_seq"),
    ("ALTER SEQUENCE key_audit_logs_sequence_seq OWNED BY NONE", "KMS183",
     "sequence key_audit_logs_sequence_seq"),
    ("GRANT UPDATE ON SEQUENCE key_audit_logs_sequence_seq TO pg_monitor",
     "KMS302", "sequence key_audit_logs_sequence_seq"),
    # statistics
    ("CREATE STATISTICS extra_stats ON status, key_type FROM key_masters", "KMS222", "statistics extra_stats"),
    # the version table
    ("DROP TABLE alembic_version", "KMS001", "revision of the database"),
    ("DELETE FROM alembic_version", "KMS001", "revision of the database"),
    ("UPDATE alembic_version SET version_num = '999'", "KMS003", "revision of the database"),
)  # fmt: skip
