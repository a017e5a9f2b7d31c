"""The entries of a trail and their retention periods: what both engines do, each with its own statements."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kms_schema.audit.formats.encoding import Bytes
from kms_schema.audit.formats.gaps import Gap
from kms_schema.audit.storage.session import Session


class Entries(ABC):
    """Reads and writes `key_audit_logs`."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session

    @abstractmethod
    def pieces(self, first: int, last: int) -> Iterator[Bytes]:
        """Yield the bytes from which `whole` makes the entries with sequences from `first` to `last`.

        A piece is usually an entry, but nothing has checked it. A piece without the expected hash has to go through
        `whole`, and so does the rest of the stream.
        """

    @abstractmethod
    def whole(self, pieces: Iterator[Bytes]) -> Iterator[bytes]:
        """Yield the entries in the rest of `pieces`, in encoding v1, by sequence. Raises `EncodingError`.

        `Unreadable` stands for an entry with a value that its column cannot have.
        """

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the entries with sequences from `first` to `last`: `whole` of `pieces`."""
        return self.whole(self.pieces(first, last))

    @abstractmethod
    def chosen(self, sequences: Sequence[int]) -> Iterator[bytes]:
        """Yield the entries with these sequences, as `read` does; one query reads all of them."""

    def sequence_of(self, entry: uuid.UUID) -> int | None:
        """Return the sequence of the entry with this id."""
        query = f"SELECT sequence FROM {self._session.logs} WHERE id = {self._session.place}"
        rows = self._session.rows(query, (self._stored_id(entry),))
        return int(rows[0][0]) if rows else None

    def count(self, until: int) -> int:
        """Return the number of entries with a sequence up to `until`."""
        return self._count(f"sequence <= {until:d}")

    def exist(self, until: int) -> bool:
        """Return whether there is an entry with a sequence up to `until`."""
        (found,) = self._session.row(f"SELECT EXISTS (SELECT 1 FROM {self._session.logs} WHERE sequence <= {until:d})")
        return bool(found)

    @abstractmethod
    def first_id(self) -> str | None:
        """Return the id of the entry with the lowest sequence, as PostgreSQL writes it."""

    @abstractmethod
    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        """Yield the visible entries above `after` and in `gaps`, at most `limit`, in encoding v1, by sequence."""

    @abstractmethod
    def count_unsealed(self, after: int, gaps: Sequence[Gap]) -> int:
        """Return how many entries `unsealed` would yield without a limit."""

    def key(self, key_id: str) -> Any:
        """Return the id of a key as `insert` takes it, None if there is no key of this name."""
        query = f"SELECT id FROM {self._session.masters} WHERE key_id = {self._session.place}"
        rows = self._session.rows(query, (key_id,))
        return rows[0][0] if rows else None

    @abstractmethod
    def insert(self, values: Mapping[str, object]) -> int:
        """Write an entry with these columns, JSON as text, and return its sequence: the database sets the others."""

    def _count(self, condition: str) -> int:
        (count,) = self._session.row(f"SELECT count(*) FROM {self._session.logs} WHERE {condition}")
        return int(count)

    @staticmethod
    @abstractmethod
    def _stored_id(entry: uuid.UUID) -> object:
        """Return the value of the column `id`."""


class Retention(ABC):
    """Reads when the retention periods of entries end, and removes the entries that a tombstone names."""

    def __init__(self, session: Session) -> None:
        """Use the transaction of a session."""
        self._session = session

    def first_retained(self, first_leaf: int) -> int | None:
        """Return the first leaf of the first page, from `first_leaf` on, with an entry whose period has not ended.

        By the database's clock; pages are read as far as that. None if no entry is unsealed.
        """
        return self._number(self._first_retained(first_leaf))

    def first_left(self) -> int | None:
        """Return the lowest sequence of an entry that a tombstone names and that is not removed yet; None for none."""
        return self._number(self._first_left())

    @abstractmethod
    def require_privilege(self) -> None:
        """Raise `TrailError` if this role may not remove entries, or no role may in this database."""

    @abstractmethod
    def remove(self) -> int:
        """Remove a batch of the entries that a tombstone names, lowest sequence first; return how many, 0 if none is
        left.

        Raises `TrailError` as `require_privilege` does.
        """

    def _number(self, query: str) -> int | None:
        rows = self._session.rows(query)
        return int(rows[0][0]) if rows else None

    @abstractmethod
    def _first_retained(self, first_leaf: int) -> str:
        """Return the query of `first_retained`."""

    @abstractmethod
    def _first_left(self) -> str:
        """Return the query of `first_left`."""
