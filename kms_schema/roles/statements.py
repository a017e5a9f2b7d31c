"""The SQL of the roles: one script that can be run at any time, and that locks a table only to change it."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.hardening.definition import event_triggers
from kms_schema.roles.definition import (
    CALLED_BY_ROLES,
    GRANTEES,
    GRANTS,
    POLICIES,
    PROTECTED,
    RELATIONS,
    REMOVAL,
    SEQUENCES,
    Grant,
    Policy,
    Role,
)
from kms_schema.snapshots import chain, load
from kms_schema.text.identifiers import always_quoted, array_literal, filled, literal, quoted

LOCK_TIMEOUT = "500ms"
"""The maximum wait for a lock. Other sessions wait behind it, and after a second (`deadlock_timeout`) the server would
end one of the waiting sessions in a deadlock, which might be the application."""

_FOLDER = Path(__file__).parent
_PREFIX = re.compile(r"(?!pg_)[a-z][a-z0-9_]{0,48}|")


def role_names(prefix: str, roles: Iterable[Role] = Role) -> list[str]:
    """Return the names of roles with their prefix; raises `ValueError` for a prefix that is not allowed."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(
            f"a prefix is up to 49 lower-case letters, digits and _, begins with a letter and not with pg_: {prefix!r}"
        )
    return [prefix + role for role in roles]


def script(schema: str = "public", prefix: str = "", *, owner: bool = False) -> str:
    """Return the statements for a database at the newest revision, to be run in one transaction.

    `schema` is that of the tables, `prefix` that of the role names; `owner` also makes the role `kms_owner` the owner.
    Raises `ValueError` for names that cannot be used.
    """
    if "$kms$" in schema or "\0" in schema:
        raise ValueError(f"no schema of this name: {schema!r}")
    parts = {
        "lock_timeout": LOCK_TIMEOUT,
        "lock_key": str(LOCK_KEY),
        "observed": _file("observed_privileges").rstrip(),
        "ownership": _file("ownership") if owner else "",
        "giving_back": _file("giving_back") if owner else "",
    }
    return filled(filled(_file("roles"), parts), _names(schema, prefix)).rstrip() + "\n"


def _names(schema: str, prefix: str) -> dict[str, str]:
    return {
        "schema": always_quoted(schema),
        "schema_name": literal(schema),
        "prefix": literal(prefix),
        "owner": literal(prefix + Role.OWNER),
        "retention": literal(prefix + Role.RETENTION),
        "remover": literal(prefix + Role.REMOVER),
        "removal": REMOVAL,
        "roles": array_literal(role_names(prefix)),
        "grantees": array_literal(role_names(prefix, GRANTEES)),
        "relations": array_literal(RELATIONS),
        "sequences": array_literal(SEQUENCES),
        "functions": array_literal(sorted({function.partition("(")[0] for function in functions()})),
        "protected": array_literal(PROTECTED),
        "event_triggers": array_literal([each.name for each in event_triggers(schema)]),
        "grants": "\n".join(_grants(schema, prefix)),
        "policies": ",\n            ".join(_policy(policy, prefix) for policy in POLICIES),
    }


@cache
def functions() -> tuple[str, ...]:
    """Return the functions of the newest revision, with their arguments."""
    objects = load("postgresql", chain()[-1], "18.0")
    return tuple(sorted(key.removeprefix("function ") for key in objects if key.startswith("function ")))


def _grants(schema: str, prefix: str) -> Iterator[str]:
    """Yield statements that revoke every privilege of the roles and PUBLIC, and grant the privileges of the definition.

    No other session sees the state between them.
    """
    place = always_quoted(schema)
    grantees = ", ".join(["PUBLIC", *map(quoted, role_names(prefix, GRANTEES))])
    relations = ", ".join(f"{place}.{name}" for name in RELATIONS if name != "alembic_version")
    routines = ", ".join(f"{place}.{name}" for name in functions() if name != REMOVAL)
    yield f"REVOKE ALL ON TABLE {relations} FROM {grantees};"
    yield f"REVOKE ALL ON SEQUENCE {', '.join(f'{place}.{name}' for name in SEQUENCES)} FROM {grantees};"
    yield f"REVOKE ALL ON FUNCTION {routines} FROM {grantees};"
    for grant in GRANTS:
        if grant.on == REMOVAL:
            continue  # another role owns it
        if grant.on == "alembic_version":
            # The version table may be in another schema.
            yield (
                f"DO $kms$ BEGIN IF to_regclass({literal(place + '.alembic_version')}) IS NOT NULL THEN"
                f" {_grant(grant, place, prefix)} END IF; END $kms$;"
            )
        else:
            yield _grant(grant, place, prefix)


def _grant(grant: Grant, place: str, prefix: str) -> str:
    kind = "FUNCTION" if grant.on in CALLED_BY_ROLES else "TABLE"
    columns = f" ({', '.join(map(quoted, grant.columns))})" if grant.columns else ""
    privileges = ", ".join(privilege + columns for privilege in grant.privileges)
    return f"GRANT {privileges} ON {kind} {place}.{grant.on} TO {quoted(prefix + grant.role)};"


def _policy(policy: Policy, prefix: str) -> str:
    conditions = ("NULL::text" if each is None else f"{literal(each)}::text" for each in (policy.using, policy.check))
    roles = array_literal(sorted(role_names(prefix, policy.roles)))
    return f"({', '.join([*map(literal, (policy.table, policy.name, policy.command)), roles, *conditions])})"


@cache
def _file(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
