"""The rows that the key ring reads, and the uses that it counts there, on connections of its own."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto.bindings import StoredVersion, version_of
from kms_schema.database.pinned_path import with_pinned_path
from kms_schema.engine import (
    BEGIN_OPTION,
    BELOW_HEAD,
    at_read_committed,
    committed_durably,
    engine_of_its_own,
    is_at_head,
    open_at_read_committed,
    sync_fully,
)
from kms_schema.keyring.database.driver_errors import translated
from kms_schema.keyring.database.sqlite_transactions import OpenTransactions
from kms_schema.keyring.errors import DatabaseUnavailableError, RingClosedError
from kms_schema.keyring.use.states import KeyState, state_of
from kms_schema.keyring.waiting.waits import Turn, Waits
from kms_schema.models import KeyAuditLog, acting_for
from kms_schema.reading.queries import Queries

Result = TypeVar("Result")

CONNECTIONS = 3
"""The connections that the ring uses at once; its other threads wait for one."""

_QUERIES = Queries(__file__)
_STATE: dict[str, sa.types.TypeEngine[Any]] = {"master_id": sa.Uuid(), "version_id": sa.Uuid()}
_TYPES: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "read_key": _STATE,
    "read_tag": _STATE,
    "read_material": {
        "master_id": sa.Uuid(), "id": sa.Uuid(), "wrapped_by_version_id": sa.Uuid(), "encryption_metadata": sa.JSON()
    },
}  # fmt: skip
"""The types of columns that a driver may return otherwise."""
_USERS = "kms_app"
_IN_TRANSACTION = "this thread has a transaction open on the database: end it first"


class Storage:
    """One database, through an engine of the ring's own."""

    def __init__(self, engine: sa.Engine, schema: str, waits: Waits) -> None:
        """Use the database of `engine`, with the tables in `schema` on PostgreSQL."""
        self.engine = engine
        self.waits = waits
        self.dialect: str = engine.dialect.name
        self.schema = schema
        self._is_at_head = False
        writers = engine_of_its_own(engine)
        self.shares_connections: bool = writers is engine
        # On SQLite a thread that reads must not wait for a connection of one that waits for the write lock of the file.
        readers = engine_of_its_own(engine) if self.dialect == "sqlite" else writers
        self._own = () if self.shares_connections else (writers, readers)
        options: dict[str, Any] = {}
        if self.dialect == "sqlite" and not self.shares_connections:
            sa.event.listen(writers, "connect", sync_fully)
        if self.dialect == "postgresql":
            options = {"schema_translate_map": {None: schema}}
            set_level = at_read_committed if self.shares_connections else open_at_read_committed
            writers = readers = set_level(writers)
        # A use is counted before its ciphertext exists: no crash of the server may take the count.
        # Statements on tables of the application need its search path: for its triggers, types and names.
        writers = writers.execution_options(**options, **{BEGIN_OPTION: "BEGIN IMMEDIATE"})
        self._host_writers = committed_durably(writers)
        self._host_readers = readers.execution_options(**options, **{BEGIN_OPTION: "BEGIN"})
        self.writers: sa.Engine = committed_durably(with_pinned_path(writers))
        """The engine of the ring's transactions that write, with the schema of the tables."""
        self._readers = with_pinned_path(self._host_readers)
        self.queries: dict[str, sa.Executable] = {name: self._query(name, schema) for name in _QUERIES.names}
        """By the names of their files."""
        self._is_closed = False
        self._make_places()
        self.open_transactions: OpenTransactions | None = (
            OpenTransactions(engine, self._repeat, waits) if self.dialect == "sqlite" else None
        )

    def _make_places(self) -> None:
        self._writing = self.waits.places(CONNECTIONS)
        self._changing = self.waits.places(max(CONNECTIONS - 1, 1))  # a root may be slow: uses have one left
        self._reading = self.waits.places(CONNECTIONS) if self.dialect == "sqlite" else self._writing

    def _query(self, name: str, schema: str) -> sa.Executable:
        query = sa.text(_QUERIES.render(name, self.dialect, schema))
        if name not in ("read_key", "read_tag", "declare_column"):
            query = query.bindparams(sa.bindparam("version", type_=sa.Uuid()))
        return query.columns(**_TYPES[name]) if name in _TYPES else query

    def close(self) -> None:
        """Close the connections of the ring. Whatever outlives it reads and writes nothing any more."""
        self._is_closed = True
        if self.open_transactions is not None:
            self.open_transactions.close()
        self._dispose()

    def _dispose(self) -> None:
        for engine in self._own:
            engine.dispose()

    def _check_open(self, key_id: str | None) -> None:
        if self._is_closed:
            raise RingClosedError("the key ring is closed", key_id=key_id)

    def leave_event_loop(self) -> None:
        """Leave the connections that belong to another event loop. Those of asyncpg cannot be closed in this one."""
        for engine in self._own:
            pool = engine.pool
            engine.dispose(close=False)
            if engine.dialect.driver != "asyncpg":
                pool.dispose()

    def forget_connections(self) -> None:
        """Leave the connections to the parent process, in a process that was forked."""
        self._make_places()
        for engine in self._own:
            engine.dispose(close=False)
        if self.open_transactions is not None:
            self.open_transactions.forget()

    def read_key(self, key_id: str) -> KeyState | None:
        """Return a key with its live version, or with none. Raises `DatabaseUnavailableError` and the like."""
        before = time.monotonic()
        return state_of(self._read("read_key", key_id, {"key_id": key_id}), before)

    def read_tag(self, tag: int, key_id: str | None = None) -> KeyState | None:
        """Return the version with a tag and its key; None if this role sees none."""
        before = time.monotonic()
        return state_of(self._read("read_tag", key_id, {"tag": tag}), before)

    def read_material(self, key_id: str, version: uuid.UUID) -> StoredVersion | None:
        """Return the envelope or the HSM's object of a version of a key; None if this role sees neither."""
        return version_of(self._read("read_material", key_id, {"version": version}), version)

    def _read(self, name: str, named: str | None, values: Mapping[str, object]) -> Sequence[sa.Row[Any]]:
        self._check_open(named)

        def read(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
            return connection.execute(self.queries[name], values).all()

        with translated(named, _USERS):
            if self.shares_connections and self.joined is not None:
                return read(self.joined)
            return self._twice(read, self._readers, self._reading)

    @property
    def joined(self) -> sa.Connection | None:
        """The connection of the application on which this thread has a transaction open, on SQLite."""
        return self.open_transactions.current() if self.open_transactions is not None else None

    def reserve(self, key_id: str, version: uuid.UUID, uses: int, size: int) -> bool:
        """Reserve uses and bytes of a version. Returns False where its state or a limit does not allow it."""
        given = {"version": version, "uses": uses, "bytes": size, "room": uses if uses <= 1 else 16 * uses}
        return self.write(key_id, self.queries["reserve"], given, again=self.queries["add_uses"])

    def add_bytes(self, key_id: str, version: uuid.UUID, size: int) -> None:
        """Count bytes of a version, whatever its state."""
        self.write(key_id, self.queries["add_uses"], {"version": version, "uses": 0, "bytes": size})

    def append(self, key_id: str, values: Mapping[str, Any]) -> None:
        """Append an entry to the audit log. A rollback of the application's transaction does not take it."""
        self.write(key_id, sa.insert(KeyAuditLog), values)

    def write(
        self, key_id: str, statement: sa.Executable, values: Mapping[str, Any], again: sa.Executable | None = None
    ) -> bool:
        """Execute a statement, which a rollback of the application's transaction does not take.

        Returns False if `again` is given and no row was changed: then there is nothing to execute again.

        It is done in a transaction of the ring, or in the open one of this thread on SQLite: a second one would wait
        for that. `again`, or the statement itself, is executed after its rollback. An open transaction that has only
        read may be too old to write, and is refused at once while another writes: then nothing waits for it. Of several
        transactions of a thread, one may have written.
        """

        def work(connection: sa.Connection) -> bool:
            done = connection.execute(statement, values)
            return again is None or done.rowcount == 1

        def repeat(connection: sa.Connection) -> None:
            connection.execute(statement if again is None else again, values)

        with translated(key_id, _USERS):
            self._check_open(None)
            if self.open_transactions is not None:
                done = self.open_transactions.perform(work, repeat)
                if done is not None:
                    return done[0]
                self.open_transactions.catch_up()
            return self._twice(work, self.writers, self._writing)

    def _repeat(self, work: Callable[[sa.Connection], None]) -> None:
        """Do again what a rollback has taken, also after the ring is closed."""
        try:
            self._twice(work, self.writers, self._writing)
        finally:
            if self._is_closed:
                self._dispose()

    def _twice(self, work: Callable[[sa.Connection], Result], engine: sa.Engine, places: Turn) -> Result:
        """Do `work` in a transaction; once more if the connection was lost, since a pool may hold a dead one.

        A COMMIT whose answer is lost may have happened: then uses are counted twice, which is allowed.
        """
        with places.held():
            try:
                with engine.begin() as connection:
                    return work(connection)
            except sa.exc.DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            with engine.begin() as connection:
                return work(connection)

    @contextmanager
    def session(
        self, key_id: str | None, needs: str, actor: str | None = None, *, at_any_revision: bool = False
    ) -> Iterator[Session]:
        """Open a session that commits unless an exception ends it. `needs` names the roles that may do this.

        Raises `DatabaseUnavailableError` where this thread has a transaction open in the same file of SQLite's. Raises
        it for a database below head unless `at_any_revision`: a revocation is more urgent than its entry.
        """
        self._check_open(key_id)
        if self.joined is not None:
            raise DatabaseUnavailableError(_IN_TRANSACTION, key_id=key_id)
        changing = nullcontext() if at_any_revision else self._changing.held()
        with (
            translated(key_id, needs), changing, self._writing.held(),
            Session(self.writers, expire_on_commit=False) as session,
        ):  # fmt: skip
            if not at_any_revision and not self._is_at_head:
                self._is_at_head = is_at_head(session.connection(), self.schema)  # once for each ring
                if not self._is_at_head:
                    raise DatabaseUnavailableError(BELOW_HEAD, key_id=key_id)
            with acting_for(session.connection(), actor) if actor is not None else nullcontext():
                yield session
                session.flush()
            session.commit()

    @contextmanager
    def transaction(self, key_id: str | None, needs: str, *, writing: bool = False) -> Iterator[sa.Connection]:
        """Open a transaction on tables of the application. Refused as `session` is, if it is `writing`."""
        self._check_open(key_id)
        if writing and self.joined is not None:
            raise DatabaseUnavailableError(_IN_TRANSACTION, key_id=key_id)
        engine = self._host_writers if writing else self._host_readers
        places = self._writing if writing else self._reading
        with translated(key_id, needs), places.held(), engine.begin() as connection:
            yield connection

    @contextmanager
    def shared_transaction(self, key_id: str | None) -> Iterator[sa.Connection]:
        """Open a transaction to read. One of a database in memory is the open one of this thread, if any.

        Elsewhere on SQLite, that one would be too old to write after others have written, if it began with this read.
        """
        self._check_open(key_id)
        joined = self.joined if self.shares_connections else None
        if joined is None:
            with self.transaction(key_id, _USERS) as connection:
                yield connection
        else:
            with translated(key_id, _USERS):
                yield joined

    @contextmanager
    def reading_session(self, key_id: str | None) -> Iterator[Session]:
        """Open a session that reads; errors of the driver become errors of the ring."""
        self._check_open(key_id)
        joined = self.joined if self.shares_connections else None
        with translated(key_id, _USERS), self._reading.held(), Session(joined or self._readers) as session:
            yield session
