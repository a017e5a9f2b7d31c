"""Detect a proxy between this connection and the server whose clients share server processes.

PgBouncer in transaction or statement mode gives each transaction to any server process that is free. A session's
advisory lock and settings then pass to the next client of that process: an upgrade refuses to begin there.
"""

import sys
import time
from contextlib import ExitStack, closing
from typing import Any

import sqlalchemy as sa

from kms_schema.database.messages import sqlstate_of
from kms_schema.database.url import redact
from kms_schema.migrate.faults import GO_DIRECTLY, CannotMigrateError, connection_lost
from kms_schema.migrate.session import OF_PSYCOPG, PostgresqlSession

WHICH_PROCESS = "SELECT pg_catalog.pg_backend_pid()"

ADMIN_SHUTDOWN = "57P01"
"""The SQLSTATE of a server process that was terminated; a proxy closes connections for other reasons."""

NEIGHBOURS = 4
"""More connections through the same proxy: several PgBouncers may share one address, each with its own pool."""
ROUNDS = 20
ROUND_SECONDS = 0.01
CONNECT_SECONDS = 5


class _Processes:
    """The server process of each client; in session mode each client has one of its own."""

    def __init__(self) -> None:
        self._process_of: dict[object, int] = {}
        self._client_of: dict[int, object] = {}

    def are_shared(self, client: object, process: int) -> bool:
        """Return whether a client was given two server processes, or two clients this one."""
        return (
            self._process_of.setdefault(client, process) != process
            or self._client_of.setdefault(process, client) is not client
        )


class _Neighbour:
    """Another client of the same proxy, which never waits for an answer.

    In session mode it gets no process while the pool is used up, by other upgrades perhaps. That does not mean that
    processes are shared: such a pool would have given it the one that this session leaves idle.
    """

    def __init__(self, driver: Any) -> None:
        info = driver.info
        parameters = {**info.get_parameters(), "host": info.host, "port": info.port, "password": info.password}
        # That of psycopg, since the driver may be asynchronous.
        connect = sys.modules["psycopg"].connect
        self._connection = connect(**{**parameters, "connect_timeout": CONNECT_SECONDS})
        self._asked = False

    def answer(self) -> int | None:
        """Return the process that answered the last query, if it has, and send the query again."""
        protocol = self._connection.pgconn
        process = None
        if self._asked:
            protocol.consume_input()
            if protocol.is_busy():
                return None
            process = _only_value(protocol)
        protocol.send_query(WHICH_PROCESS.encode())
        self._asked = True
        return process

    def close(self) -> None:
        self._connection.close()


def _only_value(protocol: Any) -> int | None:
    value = None
    while (result := protocol.get_result()) is not None:
        if result.ntuples == 1:
            value = int(result.get_value(0, 0))
    return value


def refuse_shared_processes(connection: sa.Connection) -> None:
    """Raise `CannotMigrateError` if the proxy that `connection` goes through gives a process to several clients."""
    session = PostgresqlSession(connection)
    try:
        shared = _shares_processes(session)
    except session.driver_error as error:
        if sqlstate_of(error) == ADMIN_SHUTDOWN:
            raise connection_lost(_address(connection), str(error)) from error
        raise CannotMigrateError(
            f"the check whether the proxy at {_address(connection)} pools transactions failed ({str(error).strip()}): "
            f"{GO_DIRECTLY}"
        ) from error
    if shared is None:
        raise CannotMigrateError(
            f"there is a proxy at {_address(connection)}, and only psycopg can find out whether it pools transactions: "
            f"use the driver psycopg (postgresql+psycopg://), or {GO_DIRECTLY}"
        )
    if shared:
        raise CannotMigrateError(
            f"a proxy at {_address(connection)} pools transactions, but an upgrade needs a session: {GO_DIRECTLY}"
        )


def _shares_processes(session: PostgresqlSession) -> bool | None:
    """Return whether there is a proxy that shares processes; None if this driver opens no neighbours to find out.

    A pool at rest may give the same process to the same client each time, so that client alone cannot tell; its
    neighbours then get that process as well. No client is in a transaction here, so none waits for another.
    """
    processes = _Processes()
    for _ in range(NEIGHBOURS):
        if processes.are_shared(session, session.value(WHICH_PROCESS)):
            return True
    # At its start the connection got the id of the process itself, or one that the proxy made up.
    if session.process == session.value(WHICH_PROCESS):
        return False
    if session.driver_name not in OF_PSYCOPG:
        return None
    with ExitStack() as opened:
        neighbours = [opened.enter_context(closing(_Neighbour(session.driver))) for _ in range(NEIGHBOURS)]
        for _ in range(ROUNDS):
            for neighbour in neighbours:
                if (process := neighbour.answer()) is not None and processes.are_shared(neighbour, process):
                    return True
            if processes.are_shared(session, session.value(WHICH_PROCESS)):
                return True
            time.sleep(ROUND_SECONDS)
    return False


def _address(connection: sa.Connection) -> str:
    return redact(connection.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
