"""Rows written while a revision was under way: its triggers will never look at them, and its first look missed them.

The last look is taken while the tables are locked, so it must not take as long as they are large, and another before it
leaves it little. Each reads which rows are younger than the look before, once through each table and nothing but the
row's `xmin`, and then asks for violations among these and what is near enough to them to be meant by a rule. Of a
foreign key it finds the row that leads nowhere when that row is new; that a row which others refer to goes, its
constraint refuses.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from kms_schema.sql import verbatim
from kms_schema.sql.violations import LISTED, BrokenRule, Violation, query, refusal, rule_of

log = logging.getLogger("alembic.runtime.migration")

_QUERY_CANCELED = "57014"
_XIDS = 2**32
"""A row knows the last 32 bits of the transaction that wrote it."""
_MANY = 50_000
"""Where so many rows are near what has changed, a look at everything is as fast."""

# `pg_snapshot_xmin` would be this transaction, as soon as it has made anything; it is not among those under way.
_YOUNGEST = """SELECT coalesce(
    (SELECT min(xid::text::bigint) FROM pg_catalog.pg_snapshot_xip(snapshot) AS xid),
    pg_catalog.pg_snapshot_xmax(snapshot)::text::bigint
) FROM pg_catalog.pg_current_snapshot() AS snapshot"""

# Each statement gives what it finds by what others call it that are below it: a version by its id, a key by its name.
_CHANGED_KEYS = """SELECT key_id AS name, id AS key_id, parent_key_id AS above, key_type
FROM {schema}.key_masters WHERE pg_catalog.age(xmin) <= pg_catalog.age(CAST(CAST(:since AS text) AS xid))"""
_CHANGED_VERSIONS = """SELECT id AS name, key_id, wrapped_by_version_id AS above
FROM {schema}.key_versions WHERE pg_catalog.age(xmin) <= pg_catalog.age(CAST(CAST(:since AS text) AS xid))"""
# What a new key's old versions wrap is in question where such a key may not wrap: where it may, they have not changed.
_VERSIONS_NEAR = """SELECT id AS name, key_id, wrapped_by_version_id AS above FROM {schema}.key_versions
WHERE key_id = ANY ({keys}) OR wrapped_by_version_id = ANY ({versions})
UNION
SELECT wrapped.id, wrapped.key_id, wrapped.wrapped_by_version_id
FROM {schema}.key_versions AS wrapper
JOIN {schema}.key_versions AS wrapped ON wrapped.wrapped_by_version_id = wrapper.id
WHERE wrapper.key_id = ANY ({no_wrappers})"""
_WRAPPERS = """SELECT id AS name, key_id, wrapped_by_version_id AS above FROM {schema}.key_versions
WHERE id = ANY (CAST(:above AS uuid[]))"""
_KEYS_NEAR = """SELECT key_id AS name, id AS key_id, parent_key_id AS above FROM {schema}.key_masters
WHERE id = ANY ({keys}) OR parent_key_id = ANY (CAST(:no_parents AS text[]))"""
_PARENTS = """SELECT key_id AS name, id AS key_id, parent_key_id AS above FROM {schema}.key_masters
WHERE key_id = ANY (CAST(:above AS text[]))"""

_NEAR = """WITH near_key_masters AS MATERIALIZED (SELECT * FROM {schema}.key_masters WHERE id = ANY ({keys})),
near_key_versions AS MATERIALIZED (SELECT * FROM {schema}.key_versions WHERE id = ANY ({versions})),
near_rotation_policies AS (SELECT * FROM {schema}.rotation_policies)
"""
_LIMITED = "SELECT pg_catalog.set_config('statement_timeout', CAST(:left AS text), true)"
_BROKEN = """SELECT '{rule}' AS rule, table_name, row_id, row_name, problem, count(*) OVER () AS total,
    row_number() OVER (ORDER BY row_name, row_id) AS place
FROM (
{violating}
) AS violating"""


def youngest(connection: sa.Connection) -> int:
    """Return the first of PostgreSQL's other transactions whose rows a look that begins now may not see."""
    return int(connection.scalar(sa.text(_YOUNGEST)))


def broken_meanwhile(  # noqa: PLR0913  (what is looked at, and how)
    connection: sa.Connection,
    revision: str,
    filenames: Sequence[str],
    since: int,
    schema: str = "public",
    *,
    locked: bool,
) -> str | None:
    """Return why `revision` is not applied, or None, looking at what was written `since`.

    While the tables are `locked` others wait for it, so it looks for no longer than `lock_timeout` lets them wait for a
    lock; what could not be looked at in that time is said in the log. In a transaction that sees no more than others
    had committed when it began, it finds nothing new, and says so.
    """
    if (isolation := connection.scalar(sa.text("SHOW transaction_isolation"))) != "read committed":
        if locked:
            log.warning(
                "rows written during the upgrade cannot be seen in a %s transaction: they may break rules", isolation
            )
        return None
    patience = connection.scalar(sa.text("SHOW lock_timeout"))
    before = connection.scalar(sa.text("SHOW statement_timeout"))
    try:
        with connection.begin_nested():
            broken = _Look(connection, schema, since, _milliseconds(connection) if locked else 0).broken(filenames)
            connection.execute(sa.text(f"SET LOCAL statement_timeout = '{before}'"))
    except (sa.exc.DBAPIError, TimeoutError) as error:
        canceled = isinstance(error, TimeoutError) or getattr(error.orig, "sqlstate", None) == _QUERY_CANCELED
        if not (locked and canceled):
            raise
        log.warning("rows written during the upgrade could not be looked at within %s: they may break rules", patience)
        return None
    return refusal(revision, broken, "written while it was under way") if broken else None


