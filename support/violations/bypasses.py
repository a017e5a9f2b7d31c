"""Grants with which a role that is no superuser bypasses the protections of PostgreSQL, or privileges on our tables.

Each has the grant, an attack that it makes possible, and the code that the validator must report.
"""

from dataclasses import dataclass

DISABLED = "ALTER TABLE key_audit_logs DISABLE TRIGGER prevent_key_audit_log_update"
RESTORED = """SET LOCAL kms.restore = on; INSERT INTO key_audit_logs
    (id, sequence, event_type, event_category, event_description, user_id, timestamp, recorded_by, security_level)
    VALUES (gen_random_uuid(), 999, 'X', 'SECURITY', 'x', 'x', '2001-01-01', 'somebody else', 'LOW')"""
ORPHAN = """INSERT INTO key_rotations (key_id, trigger, scheduled_at)
    VALUES (gen_random_uuid(), 'manual', now())"""
FUNCTION_DROPPED = "DROP FUNCTION prevent_key_audit_log_change() CASCADE"


@dataclass(frozen=True)
class Bypass:
    """One bypass. `{role}` is the attacker, `{owner}` the owner of the tables, `{database}` the database."""

    code: str
    granted: str
    attack: str
    about: str = "role {role}"
    before: str = ""
    """A grant before, which permits nothing by itself."""
    since: int = 13
    until: int = 99
    in_transaction: bool = True


