"""The tombstones of a trail in PostgreSQL, and the removal of the entries that they name."""

from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.storage.errors import TrailError, write_discarded
from kms_schema.audit.storage.postgresql.session import Session

_UNTIL = 'entry."timestamp" + make_interval(hours => 24 * entry.retention_period_days)'


def tombstone_query(session: Session) -> str:
    """Return the query of tombstones, whose columns have other names than those of a seal."""
    return (
        "SELECT seal_number, leaf_count AS tombstone_leaf_count, last_sequence AS tombstone_last_sequence,"
        f" archive_sha256 FROM ONLY {session.tombstones}"
    )


class PostgresqlTombstones:
    """Reads and writes `key_audit_tombstones`: `TombstoneReader` and `TombstoneWriter`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session

    def newest(self) -> Tombstone | None:
        """Return the newest of a seal: the seal's signature covers it, and nothing covers one without a seal."""
        rows = self._session.rows(
            f"{tombstone_query(self._session)}"
            f" WHERE seal_number IN (SELECT seal_number FROM ONLY {self._session.seals})"
            " ORDER BY seal_number DESC LIMIT 1"
        )
        return Tombstone(*rows[0][1:]) if rows else None

    def write(self, seal_number: int, tombstone: Tombstone) -> None:
        """Write a tombstone."""
        written = self._session.execute(
            f"INSERT INTO {self._session.tombstones} (seal_number, leaf_count, last_sequence, archive_sha256)"
            " VALUES (%s, %s, %s, %s)",
            (seal_number, tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256),
        )
        if written != 1:
            raise write_discarded("key_audit_tombstones")


class PostgresqlRetention:
    """Ends retention periods: `RetentionPeriods` and `EntryRemover`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session

    def first_retained(self, first_leaf: int) -> int | None:
        """Return the first leaf of the first page with an entry that is retained; pages are read as far as that."""
        rows = self._session.rows(
            f"SELECT page.first_leaf FROM ONLY {self._session.leaves} AS page CROSS JOIN LATERAL ("
            f"SELECT FROM ONLY {self._session.logs} AS entry WHERE entry.sequence"
            " BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1"
            f" AND ({_UNTIL} <= clock_timestamp()) IS NOT TRUE LIMIT 1) AS kept"
            f" WHERE page.first_leaf >= {first_leaf:d} ORDER BY page.first_leaf LIMIT 1"
        )
        return int(rows[0][0]) if rows else None

    def first_left(self) -> int | None:
        """Return the first entry that is left; ORDER BY makes the server read by the index, up to the last sequence."""
        rows = self._session.rows(
            f"SELECT entry.sequence FROM (SELECT leaf_count, last_sequence FROM ONLY {self._session.tombstones}"
            f" ORDER BY seal_number DESC LIMIT 1) AS tombstone CROSS JOIN LATERAL (SELECT log.sequence FROM ONLY"
            f" {self._session.logs} AS log WHERE log.sequence <= tombstone.last_sequence AND ("
            "SELECT page.first_leaf < tombstone.leaf_count"
            " AND log.sequence < page.first_sequence + length(page.hashes) / 32"
            f" FROM ONLY {self._session.leaves} AS page WHERE page.first_sequence <= log.sequence"
            " ORDER BY page.first_sequence DESC LIMIT 1) ORDER BY log.sequence LIMIT 1) AS entry"
        )
        return int(rows[0][0]) if rows else None

    def require_privilege(self) -> None:
        """Raise `TrailError` if no role owns the function for it yet, or this role may not call it."""
        rows = self._session.rows(
            "SELECT function.proowner <> trail.relowner, has_function_privilege(function.oid, 'EXECUTE'),"
            " (SELECT string_agg(quote_ident(pg_get_userbyid(grantee)), ' or ' ORDER BY grantee)"
            " FROM aclexplode(function.proacl) WHERE grantee NOT IN (0, function.proowner))"
            " FROM pg_proc AS function, pg_class AS trail"
            f" WHERE function.oid = to_regprocedure($kms${self._session.schema}.remove_expired_key_audit_logs()$kms$)"
            f" AND trail.oid = to_regclass($kms${self._session.logs}$kms$)"
        )
        if not rows or not rows[0][0]:
            raise TrailError(
                "no role may remove entries here: the function for it does not belong to a role kms_remover; run"
                " kms-schema roles --apply"
            )
        if not rows[0][1]:
            raise TrailError(f"this role may not remove entries: end retention periods as a member of {rows[0][2]}")

    def remove(self) -> int:
        """Call the function that kms_remover owns."""
        self.require_privilege()
        (removed,) = self._session.row(f"SELECT {self._session.schema}.remove_expired_key_audit_logs()")
        return int(removed)