def _milliseconds(connection: sa.Connection) -> int:
    """Return `lock_timeout`; 0 is no limit."""
    setting = "SELECT setting::integer FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'"
    return int(connection.scalar(sa.text(setting)))


class _TooManyError(Exception):
    """So much is near what has changed that a look at everything is as fast."""


class _Look:
    """One of them: step by step, since each step is planned for as many rows as the one before has found."""

    def __init__(self, connection: sa.Connection, schema: str, since: int, timeout: int) -> None:
        self._connection = connection
        self._schema, self._since = schema, str(since % _XIDS)
        self._deadline = time.monotonic() + timeout / 1000 if timeout else None

    def broken(self, filenames: Sequence[str]) -> list[BrokenRule]:
        """Return the rules that are broken among what has changed and what is near it, in the order of `filenames`."""
        near, tables = "", None
        with suppress(_TooManyError):
            near, tables = self._near(), "near_"
        violating = {rule_of(name): query("postgresql", name, self._schema, tables) for name in filenames}
        text = "\nUNION ALL\n".join(_BROKEN.format(rule=rule, violating=each) for rule, each in violating.items())
        listed = f"SELECT * FROM (\n{text}\n) AS broken WHERE place <= {LISTED} ORDER BY place"  # noqa: S608  (our files)
        found = self._ask(verbatim(near + listed))
        by_rule = {rule: [row for row in found if row.rule == rule] for rule in violating}
        return [
            BrokenRule(
                rule,
                rows[0].total,
                tuple(Violation(rule, row.table_name, row.row_id, row.row_name, row.problem) for row in rows),
            )
            for rule, rows in by_rule.items()
            if rows
        ]

    def _near(self) -> str:
        """Return what has changed and what a rule compares it with, as the beginning of a statement.

        That is a version with its key, its wrapper and that one's key; a key with its parent; and both with all above
        them, for the circles. What a new row wraps, or is the parent of, is as much in question.
        """
        changed_keys = self._found(_CHANGED_KEYS, {"since": self._since})
        versions = self._found(_CHANGED_VERSIONS, {"since": self._since})
        versions |= self._found(
            _VERSIONS_NEAR,
            keys=_uuids(row.key_id for row in changed_keys.values()),
            versions=_uuids(versions),
            no_wrappers=_uuids(row.key_id for row in changed_keys.values() if row.key_type != "kek"),
        )
        versions = self._with_all_above(versions, _WRAPPERS)
        keys = self._found(
            _KEYS_NEAR,
            {"no_parents": [row.name for row in changed_keys.values() if row.key_type not in {"kek", "hsm"}]},
            keys=_uuids(row.key_id for row in (*changed_keys.values(), *versions.values())),
        )
        keys = self._with_all_above(keys, _PARENTS)
        ids = {"keys": _uuids(row.key_id for row in keys.values()), "versions": _uuids(versions)}
        return _NEAR.format(schema=self._schema, **ids)

    def _with_all_above(self, found: dict[Any, sa.Row[Any]], statement: str) -> dict[Any, sa.Row[Any]]:
        while above := [row.above for row in found.values() if row.above is not None and row.above not in found]:
            higher = self._found(statement, {"above": [*set(above)]})
            if not higher:
                break  # they lead nowhere
            found |= higher
        return found

    def _found(self, statement: str, values: Mapping[str, Any] | None = None, **arrays: str) -> dict[Any, sa.Row[Any]]:
        text = statement.format(schema=self._schema, **arrays)
        rows = self._ask(sa.text(f"{text} LIMIT {_MANY}"), values)
        if len(rows) == _MANY:
            raise _TooManyError
        return {row.name: row for row in rows}

    def _ask(self, statement: sa.TextClause, values: Mapping[str, Any] | None = None) -> Sequence[sa.Row[Any]]:
        if self._deadline is not None:
            left = round((self._deadline - time.monotonic()) * 1000)
            if left <= 0:  # which would be no limit
                raise TimeoutError
            self._connection.execute(sa.text(_LIMITED), {"left": str(left)})
        return self._connection.execute(statement, values).all()


def _uuids(ids: Iterable[Any]) -> str:
    return "'{" + ",".join(sorted({str(each) for each in ids})) + "}'::uuid[]"
