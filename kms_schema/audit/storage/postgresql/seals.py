"""The seals of a trail in PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kms_schema.audit.storage.errors import write_discarded
from kms_schema.audit.storage.postgresql.session import Session
from kms_schema.audit.storage.postgresql.tombstones import tombstone_query
from kms_schema.audit.storage.records import CHANGES_OF_KEY, Page, Subtree
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.database.lock_holders import described, sealing

# In a database of the encoding SQL_ASCII a text can be any bytes: the server refuses to send them as UTF-8.
_TEXT = "convert_to({0}, CASE getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)"
_TEXTS = (1, 6, 8)
"""The places of `origin`, `verifier_key` and `next_key`."""
_SEAL = (
    f"seal_number, {_TEXT.format('origin')},"
    " to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
    " tree_size,"
    f" root_hash, previous_seal_hash, {_TEXT.format('verifier_key')}, signature, {_TEXT.format('next_key')},"
    " compact_range, last_sequence, textin(jsonb_out(open_gaps)),"
    " snapshot_xmax, system_identifier, tombstone_leaf_count, tombstone_last_sequence, archive_sha256"
)
_COLUMNS = 14
"""Columns of `key_audit_seals`."""
_BATCH = 1000


class PostgresqlSeals:
    """Reads and writes `key_audit_seals`: `SealStore`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session
        tombstones = tombstone_query(session)
        self._query = (
            f"SELECT {_SEAL} FROM ONLY {session.seals} LEFT JOIN ({tombstones}) AS tombstone USING (seal_number)"
        )

    def lock(self) -> bool:
        """Let no other session seal this trail until the transaction ends; return False if one does already."""
        (locked,) = self._session.row(f"SELECT {self._session.schema}.lock_key_audit_seals()")
        return bool(locked)

    def lock_holder(self) -> str:
        """Return the session that seals, in brackets, as far as this role can read."""
        rows = self._session.rows(sealing(self._session.seals))
        return described(rows[0] if rows else None)

    def last(self) -> StoredSeal | None:
        """Return the newest seal."""
        return self._one("ORDER BY seal_number DESC LIMIT 1")

    def get(self, number: int) -> StoredSeal | None:
        """Return one seal."""
        return self._one(f"WHERE seal_number = {number:d}")

    def last_with_tombstone(self) -> StoredSeal | None:
        """Return the seal of the newest tombstone."""
        return self._one("WHERE tombstone.archive_sha256 IS NOT NULL ORDER BY seal_number DESC LIMIT 1")

    def changes_of_key(self) -> list[int]:
        """Return the seals at which the key changes."""
        return [row[0] for row in self._session.rows(CHANGES_OF_KEY.format(seals=f"ONLY {self._session.seals}"))]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows of seals, read in batches."""
        number = 0
        while rows := self._session.rows(
            f"{self._query} WHERE seal_number > {number:d} ORDER BY seal_number LIMIT {_BATCH}"
        ):
            yield from map(_with_texts, rows)
            number = rows[-1][0]

    def append(self, seal: StoredSeal, pages: Iterable[Page], subtrees: Iterable[Subtree]) -> None:
        """Write a seal; its guard triggers require it before its pages, and these before the next seal."""
        places = ", ".join(["%s"] * _COLUMNS)
        if self._session.execute(f"INSERT INTO {self._session.seals} VALUES ({places})", seal.row()) != 1:
            raise write_discarded("key_audit_seals")
        self._write("key_audit_leaves", [(page.first_leaf, page.first_sequence, page.hashes) for page in pages])
        self._write("key_audit_subtrees", [(subtree.level, subtree.position, subtree.hash) for subtree in subtrees])

    def _write(self, table: str, rows: Sequence[tuple[int, int, bytes]]) -> None:
        if not rows:
            return
        # One statement: the triggers that add up the entries run once for all of them.
        written = self._session.execute(
            f"INSERT INTO {self._session.schema}.{table} SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])",
            [list(column) for column in zip(*rows, strict=True)],
        )
        if written != len(rows):
            raise write_discarded(table)

    def _one(self, condition: str) -> StoredSeal | None:
        rows = self._session.rows(f"{self._query} {condition}")
        return StoredSeal.from_row(_with_texts(rows[0])) if rows else None


def _with_texts(row: Sequence[Any]) -> Sequence[Any]:
    """Return a row with its texts; bytes that are not UTF-8 become characters that no seal can have."""
    return [
        bytes(value).decode("utf-8", "surrogateescape") if at in _TEXTS and value is not None else value
        for at, value in enumerate(row)
    ]
