"""What is not a role's job is refused to its members: a sample in words; test_privileges.py asks of everything."""

import psycopg
import pytest

from kms_schema.roles.definition import GRANTEES, Role
from support.statements import execute, refused
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")

ENTRY = "INSERT INTO key_audit_logs (event_type, event_category, event_description"
RECORD = "INSERT INTO key_operation_records (operation, subject, seal_number"
SEAL = "INSERT INTO key_audit_seals (seal_number, origin, tree_size) VALUES (1, 'forged', 1)"

NOT_FOR = {
    Role.APP: (
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits) VALUES ('k', 'dek', 'AES', 256)",
        "UPDATE key_masters SET status = 'revoked'",
        "UPDATE key_versions SET encrypted_key_data = NULL, destroyed_at = now()",
        "DELETE FROM key_versions",
        f"{ENTRY}, recorded_by) VALUES ('X', 'SECURITY', 'x', 'somebody')",
        f"{ENTRY}, \"timestamp\") VALUES ('X', 'SECURITY', 'x', now())",
        f"{ENTRY}, retention_period_days) VALUES ('X', 'SECURITY', 'x', 1)",
        "SELECT authentication_config FROM hsm_configurations",
        "SELECT * FROM key_audit_trail",
        "SELECT * FROM key_audit_seals",
        "SELECT refresh_key_views()",
        SEAL,
    ),
    Role.ROTATOR: (
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits) VALUES ('k', 'dek', 'AES', 256)",
        "UPDATE rotation_policies SET is_active = false",
        "UPDATE key_masters SET max_usage_count = NULL",
        "DELETE FROM key_rotations",
        "SELECT * FROM hsm_configurations",
        SEAL,
    ),
    Role.ADMIN: (
        "SELECT * FROM key_versions",
        "UPDATE key_masters SET status = 'active'",
        "DELETE FROM key_masters",
        "INSERT INTO key_rotations (key_id, trigger) SELECT id, 'manual' FROM key_masters",
        SEAL,
    ),
    Role.AUDITOR: (
        "SELECT encrypted_key_data FROM key_versions",
        "SELECT authentication_config FROM hsm_configurations",
        f"{ENTRY}) VALUES ('X', 'SECURITY', 'x')",
        "UPDATE key_masters SET status_reason = 'x'",
        f"{RECORD}) VALUES ('PUBLICATION', 'x', 1)",
        f"{RECORD}, recorded_at) VALUES ('VALIDATION', 'x', NULL, now())",
        SEAL,
    ),
    Role.SEALER: (
        "SELECT * FROM key_masters",
        f"{ENTRY}) VALUES ('X', 'SECURITY', 'x')",
        "UPDATE key_audit_seals SET origin = 'x'",
        "DELETE FROM key_audit_leaves",
        f"{RECORD}, errors, warnings, infos, unchecked) VALUES ('VALIDATION', 'x', NULL, 0, 0, 0, 0)",
        f"{RECORD}, recorded_by) VALUES ('PUBLICATION', 'x', 1, 'somebody')",
        "SELECT * FROM key_operation_records",
    ),
    Role.RETENTION: (
        "SELECT * FROM key_masters",
        f"{ENTRY}, retention_period_days) VALUES ('X', 'SECURITY', 'x', 1)",
        "UPDATE key_audit_tombstones SET leaf_count = 1",
        "DELETE FROM key_audit_retention_policies",
        f"{RECORD}) VALUES ('COSIGNATURE', 'x', 1)",
        SEAL,
    ),
    Role.REMOVER: (
        "SELECT * FROM key_masters",
        f"{ENTRY}) VALUES ('X', 'SECURITY', 'x')",
        "INSERT INTO key_audit_tombstones DEFAULT VALUES",
        SEAL,
    ),
}

NOT_FOR_ANY = (
    "TRUNCATE key_audit_logs",
    "UPDATE key_audit_logs SET event_type = 'x'",
    "CREATE TEMPORARY TABLE key_audit_logs (id uuid)",
    "CREATE TABLE public.key_audit (id uuid)",
    "CREATE FUNCTION public.mute() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE SCHEMA mine",
    "CREATE TRIGGER mute BEFORE INSERT ON key_audit_logs FOR EACH ROW EXECUTE FUNCTION touch_updated_at()",
    "CREATE POLICY mine ON key_audit_logs USING (true)",
    "ALTER TABLE key_audit_logs DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE key_audit_logs DISABLE TRIGGER ALL",
    "SELECT nextval('key_audit_logs_sequence_seq')",
    "SET session_replication_role = replica",
    "SET ROLE {prefix}kms_owner",
)


@pytest.mark.parametrize("role", GRANTEES)
def test_a_role_does_nothing_but_its_job(common: Granted, role: Role) -> None:
    with common.session(role) as session:
        for statement in (*NOT_FOR[role], *NOT_FOR_ANY):
            refused(session, statement.replace("{prefix}", common.prefix), rule="", sqlstate="42501")
        # Its privilege is for the function; the protection refuses every other use.
        by_protection = {"rule": "prevent_key_audit_log_delete", "sqlstate": "23001"}
        denied = {"rule": "", "sqlstate": "42501"}
        refused(session, "DELETE FROM key_audit_logs", **(by_protection if role is Role.REMOVER else denied))


def test_a_member_of_the_application_cannot_say_that_it_restores(common: Granted) -> None:
    with common.session(Role.APP) as session, session.transaction(force_rollback=True):
        execute(session, "SET LOCAL kms.restore = on")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(session, f"{ENTRY}, id, sequence) VALUES ('X', 'SECURITY', 'x', gen_random_uuid(), 1)")


def test_row_security_off_reads_no_more_rows(common: Granted) -> None:
    """The server refuses to answer rather than to show what a policy hides."""
    with common.session(Role.APP) as session:
        execute(session, "SET row_security = off")
        for table in ("key_audit_logs", "key_versions"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                execute(session, f"SELECT id FROM {table}")  # noqa: S608
