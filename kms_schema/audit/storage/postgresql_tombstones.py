"""Tombstones of the trail in PostgreSQL, and what they are for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.storage.trail import TrailError, swallowed

if TYPE_CHECKING:
    import psycopg

_UNTIL = 'entry."timestamp" + make_interval(hours => 24 * entry.retention_period_days)'


def _nobody() -> TrailError:
    return TrailError(
        "nobody may remove entries here: the function for it does not belong to a role kms_retention; run"
        " kms-schema roles --apply"
    )


class PostgresqlTombstones:
    """The part of a trail that ends retention periods."""

    _cursor: "psycopg.Cursor[tuple[Any, ...]]"
    _schema: str
    _logs: str
    _leaves: str
    _tombstones: str

    @property
    def tombstones(self) -> str:
        """The query of tombstones, whose columns have names of their own beside a seal's."""
        return (
            "SELECT seal_number, leaf_count AS tombstone_leaf_count, last_sequence AS tombstone_last_sequence,"
            f" archive_sha256 FROM ONLY {self._tombstones}"
        )

    def tombstone(self) -> Tombstone | None:
        """Return the newest."""
        rows = self._found(f"{self.tombstones} ORDER BY seal_number DESC LIMIT 1")
        return Tombstone(*rows[0][1:]) if rows else None

    def has_entries(self, until: int) -> bool:
        """Say whether there is an entry so old."""
        ((found,),) = self._found(f"SELECT EXISTS (SELECT FROM ONLY {self._logs} WHERE sequence <= {until:d})")
        return bool(found)

    def count_entries(self, until: int) -> int:
        """Return how many entries are so old."""
        ((count,),) = self._found(f"SELECT count(*) FROM ONLY {self._logs} WHERE sequence <= {until:d}")
        return int(count)

    def divides(self, leaf_count: int, last_sequence: int) -> bool:
        """Say whether the leaves are the entries."""
        ((found,),) = self._found(
            f"SELECT EXISTS (SELECT FROM ONLY {self._leaves} WHERE first_leaf + length(hashes) / 32 = {leaf_count:d}"
            f" AND first_sequence + length(hashes) / 32 - 1 = {last_sequence:d})"
            f" AND NOT EXISTS (SELECT FROM ONLY {self._leaves}"
            f" WHERE (first_leaf < {leaf_count:d}) <> (first_sequence <= {last_sequence:d}))"
        )
        return bool(found)

    def end_of_expired(self) -> int | None:
        """Return the first sequence that is kept; the index is read as far as that."""
        rows = self._found(
            f"SELECT sequence FROM ONLY {self._logs} AS entry WHERE {_UNTIL} > clock_timestamp()"
            " ORDER BY sequence LIMIT 1"
        )
        return int(rows[0][0]) if rows else None

    def division(self, after_leaf: int, until: int) -> tuple[int, int] | None:
        """Return the last page before which, and after which, leaves and sequences are in one order."""
        rows = self._found(
            "WITH page AS (SELECT first_leaf, first_sequence, first_leaf + length(hashes) / 32 AS leaf_count,"
            f" first_sequence + length(hashes) / 32 - 1 AS last_sequence FROM ONLY {self._leaves}),"
            " bounded AS (SELECT leaf_count, last_sequence, max(last_sequence) OVER (ORDER BY first_leaf) AS highest,"
            " min(first_sequence) OVER (ORDER BY first_leaf DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
            " AS following FROM page)"
            " SELECT leaf_count, last_sequence FROM bounded WHERE last_sequence = highest"
            " AND coalesce(following > last_sequence, true)"
            f" AND leaf_count > {after_leaf:d} AND last_sequence <= {until:d} ORDER BY leaf_count DESC LIMIT 1"
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def bury(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write a tombstone."""
        self._cursor.execute(
            f"INSERT INTO {self._tombstones} (seal_number, leaf_count, last_sequence, archive_sha256)"
            " VALUES (%s, %s, %s, %s)".encode(),
            (seal_number, tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256),
        )
        if self._cursor.rowcount != 1:
            raise swallowed("key_audit_tombstones")

    def demand_removal(self) -> None:
        """Raise `TrailError` where the function for it is nobody's yet, or not this role's to call."""
        rows = self._found(
            "SELECT function.proowner <> trail.relowner, has_function_privilege(function.oid, 'EXECUTE'),"
            " pg_get_userbyid(function.proowner) FROM pg_proc AS function, pg_class AS trail"
            f" WHERE function.oid = to_regprocedure($kms${self._schema}.remove_expired_key_audit_logs()$kms$)"
            f" AND trail.oid = to_regclass($kms${self._logs}$kms$)"
        )
        if not rows or not rows[0][0]:
            raise _nobody()
        if not rows[0][1]:
            raise TrailError(
                f"this role may not remove entries: who ends retention periods has to be a member of {rows[0][2]}"
            )

    def remove_expired(self) -> int:
        """Call the function that kms_retention owns."""
        self.demand_removal()
        ((removed,),) = self._found(f"SELECT {self._schema}.remove_expired_key_audit_logs()")
        return int(removed)

    def _found(self, query: str) -> Sequence[tuple[Any, ...]]:
        self._cursor.execute(query.encode())
        return self._cursor.fetchall()
