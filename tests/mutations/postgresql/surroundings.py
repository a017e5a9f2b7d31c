"""What is not ours and decides what our guards are worth: settings, roles, the schema, and Alembic's table."""

from tests.mutations.kinds import Kind

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
)
VERSION_TABLE = (
    _around("not stamped", "DELETE FROM public.alembic_version", REVISION),
    _around("no version table", "DROP TABLE public.alembic_version", REVISION),
    _around("unknown revision", "UPDATE public.alembic_version SET version_num = 'mutated'", REVISION, by_hand=True),
    _around("two revisions", "INSERT INTO public.alembic_version VALUES ('{older}')", REVISION),
    _around("an older revision", "UPDATE public.alembic_version SET version_num = '{older}'", REVISION),
)
