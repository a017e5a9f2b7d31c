"""The wire between one client of PostgreSQL and its server, on which everything that they say is seen.

It speaks the frontend/backend protocol, version 3, as far as a migration does: a client that sends one statement and
waits for the answer, without COPY and without encryption. What the driver adds by itself, such as BEGIN, is seen too.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from typing import BinaryIO, NamedTuple, Self

import sqlalchemy as sa

SECONDS = 120
"""How long either side may be silent before the test fails."""

AUTHENTICATION, BACKEND_KEY_DATA, READY_FOR_QUERY = b"R", b"K", b"Z"
AUTHENTICATIONS_THAT_ASK = (3, 5, 10, 11)
"""Passwords, and the two steps of SASL that the client must answer."""


class Moment(Enum):
    """Where a statement is."""

    SENT = "sent, and not yet with the server"
    RUNNING = "with the server"
    EXECUTED = "executed, and the answer not yet with the client"


class Message(NamedTuple):
    """A message of the protocol."""

    kind: bytes
    body: bytes

    def encoded(self) -> bytes:
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


class Wire:
    """Passes on what one client and its server say, and stops at each statement."""

    def __init__(self, url: str) -> None:
        """Listen for the client of the server at `url`."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self._sockets = [self._listener]
        self._server = server = sa.make_url(url)
        here = server.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        plainly = here.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
        self.url = plainly.render_as_string(hide_password=False)
        """What the client must connect to."""
        self.backend_pid = 0
        """The server's process."""
        self.answer_is_lost = False
        """Whether the client never gets the present answer, only what comes after it."""
        self._prepared: dict[bytes, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on both sides."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def statements(self) -> Iterator[tuple[Moment, str]]:
        """Yield each statement at its three moments, until the client or the server is gone."""
        with self._open(self._listener.accept()[0]) as client:
            there = (self._server.host or "127.0.0.1", self._server.port or 5432)
            with self._open(socket.create_connection(there)) as server:
                self._introduce(client, server)
                while request := _request(client):
                    yield from self._exchange(request, client, server)

    def _exchange(self, request: list[Message], client: BinaryIO, server: BinaryIO) -> Iterator[tuple[Moment, str]]:
        """Carry a request to the server and the answer back."""
        text = self._statement(request)
        if text is not None:
            yield Moment.SENT, text
        _send(server, *request)
        if text is not None:
            yield Moment.RUNNING, text
        answer = _answer(server)
        if text is not None:
            yield Moment.EXECUTED, text
        if self.answer_is_lost:
            answer = _answer(server)
        _send(client, *answer)
        if not (answer and answer[-1].kind == READY_FOR_QUERY):
            self.close()  # as the server did

    def _statement(self, request: list[Message]) -> str | None:
        """Return the statement that a request has executed; None if it has none executed, only prepared."""
        bound, text = b"", None
        for kind, body in request:
            if kind == b"Q":
                text = body.rstrip(b"\0").decode()
            elif kind == b"P":
                name, query, _ = body.split(b"\0", 2)
                self._prepared[name] = query.decode()
            elif kind == b"B":
                _, bound, _ = body.split(b"\0", 2)
            elif kind == b"E":
                text = self._prepared[bound]
        return text

    def _introduce(self, client: BinaryIO, server: BinaryIO) -> None:
        """Let the client log in."""
        startup = client.read(4)
        server.write(startup + client.read(struct.unpack("!I", startup)[0] - 4))
        server.flush()
        while message := _message(server):
            _send(client, message)
            if message.kind == BACKEND_KEY_DATA:
                self.backend_pid = struct.unpack("!I", message.body[:4])[0]
            if message.kind == AUTHENTICATION and message.body[3] in AUTHENTICATIONS_THAT_ASK:
                password = _message(client)
                assert password is not None
                _send(server, password)
            if message.kind == READY_FOR_QUERY:
                break

    def _open(self, connection: socket.socket) -> BinaryIO:
        connection.settimeout(SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(connection)
        return connection.makefile("rwb")  # type: ignore[return-value]


def _request(client: BinaryIO) -> list[Message]:
    """Read until the server is expected to answer; nothing if the client has left."""
    request: list[Message] = []
    while message := _message(client):
        if message.kind == b"X":
            return []
        request.append(message)
        if message.kind in (b"Q", b"S"):
            return request
    return []


def _answer(server: BinaryIO) -> list[Message]:
    """Read until the server is ready for the next query, or has left."""
    answer: list[Message] = []
    while message := _message(server):
        answer.append(message)
        if message.kind == READY_FOR_QUERY:
            break
    return answer


def _message(side: BinaryIO) -> Message | None:
    """Read a message; None if there will be no more."""
    try:
        header = side.read(5)
        if len(header) < 5:
            return None
        length = struct.unpack("!I", header[1:])[0] - 4
        return Message(header[:1], side.read(length))
    except (ConnectionError, ValueError):  # ValueError: closed on this side
        return None


def _send(side: BinaryIO, *messages: Message) -> None:
    """Send messages, if the other side still listens."""
    with suppress(ConnectionError):
        side.write(b"".join(message.encoded() for message in messages))
        side.flush()
