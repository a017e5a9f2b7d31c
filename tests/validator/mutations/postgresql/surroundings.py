"""What is not ours and decides what our guards are worth: settings, roles, the schema, and Alembic's table."""

from tests.validator.mutations.kinds import Kind
from tests.validator.mutations.postgresql.tables import OTHER

REVISION = "revision of the database"


def _around(name: str, change: str, names: str, **more: object) -> Kind:
    return Kind(f"around: {name}", "database", change, names=names, **more)  # type: ignore[arg-type]


def _of_a_role(name: str, change: str, names: str = "role {role}", severity: str = "warning", **more: object) -> Kind:
    """Make a kind of what a new role is given; `{role}` is its name, and outlives the database."""
    change, names = (text.replace("{role}", "mutated_{database}") for text in (change, names))
    undo = "DROP OWNED BY mutated_{database}; DROP ROLE mutated_{database}"
    return _around(name, f"CREATE ROLE mutated_{{database}}; {change}", names, severity=severity, undo=undo, **more)


SURROUNDINGS = (
    _around(
        "triggers switched off in the database",
        "ALTER DATABASE {database} SET session_replication_role = replica",
        "setting of every role in database {database}",
    ),
    _around(
        "triggers switched off for a role",
        "ALTER ROLE {owner} IN DATABASE {database} SET session_replication_role = replica",
        "setting of role {owner} in database {database}",
    ),
    _around(
        "restore mode in the database",
        "ALTER DATABASE {database} SET kms.restore = on",
        "setting of every role in database {database}",
    ),
    _around(
        "everyone may create objects",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "schema public",
        severity="warning",
        since=15,
    ),
    _around(
        "a role may create objects",
        f"GRANT CREATE ON SCHEMA public TO {OTHER}",
        "schema public",
        severity="info",
    ),
    _around(
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO PUBLIC",
        "default privileges of {owner} in schema public",
        severity="info",
        manual=True,
    ),
    _around(
        "event trigger",
        "CREATE FUNCTION public.mutated() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        " CREATE EVENT TRIGGER mutated ON ddl_command_end EXECUTE FUNCTION public.mutated()",
        "event trigger mutated",
        severity="info",
        manual=True,
    ),
    _around(
        "publication",
        "CREATE PUBLICATION mutated FOR ALL TABLES",
        "publication mutated",
        severity="info",
        manual=True,
    ),
    _around(
        "security label",
        # As a provider writes it, which the servers of the tests have none of.
        "INSERT INTO pg_seclabel VALUES ('public.key_versions'::regclass, 'pg_class'::regclass, 0, 'mutated', 'x')",
        "table public.key_versions",
        severity="info",
        manual=True,
    ),
    _of_a_role(
        "restore mode for a role",
        "ALTER ROLE {role} SET kms.restore = on",
        names="setting of role {role}",
        severity="error",
    ),
    _around(
        "restore mode for every role",
        "ALTER ROLE ALL SET kms.restore = on",
        "setting of every role",
        undo="ALTER ROLE ALL RESET kms.restore",
    ),
    _of_a_role("a member of the owner", "GRANT {owner} TO {role}"),
    _of_a_role("a member of the owner in name", "GRANT {owner} TO {role} WITH INHERIT FALSE, SET FALSE", since=16),
    _of_a_role("runs programs", "GRANT pg_execute_server_program TO {role}"),
    _of_a_role("writes files", "GRANT pg_write_server_files TO {role}"),
    _of_a_role("writes files by a function", "GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO {role}"),
    _of_a_role("grants itself roles", "ALTER ROLE {role} CREATEROLE", until=15),
    _of_a_role("may switch triggers off", "GRANT SET ON PARAMETER session_replication_role TO {role}", since=15),
    _of_a_role("says what the server runs", "GRANT ALTER SYSTEM ON PARAMETER archive_command TO {role}", since=15),
    _of_a_role("writes every table", "GRANT pg_write_all_data TO {role}", since=14),
    _of_a_role("schema of another role", "ALTER SCHEMA public OWNER TO {role}", names="schema public"),
    _of_a_role(
        "database of another role", "ALTER DATABASE {database} OWNER TO {role}", names="schema public", since=15
    ),
    _of_a_role(
        "database of another role, schema of the owner",
        "ALTER SCHEMA public OWNER TO {owner}; ALTER DATABASE {database} OWNER TO {role}",
        names="database {database}",
        severity="info",
    ),
    _of_a_role(
        "a view for others",
        "CREATE SCHEMA mutated; CREATE VIEW mutated.seen AS SELECT * FROM public.key_versions;"
        " CREATE VIEW mutated.lent AS SELECT * FROM mutated.seen; GRANT SELECT ON mutated.lent TO {role}",
        names="view mutated.lent",
    ),
    _of_a_role(
        "a function for others",
        "CREATE SCHEMA mutated; CREATE FUNCTION mutated.lent() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT'",
        names="function mutated.lent()",
        severity="info",
        manual=True,
    ),
    _of_a_role("reads every table", "GRANT pg_read_all_data TO {role}", since=14),
    _of_a_role("reads files", "GRANT pg_read_server_files TO {role}"),
    _of_a_role("reads files by a function", "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {role}"),
    _of_a_role("replicates", "ALTER ROLE {role} REPLICATION"),
    _of_a_role("above row-level security", "ALTER ROLE {role} BYPASSRLS", severity="info"),
    _of_a_role("locks every table", "GRANT pg_maintain TO {role}", since=17),
    _around(
        "a member of a superuser",
        "CREATE ROLE mutated_{database}; CREATE ROLE mutated_super_{database} SUPERUSER;"
        " GRANT mutated_super_{database} TO mutated_{database}",
        "role mutated_{database}",
        severity="warning",
        undo="DROP ROLE mutated_{database}, mutated_super_{database}",
    ),
    _around(
        "triggers switched off on the server",
        "ALTER SYSTEM SET session_replication_role = replica;; SELECT pg_reload_conf();; SELECT pg_sleep(0.2)",
        "setting of the server",
        manual=True,
        undo="ALTER SYSTEM RESET session_replication_role;; SELECT pg_reload_conf();; SELECT pg_sleep(0.2)",
    ),
)
VERSION_TABLE = (
    _around("not stamped", "DELETE FROM public.alembic_version", REVISION),
    _around("no version table", "DROP TABLE public.alembic_version", REVISION),
    _around("unknown revision", "UPDATE public.alembic_version SET version_num = 'mutated'", REVISION, manual=True),
    _around("two revisions", "INSERT INTO public.alembic_version VALUES ('{older}')", REVISION),
    _around("an older revision", "UPDATE public.alembic_version SET version_num = '{older}'", REVISION),
)
