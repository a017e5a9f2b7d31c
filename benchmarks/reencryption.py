"""P15: a column re-encrypted under load and under kills, compared with the same batches of random bytes.

The bare script reads, locks, writes and reads back the same pages of a copy of the table, without cryptography, counts
and kills, beside the same readers and writers.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.moonshot.application import Application
from benchmarks.moonshot.clients import clients
from benchmarks.moonshot.journey import Journey
from benchmarks.moonshot.outcome import Outcome
from benchmarks.moonshot.processes import start
from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import Times
from kms_schema.keyring.formats.prefix import Form, write_prefix
from support.engines import Database
from support.engines.database import Connection

KILLS = 3
ROUNDS = 2
"""Each of both runs first in one of them."""
_TAG = (
    "SELECT version.ciphertext_tag FROM key_versions AS version"
    " JOIN key_masters AS master ON master.id = version.key_id WHERE master.key_id = :key"
    " AND version.activated_at IS NOT NULL AND version.deactivated_at IS NULL"
)


def measure(places: Places) -> list[Measured]:
    """Take a key from due to destroyed, then compare the rates."""
    with places.empty() as database, TemporaryDirectory() as folder:
        journey = Journey(database, Path(folder), places.scale.rows, kills=min(KILLS, places.scale.rows // 100))
        done = journey.run()
        taken: dict[str, list[float]] = {"reencrypt": [], "bare": []}
        application = journey.application
        for turn in range(min(ROUNDS, places.options.repetitions)):
            old = _copied(application)
            with application.opened() as (_, ring, _table):
                ring.rotate(application.name)
            runs: dict[str, Callable[[], object]] = {
                "reencrypt": lambda: journey.reencrypt(application, Outcome("", 0, 0, 0, 0), journey.kills),
                "bare": lambda old=old: _written(application, old, journey.batch),  # type: ignore[misc]
            }
            for name in reversed(runs) if turn % 2 else runs:
                with clients(application, journey.load) as counts:
                    began = time.perf_counter()
                    runs[name]()
                    taken[name].append((time.perf_counter() - began) * 1000)
                done.counts.add(vars(counts))
    times = {name: Times(tuple(each)) for name, each in taken.items()}
    # A file of SQLite writes a row in a few microseconds, in which nothing can be opened and encrypted.
    limit = None if places.is_sqlite else Limit(0.5, at_least=True)
    failed = done.failed_decryptions + done.left + (not done.destroyed)
    what = f"re-encrypt {done.rows} rows, {done.reencrypt_kills} kills"
    return [
        Measured(f"{what}: failed decryptions, rows left", failed, Limit(0)),
        Measured(
            f"{what} ÷ random bytes, rate", times["bare"].least / times["reencrypt"].least, limit, times
        ),
        Measured("to compare: re-encrypt a row", 1000 * times["reencrypt"].least / done.rows, None, unit=" µs"),
    ]  # fmt: skip


def _copied(application: Application) -> bytes:
    """Copy the table, and return the first bytes of its ciphertexts."""
    bytes_ = "bytea" if application.database.dialect == "postgresql" else "BLOB"
    for statement in (
        "DROP TABLE IF EXISTS copied",
        f"CREATE TABLE copied (id integer PRIMARY KEY, iban {bytes_})",
        f"INSERT INTO copied SELECT id, iban FROM {application.name}",
        "ANALYZE",
    ):
        application.change(statement)
    return write_prefix(Form.MESSAGE, application.value(_TAG, key=application.name))


def _written(application: Application, old: bytes, batch: int) -> None:
    process = start(lambda _stopped: {"rows": write(application.database, old, batch)})
    written = process.read()
    if not written:
        raise RuntimeError("the bare script failed")


@dataclass(frozen=True)
class _Bare:
    """The statements of a bare script on one engine."""

    connection: Connection
    mark: str

    @classmethod
    def on(cls, connection: Connection, dialect: str) -> "_Bare":
        if dialect == "sqlite":
            connection.execute("PRAGMA busy_timeout = 30000")
        return cls(connection, "%s" if dialect == "postgresql" else "?")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN" if self.mark == "%s" else "BEGIN IMMEDIATE")
        yield
        self.connection.execute("COMMIT")

    def rows(self, condition: str, values: list[Any], ending: str = "") -> dict[int, bytes]:
        query = f"SELECT id, iban FROM copied WHERE {condition.replace('?', self.mark)} ORDER BY id {ending}"
        cursor: Any = self.connection.cursor()
        return {row: bytes(blob) for row, blob in cursor.execute(query, values).fetchall()}

    def replace(self, changes: list[tuple[bytes, bytes, int]]) -> None:
        statement = "UPDATE copied SET iban = ? WHERE iban = ? AND id = ?".replace("?", self.mark)
        cursor: Any = self.connection.cursor()
        cursor.executemany(statement, changes)


def write(database: Database, old: bytes, batch: int) -> int:
    """Replace all values of the copy that begin with `old` by random bytes, in pages; return how many there were."""
    until = (int.from_bytes(old, "big") + 1).to_bytes(len(old), "big")
    after, count = 0, 0
    with closing(database.connect()) as connection:
        bare = _Bare.on(connection, database.dialect)
        lock = "FOR NO KEY UPDATE SKIP LOCKED" if database.dialect == "postgresql" else ""
        while page := bare.rows("iban >= ? AND iban < ? AND id > ?", [old, until, after], f"LIMIT {batch}"):
            after = max(page)
            among, keys = f"id IN ({', '.join('?' * len(page))})", [*page]
            fresh = {row: b"\x01" + secrets.token_bytes(len(blob) - 1) for row, blob in page.items()}
            with bare.transaction():
                locked = bare.rows(among, keys, lock)
                bare.replace([(fresh[row], page[row], row) for row in keys if locked.get(row) == page[row]])
                if bare.rows(among, keys) != fresh:
                    raise RuntimeError("the table does not have what was written")
            count += len(page)
    return count
