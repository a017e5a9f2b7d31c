"""The transactions on a trail in PostgreSQL: what each sets, and how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kms_schema.audit.sealing.whole_commit import whole_commit
from kms_schema.audit.storage.postgresql.row_security import going_by_policies
from kms_schema.audit.storage.postgresql_trail import PostgresqlTrail
from kms_schema.audit.storage.trail import TrailError

if TYPE_CHECKING:
    import psycopg

_WRITING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    " SET LOCAL search_path = pg_catalog; SET LOCAL client_encoding = 'UTF8'"
)
_SETTINGS = (
    "SET LOCAL search_path = pg_catalog; SET LOCAL client_encoding = 'UTF8'; SET LOCAL statement_timeout = 0;"
    " SET LOCAL row_security = off"
)
# Every statement of a sealing transaction has a snapshot of its own, so that each is taken after the lock.
# A checkpoint is kept elsewhere as soon as its seal is committed: no crash may take that back, and no promotion of a
# standby that commits are to wait for.
_SEALING = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_SETTINGS}; SET LOCAL client_min_messages = warning;"
    " SELECT set_config('synchronous_commit', 'on', true)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
)
_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class OpenPostgresqlTrail:
    """Transactions on the trail behind an idle psycopg connection."""

    def __init__(self, connection: "psycopg.Connection[Any]", schema: str) -> None:
        """Raises `TrailError` for a connection in a transaction."""
        from psycopg.pq import TransactionStatus  # noqa: PLC0415  (whoever has a connection has it)

        if connection.info.transaction_status != TransactionStatus.IDLE:
            raise TrailError("the connection is in a transaction; give one that is idle")
        self._connection, self._schema = connection, schema

    @contextmanager
    def sealing(self) -> Iterator[PostgresqlTrail]:
        """Open a transaction that is committed, unless an exception ends it; other sealers wait for it."""
        with whole_commit(self._connection) as about_to_commit, self._transaction(_SEALING) as trail:
            trail.demand_seals()
            trail.lock()
            yield trail
            about_to_commit()

    @contextmanager
    def reading(self, jobs: int = 1) -> Iterator[PostgresqlTrail]:
        """Open one snapshot, read only; other processes import it, on a hot standby as well."""
        with self._transaction(f"{_READING}; {_SETTINGS}") as trail:
            trail.demand_seals()
            if jobs == 1:
                yield trail
                return
            from kms_schema.audit.verification.exported_snapshot import PostgresqlState  # noqa: PLC0415
            from kms_schema.audit.verification.worker_pool import started  # noqa: PLC0415

            with started(jobs - 1) as trail.others:
                trail.others.open(PostgresqlState.exported(self._connection, self._schema, trail.exported()))
                yield trail

    @contextmanager
    def reading_exported(self, snapshot: str) -> Iterator[PostgresqlTrail]:
        """Open the snapshot that another transaction has exported under this name."""
        name = snapshot.replace("'", "''")
        with self._transaction(f"{_READING}; SET TRANSACTION SNAPSHOT '{name}'; {_SETTINGS}") as trail:
            yield trail

    @contextmanager
    def writing(self) -> Iterator[PostgresqlTrail]:
        """Open a transaction that is committed, unless an exception ends it; row security holds as for anybody."""
        with self._transaction(_WRITING) as trail:
            trail.demand_entries()
            yield trail

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgresqlTrail]:
        from psycopg.rows import tuple_row  # noqa: PLC0415

        autocommit = self._connection.autocommit
        self._connection.autocommit = True
        try:
            with self._connection.cursor(row_factory=tuple_row) as cursor:
                cursor.execute(begin.encode())
                if "row_security" in begin:
                    cursor.execute(going_by_policies(self._schema).encode())
                trail = PostgresqlTrail(cursor, self._schema)
                try:
                    yield trail
                except BaseException:
                    if not self._connection.closed:
                        trail.stop()
                        cursor.execute("ROLLBACK")
                    raise
                cursor.execute("COMMIT")
        finally:
            if not self._connection.closed:
                self._connection.autocommit = autocommit
