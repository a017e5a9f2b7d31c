"""The audit log in PostgreSQL, and the end of retention periods: a function removes what a tombstone names."""

import uuid
from collections.abc import Iterator, Mapping, Sequence

from kms_schema.audit.formats.encoding import Bytes, EncodingError, Misencoded, columns
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.entries import Entries, Retention
from kms_schema.audit.storage.errors import TrailError, write_discarded
from kms_schema.audit.storage.postgresql.encoded_entries import SELECTED, whole
from kms_schema.audit.storage.postgresql.session import PostgresqlSession

# The page before a gap may reach into it.
_BETWEEN_PAGES = """SELECT greatest(page.following, gap.first) AS first,
        coalesce(lead(page.first) OVER (ORDER BY page.first), gap.last + 1) - 1 AS last
    FROM (SELECT gap.first - 1 AS first, coalesce((SELECT first_sequence + length(hashes) / 32 FROM {leaves}
                WHERE first_sequence < gap.first ORDER BY first_sequence DESC LIMIT 1), gap.first) AS following
        UNION ALL
        SELECT first_sequence, first_sequence + length(hashes) / 32 FROM {leaves}
        WHERE first_sequence BETWEEN gap.first AND gap.last) AS page"""

_UNTIL = 'entry."timestamp" + make_interval(hours => 24 * entry.retention_period_days)'


class PostgresqlEntries(Entries):
    """Reads and writes `key_audit_logs`."""

    _session: PostgresqlSession

    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield the data of a COPY, usually a tuple a piece, and its trailer."""
        found = self._copy(f"sequence BETWEEN {first:d} AND {last:d}")
        return map(_as_it_is, found) if self._session.stores_any_bytes else found

    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        return map(_as_it_is if self._session.stores_any_bytes else bytes, whole(pieces))

    def chosen(self, sequences: Sequence[int]) -> Iterator[bytes]:
        listed = ",".join(f"{each:d}" for each in sequences)
        return self.whole(self._copy(f"sequence = ANY ('{{{listed}}}'::bigint[])"))

    def first_id(self) -> str | None:
        rows = self._session.rows(f"SELECT textin(uuid_out(id)) FROM {self._session.logs} ORDER BY sequence LIMIT 1")
        return str(rows[0][0]) if rows else None

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        found = self.not_sealed("*", after, gaps)
        query = f"SELECT {SELECTED} FROM ({found}) AS entry ORDER BY sequence LIMIT {limit:d}"
        return self.whole(self._session.copy(query))

    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        (count,) = self._session.row(f"SELECT count(*) FROM ({self.not_sealed('sequence', after, gaps)}) AS entry")
        return int(count)

    def not_sealed(self, columns: str, after: int, gaps: Sequence[Gap]) -> str:
        """Return the query of the entries of `unsealed`, with some columns."""
        found = f"SELECT {columns} FROM {self._session.logs} WHERE sequence > {after:d}"
        if gaps:
            firsts, lasts = (
                f"ARRAY[{','.join(f'{end:d}' for end in ends)}]::bigint[]"
                for ends in ([gap.first for gap in gaps], [gap.last for gap in gaps])
            )
            found += (
                f" UNION ALL SELECT entry.{columns} FROM unnest({firsts}, {lasts}) AS gap (first, last)"
                # A gap may span entries that are sealed: read what is between their pages, and not these entries again.
                f" CROSS JOIN LATERAL ({_BETWEEN_PAGES.format(leaves=self._session.leaves)}) AS hole"
                f" CROSS JOIN LATERAL (SELECT {columns} FROM {self._session.logs}"
                " WHERE sequence BETWEEN hole.first AND hole.last OFFSET 0) AS entry"
                " WHERE hole.first <= hole.last"
            )
        return found

    def insert(self, values: Mapping[str, object]) -> int:
        names = ", ".join(f'"{column}"' for column in values)
        places = ", ".join(["%s"] * len(values))
        rows = self._session.rows(
            f"INSERT INTO {self._session.schema}.key_audit_logs ({names}) VALUES ({places}) RETURNING sequence",
            tuple(values.values()),
        )
        if not rows:
            raise write_discarded("key_audit_logs")
        return int(rows[0][0])

    def _copy(self, condition: str) -> Iterator[Bytes]:
        query = f"SELECT {SELECTED} FROM {self._session.logs} WHERE {condition} ORDER BY sequence"
        return self._session.copy(query)

    @staticmethod
    def _stored_id(entry: uuid.UUID) -> object:
        return entry


class PostgresqlRetention(Retention):
    """Reads when retention periods end, and calls the function that removes entries."""

    def require_privilege(self) -> None:
        rows = self._session.rows(
            "SELECT function.proowner <> trail.relowner, has_function_privilege(function.oid, 'EXECUTE'),"
            " (SELECT string_agg(quote_ident(pg_get_userbyid(grantee)), ' or ' ORDER BY grantee)"
            " FROM aclexplode(function.proacl) WHERE grantee NOT IN (0, function.proowner))"
            " FROM pg_proc AS function, pg_class AS trail"
            f" WHERE function.oid = to_regprocedure($kms${self._session.schema}.remove_expired_key_audit_logs()$kms$)"
            f" AND trail.oid = to_regclass($kms${self._session.schema}.key_audit_logs$kms$)"
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

    def _first_retained(self, first_leaf: int) -> str:
        return (
            f"SELECT page.first_leaf FROM {self._session.leaves} AS page CROSS JOIN LATERAL ("
            f"SELECT FROM {self._session.logs} AS entry WHERE entry.sequence"
            " BETWEEN page.first_sequence AND page.first_sequence + length(page.hashes) / 32 - 1"
            f" AND ({_UNTIL} <= clock_timestamp()) IS NOT TRUE LIMIT 1) AS kept"
            f" WHERE page.first_leaf >= {first_leaf:d} ORDER BY page.first_leaf LIMIT 1"
        )

    def _first_left(self) -> str:
        # ORDER BY makes the server read by the index, up to the last sequence.
        return (
            f"SELECT entry.sequence FROM (SELECT leaf_count, last_sequence FROM {self._session.tombstones}"
            f" ORDER BY seal_number DESC LIMIT 1) AS tombstone CROSS JOIN LATERAL (SELECT log.sequence FROM"
            f" {self._session.logs} AS log WHERE log.sequence <= tombstone.last_sequence AND ("
            "SELECT page.first_leaf < tombstone.leaf_count"
            " AND log.sequence < page.first_sequence + length(page.hashes) / 32"
            f" FROM {self._session.leaves} AS page WHERE page.first_sequence <= log.sequence"
            " ORDER BY page.first_sequence DESC LIMIT 1) ORDER BY log.sequence LIMIT 1) AS entry"
        )


def _as_it_is(entry: Bytes) -> bytes:
    """Return an entry as `Misencoded` if a text in it is not UTF-8; so is a part of one, which equals no entry."""
    try:
        columns(entry)
    except EncodingError:
        return Misencoded(entry)
    return bytes(entry)
