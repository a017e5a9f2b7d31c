"""Alembic's table in a SQLite file."""

from tests.validator.mutations.kinds import Kind


def _around(name: str, change: str, **more: object) -> Kind:
    return Kind(f"around: {name}", "database", change, **more)  # type: ignore[arg-type]


SURROUNDINGS = (
    _around("not stamped", "DELETE FROM alembic_version"),
    _around("no version table", "DROP TABLE alembic_version"),
    _around("unknown revision", "UPDATE alembic_version SET version_num = 'mutated'", manual=True),
    _around("two revisions", "INSERT INTO alembic_version VALUES ('{older}')"),
    _around("an older revision", "UPDATE alembic_version SET version_num = '{older}'"),
)
