"""The transaction of a probe on PostgreSQL.

It waits at most `lock_timeout` for a lock, and the server ends it soon if the client is idle. A killed probe closes its
connection, which ends it at once.
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from kms_schema.database.messages import LOCKED
from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import UnreadableError, ValidationError
from kms_schema.validator.catalog.postgresql_reader import rolled_back
from kms_schema.validator.probe.attempt import Engine, Statement
from kms_schema.validator.probe.session import Circumstance, Refusal

LOCK_SECONDS = 1
"""How long a statement waits for a lock."""

LATER_LOCK_MILLISECONDS = 20
"""How long each further statement waits after a lock timeout: the lock may be held for hours."""


# READ COMMITTED is required to destroy versions; the settings of the role decide whether it may write.
_BEGIN = f"""BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL lock_timeout = '{LOCK_SECONDS}s';
SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '10s';
SET LOCAL "DateStyle" = 'ISO, MDY'; SET LOCAL "TimeZone" = 'UTC'; SET LOCAL client_min_messages = error;
SET LOCAL row_security = on; SET CONSTRAINTS ALL IMMEDIATE"""
# One table stands for all: they have one owner.
_ACCESS = """SELECT current_setting('transaction_read_only') = 'on', pg_is_in_recovery(),
    coalesce((SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class
              WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND relname = 'key_audit_logs'),
             false)"""
_PLACE = re.compile(r"(?<![:\w]):(?P<name>[a-z_]\w*)")
# Missing privileges and objects, locks and cancelled statements, resources, read-only transactions, the server.
_NOT_OF_RULES = ("0A", "42", "55", "57", "40", "53", "54", "58", "08", "25006", "XX")
_REPLICA = Circumstance("session_replication_role = replica", foreign_keys=False, triggers_only=True)


class PostgresqlSession:
    """One transaction; made by `probing`."""

    engine: Engine = "postgresql"

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]], schema: str) -> None:
        """Check that the transaction may write; raises `UnreadableError`, and `ValidationError` on a standby."""
        self._cursor = cursor
        self._schema = quoted(schema) + "."
        self.version: int = cursor.connection.info.server_version // 10000
        self.circumstance: Circumstance = Circumstance("a plain session")
        self._waited_in_vain = False
        read_only, standby, self.is_owner = cursor.execute(_ACCESS, (schema,)).fetchone() or (True, False, False)
        if standby:
            raise ValidationError(
                "the server is a standby, which is read-only: probe its primary;"
                " a standby can be validated without --probe"
            )
        if read_only:
            raise UnreadableError("transactions of this role are read-only here (default_transaction_read_only)")

    def circumstances(self) -> Generator[Circumstance, None, None]:
        """Yield each circumstance, set; session_replication_role only if the role may set it."""
        yield self.circumstance
        with self.savepoint():
            if self.run(Statement("SET LOCAL session_replication_role = replica")) is None:
                self.circumstance = _REPLICA
                yield _REPLICA

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Open a savepoint that is always rolled back, with its locks and settings."""
        self._cursor.execute("SAVEPOINT kms_probe")
        if self._waited_in_vain:
            self._cursor.execute(f"SET LOCAL lock_timeout = '{LATER_LOCK_MILLISECONDS}ms'")
        try:
            yield
        finally:
            if not self._cursor.connection.broken:
                self._cursor.execute("ROLLBACK TO SAVEPOINT kms_probe; RELEASE SAVEPOINT kms_probe", prepare=False)

    def run(self, statement: Statement) -> Refusal | None:
        """Run a statement; after one that failed the savepoint has to be rolled back."""
        try:
            if statement.copied:
                with self._cursor.copy(self._text(statement).encode()) as copy:
                    for line in statement.copied:
                        copy.write(line + "\n")
            else:
                self._execute(statement)
        except psycopg.Error as error:
            if self._cursor.connection.broken:
                raise
            self._waited_in_vain = self._waited_in_vain or error.sqlstate == LOCKED
            return _refusal(error)
        return None

    def answer(self, question: Statement) -> Sequence[Any]:
        """Return the one row of a question."""
        self._execute(question)
        return self._cursor.fetchone() or ()

    def ignore_checks(self) -> None:
        """Do nothing: PostgreSQL has no such setting."""

    def _execute(self, statement: Statement) -> None:
        if statement.values:
            text = _PLACE.sub(r"%(\g<name>)s", self._text(statement).replace("%", "%%"))
            values = {name: _adapted(value) for name, value in statement.values.items()}
            self._cursor.execute(text.encode(), values, prepare=False)
        else:
            self._cursor.execute(self._text(statement).encode())

    def _text(self, statement: Statement) -> str:
        return statement.text.replace("{schema}.", self._schema)


@contextmanager
def probing(connection: psycopg.Connection[Any], schema: str) -> Iterator[PostgresqlSession]:
    """Open a transaction on an idle connection, and always roll it back."""
    with rolled_back(connection, _BEGIN) as cursor:
        yield PostgresqlSession(cursor, schema)


def _adapted(value: Any) -> Any:
    """Return a document as JSON text."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def _refusal(error: psycopg.Error) -> Refusal:
    sqlstate = error.sqlstate or ""
    message = (error.diag.message_primary or str(error).strip() or "no message").splitlines()[0]
    says = error.diag.constraint_name or error.diag.column_name or ""
    return Refusal(message, says, sqlstate, not sqlstate.startswith(_NOT_OF_RULES))