BYPASSES = {
    "member": Bypass("KMS412", "GRANT {owner} TO {role}", f"SET ROLE {{owner}}; {DISABLED}"),
    "member of a member": Bypass(
        "KMS412",
        "GRANT {owner} TO {between}; GRANT {between} TO {role}",
        f"SET ROLE {{owner}}; {DISABLED}",
        about="role {between}",
    ),
    "member that inherits": Bypass("KMS412", "GRANT {owner} TO {role} WITH SET FALSE", DISABLED, since=16),
    "member that may be one": Bypass(
        "KMS412", "GRANT {owner} TO {role} WITH INHERIT FALSE", f"SET ROLE {{owner}}; {DISABLED}", since=16
    ),
    "member that may grant": Bypass(
        "KMS412",
        "GRANT {owner} TO {role} WITH INHERIT FALSE, SET FALSE, ADMIN TRUE",
        f"GRANT {{owner}} TO {{role}}; SET ROLE {{owner}}; {DISABLED}",
        since=16,
    ),
    "heir of who may grant": Bypass(
        "KMS412",
        "GRANT {owner} TO {between} WITH INHERIT FALSE, SET FALSE, ADMIN TRUE;"
        " GRANT {between} TO {role} WITH SET FALSE",
        f"GRANT {{owner}} TO {{role}}; SET ROLE {{owner}}; {DISABLED}",
        about="role {between}",
        since=16,
    ),
    "member by another's grant": Bypass(
        "KMS412",
        "SET ROLE {between}; GRANT {owner} TO {role}; RESET ROLE",
        f"SET ROLE {{owner}}; {DISABLED}",
        before="GRANT {owner} TO {between} WITH ADMIN OPTION",
        since=16,
    ),
    "member that has granted": Bypass(
        "KMS412",
        "GRANT {owner} TO {role} WITH ADMIN OPTION; SET ROLE {role}; GRANT {owner} TO {superuser}; RESET ROLE",
        f"SET ROLE {{owner}}; {DISABLED}",
        since=16,
    ),
    "member in name": Bypass(
        "KMS419",
        "GRANT {owner} TO {role} WITH INHERIT FALSE, SET FALSE",
        RESTORED,
        before="GRANT INSERT ON key_audit_logs TO {role}",
        since=16,
    ),
    "heir of who may be one": Bypass(
        # {between} may SET ROLE to the owner, but its member may not: that requires SET on both memberships.
        "KMS419",
        "GRANT {between} TO {role} WITH SET FALSE",
        RESTORED,
        before="GRANT INSERT ON key_audit_logs TO {role}; GRANT {owner} TO {between} WITH INHERIT FALSE",
        since=16,
    ),
    "member of a superuser": Bypass("KMS421", "GRANT {superuser} TO {role}", f"SET ROLE {{superuser}}; {DISABLED}"),
    "heir of a superuser": Bypass(
        "KMS421",
        "GRANT {superuser} TO {role} WITH SET FALSE",
        "DROP TABLE taken",
        before="CREATE TABLE taken (); ALTER TABLE taken OWNER TO {superuser}",
        since=16,
    ),
    "runs programs": Bypass("KMS422", "GRANT pg_execute_server_program TO {role}", "COPY (SELECT) TO PROGRAM 'cat'"),
    "writes files": Bypass("KMS422", "GRANT pg_write_server_files TO {role}", "COPY (SELECT) TO '/dev/null'"),
    "writes files by a function": Bypass(
        "KMS422",
        "GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO {role}",
        "SELECT lo_export(4711, '/dev/null')",
        before="SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO {role}",
    ),
    "grants itself the owner": Bypass(
        "KMS423",
        "ALTER ROLE {role} CREATEROLE",
        f"GRANT {{owner}} TO {{role}}; SET ROLE {{owner}}; {DISABLED}",
        until=15,
    ),
    "grants itself programs": Bypass(
        "KMS423",
        "ALTER ROLE {role} CREATEROLE",
        "GRANT pg_execute_server_program TO {role}; COPY (SELECT) TO PROGRAM 'cat'",
        until=15,
    ),
    "switches foreign keys off": Bypass(
        "KMS424",
        "GRANT SET ON PARAMETER session_replication_role TO {role}",
        f"SET LOCAL session_replication_role = replica; {ORPHAN}",
        before="GRANT INSERT ON key_rotations TO {role}",
        since=15,
    ),
    "switches foreign keys off for all": Bypass(
        "KMS424",
        "GRANT ALTER SYSTEM ON PARAMETER session_replication_role TO {role}",
        "ALTER SYSTEM SET session_replication_role = origin",
        since=15,
        in_transaction=False,
    ),
    "says what archives": Bypass(
        "KMS425",
        "GRANT ALTER SYSTEM ON PARAMETER archive_command TO {role}",
        "ALTER SYSTEM SET archive_command = ''",
        since=15,
        in_transaction=False,
    ),
    "writes every table": Bypass(
        "KMS426",
        "GRANT pg_write_all_data TO {role}",
        "INSERT INTO rotation_policies (policy_name, key_type, rotation_interval_days) VALUES ('x', 'dek', 1)",
        since=14,
    ),
    "owns the database, and so the schema": Bypass(
        "KMS428", "ALTER DATABASE {database} OWNER TO {role}", FUNCTION_DROPPED, about="schema public", since=15
    ),
    "owns the schema": Bypass("KMS428", "ALTER SCHEMA public OWNER TO {role}", FUNCTION_DROPPED, about="schema public"),
    "owns the database": Bypass(
        "KMS431",
        "ALTER DATABASE {database} OWNER TO {role}",
        "ALTER DATABASE {database} SET search_path = elsewhere, public",
        about="database {database}",
        until=14,
    ),
    "reads by a view": Bypass(
        "KMS429",
        "GRANT SELECT ON lent TO {role}",
        "SELECT encrypted_key_data FROM lent",
        about="view public.lent",
        before="CREATE VIEW seen AS SELECT * FROM key_versions; ALTER VIEW seen OWNER TO {owner};"
        " CREATE VIEW lent AS SELECT * FROM seen; ALTER VIEW lent OWNER TO {owner}",
    ),
    "calls what the owner may do": Bypass(
        "KMS436",
        "GRANT EXECUTE ON FUNCTION lent() TO {role}",
        "SELECT lent()",
        about="function public.lent()",
        before=f"CREATE FUNCTION lent() RETURNS void LANGUAGE sql SECURITY DEFINER AS '{DISABLED}';"
        " ALTER FUNCTION lent() OWNER TO {owner}; REVOKE EXECUTE ON FUNCTION lent() FROM PUBLIC",
    ),
    "reads every table": Bypass(
        "KMS432", "GRANT pg_read_all_data TO {role}", "SELECT encrypted_key_data FROM key_versions", since=14
    ),
    "reads files": Bypass(
        "KMS433",
        "GRANT pg_read_server_files TO {role}",
        "CREATE TEMP TABLE read (line text); COPY read FROM 'PG_VERSION'",
    ),
    "reads files by a function": Bypass(
        "KMS433", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {role}", "SELECT pg_read_file('PG_VERSION')"
    ),
    "reads hashes of passwords": Bypass(
        "KMS433", "GRANT SELECT ON pg_authid TO {role}", "SELECT rolpassword FROM pg_authid"
    ),
    "reads hashes of passwords in a column": Bypass(
        "KMS433", "GRANT SELECT (passwd) ON pg_shadow TO {role}", "SELECT passwd FROM pg_shadow"
    ),
    "promotes a standby": Bypass(
        "KMS446",
        "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO {role}",
        "DO $$ BEGIN PERFORM pg_promote(false); EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$",
    ),
    "replicates": Bypass(
        "KMS433", "ALTER ROLE {role} REPLICATION", "SELECT pg_create_physical_replication_slot('kms_test', false, true)"
    ),
    "locks every table": Bypass("KMS435", "GRANT pg_maintain TO {role}", "LOCK TABLE key_audit_logs", since=17),
    "sees what policies hide": Bypass(
        "KMS434",
        "ALTER ROLE {role} BYPASSRLS",
        "SET LOCAL row_security = off; SELECT FROM key_audit_logs",
        before="ALTER TABLE key_audit_logs ENABLE ROW LEVEL SECURITY; GRANT SELECT ON key_audit_logs TO {role}",
    ),
}

HARMLESS: dict[str, tuple[int, str]] = {
    "monitors": (13, "GRANT pg_monitor TO {role}"),
    "makes databases": (13, "ALTER ROLE {role} CREATEDB"),
    "makes roles": (16, "ALTER ROLE {role} CREATEROLE"),
    "sets another setting": (15, "GRANT SET, ALTER SYSTEM ON PARAMETER work_mem TO {role}"),
    "may grant a superuser's role": (16, "GRANT {superuser} TO {role} WITH INHERIT FALSE, SET FALSE, ADMIN TRUE"),
    "superuser as a member": (13, "GRANT {owner} TO CURRENT_USER; GRANT pg_write_server_files TO {superuser}"),
    "owner as a member": (13, "GRANT pg_write_server_files TO {owner}"),
    "its own privileges through a view": (
        15,
        "CREATE VIEW own WITH (security_invoker) AS SELECT * FROM key_versions; ALTER VIEW own OWNER TO {owner};"
        " GRANT SELECT ON own TO {role}",
    ),
    "a function for the owner alone": (
        13,
        "CREATE FUNCTION own() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT';"
        " ALTER FUNCTION own() OWNER TO {owner}; REVOKE EXECUTE ON FUNCTION own() FROM PUBLIC",
    ),
}
"""Grants that bypass nothing, with the version that supports them; they must not be reported."""
