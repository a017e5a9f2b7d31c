"""What is not ours and decides what our guards are worth: settings, roles, the schema, and Alembic's table."""

from tests.mutations.kinds import Kind
from tests.mutations.postgresql.tables import OTHER

REVISION = "revision of the database"


def _around(name: str, change: str, names: str, **more: object) -> Kind:
    return Kind(f"around: {name}", "database", change, names=names, **more)  # type: ignore[arg-type]


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
        "a member of the owner",
        "CREATE ROLE mutated_{database}; GRANT {owner} TO mutated_{database}",
        "role mutated_{database}",
        severity="warning",
        undo="DROP ROLE mutated_{database}",
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
        by_hand=True,
    ),
    _around(
        "event trigger",
        "CREATE FUNCTION public.mutated() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        " CREATE EVENT TRIGGER mutated ON ddl_command_end EXECUTE FUNCTION public.mutated()",
        "event trigger mutated",
        severity="info",
        by_hand=True,
    ),
    _around(
        "publication",
        "CREATE PUBLICATION mutated FOR ALL TABLES",
        "publication mutated",
        severity="info",
        by_hand=True,
    ),
    _around(
        "triggers switched off on the server",
        "ALTER SYSTEM SET session_replication_role = replica;; SELECT pg_reload_conf();; SELECT pg_sleep(0.2)",
        "setting of the server",
        by_hand=True,
        undo="ALTER SYSTEM RESET session_replication_role;; SELECT pg_reload_conf();; SELECT pg_sleep(0.2)",
    ),
)
VERSION_TABLE = (
    _around("not stamped", "DELETE FROM public.alembic_version", REVISION),
    _around("no version table", "DROP TABLE public.alembic_version", REVISION),
    _around("unknown revision", "UPDATE public.alembic_version SET version_num = 'mutated'", REVISION, by_hand=True),
    _around("two revisions", "INSERT INTO public.alembic_version VALUES ('{older}')", REVISION),
    _around("an older revision", "UPDATE public.alembic_version SET version_num = '{older}'", REVISION),
)
