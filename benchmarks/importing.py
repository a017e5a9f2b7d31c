"""P12: import of many keys from another store, as in docs/importing.md: every rule is checked and every row recorded.

The keys have a live version each, and one KEK for each thousand, in statements of a hundred thousand rows. There is no
target for the time of a row. The target is that the audit log has all of them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import Any

from benchmarks.data.keys import METADATA
from benchmarks.data.loading import add, batches, transaction
from benchmarks.data.size import Ages
from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import Times
from support.engines.database import Connection
from support.statements import execute

KEYS_A_KEK = 1_000
AT_ONCE = 100_000
MASTERS = (
    "id", "key_id", "key_type", "algorithm", "key_size_bits", "status", "created_at", "activated_at", "parent_key_id",
)  # fmt: skip
VERSIONS = (
    "id", "key_id", "version_number", "encrypted_key_data", "key_checksum", "encryption_metadata",
    "wrapped_by_version_id", "wrapping_key_ref", "created_at", "activated_at",
)  # fmt: skip
ENTRIES = "SELECT count(*) FROM key_audit_logs WHERE event_type IN ({types})"
OF_KEYS, OF_VERSIONS = "'KEY_CREATED', 'KEY_ACTIVATED'", "'VERSION_CREATED', 'VERSION_ACTIVATED'"
ENTRIES_EACH = 2
"""The entries of a key and a version: created, and activated."""


def measure(places: Places) -> list[Measured]:
    """Import as many keys as in the measurement of `rotations_due`."""
    number = places.scale.due_among
    store = _Store(number, places.options.seed)
    with places.empty() as database, closing(database.connect()) as connection:
        _timed(connection, "key_masters", MASTERS, lambda: store.masters(keks=True))
        _timed(connection, "key_versions", VERSIONS, lambda: store.versions(keks=True))
        of_keys = _timed(connection, "key_masters", MASTERS, store.masters)
        of_versions = _timed(connection, "key_versions", VERSIONS, store.versions)
        entries = [_count(connection, types) for types in (OF_KEYS, OF_VERSIONS)]
    expected = ENTRIES_EACH * (number + store.keks)
    return [
        Measured(f"import {number} keys: entries recorded ÷ due", min(entries) / expected, Limit(1, at_least=True)),
        _each("a key", of_keys, number),
        _each("a version", of_versions, number),
    ]


def _each(what: str, times: Times, number: int) -> Measured:
    microseconds = 1000 * sum(times.milliseconds) / number
    return Measured(f"to compare: import {what}, of {number}", microseconds, None, {what: times}, unit=" µs")


def _timed(connection: Connection, table: str, columns: tuple[str, ...], rows: Callable[[], Iterator[Any]]) -> Times:
    """Add rows, a number of them in each transaction; return the time of each transaction."""
    times = []
    for batch in batches(rows(), AT_ONCE):
        began = time.perf_counter()
        with transaction(connection):
            add(connection, table, columns, batch)
        times.append((time.perf_counter() - began) * 1000)
    return Times(tuple(times))


def _count(connection: Connection, types: str) -> int:
    ((count,),) = execute(connection, ENTRIES.format(types=types)).fetchall()
    return int(count)


class _Store:
    """The imported rows. An id contains the number of its key, so that no mapping is needed."""

    def __init__(self, keys: int, seed: int) -> None:
        self._keys = keys
        self.keks = 1 + (keys - 1) // KEYS_A_KEK
        self._random = Random(f"{seed} import")
        self._then = Ages.from_now().ago(1)

    def masters(self, *, keks: bool = False) -> Iterator[tuple[Any, ...]]:
        for number in range(self.keks if keks else self._keys):
            name, parent = (f"kek-{number}", None) if keks else (f"dek-{number}", f"kek-{number // KEYS_A_KEK}")
            kind = "kek" if keks else "dek"
            identifier = _id("a" if keks else "b", number)
            yield (identifier, name, kind, "AES-256-GCM", 256, "active", self._then, self._then, parent)

    def versions(self, *, keks: bool = False) -> Iterator[tuple[Any, ...]]:
        for number in range(self.keks if keks else self._keys):
            key, identifier = (_id(kind, number) for kind in ("ac" if keks else "bd"))
            wrapper = None if keks else _id("c", number // KEYS_A_KEK)
            envelope = b"\x01" + self._random.randbytes(12 + 32 + 16)
            checksum = self._random.randbytes(32).hex()
            root = "kms://root" if keks else None
            yield (identifier, key, 1, envelope, checksum, METADATA, wrapper, root, self._then, self._then)


def _id(kind: str, number: int) -> str:
    return f"{kind}0000000000040008{number:015x}"
