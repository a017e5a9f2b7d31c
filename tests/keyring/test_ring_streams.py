"""Streams through the ring: they count as they are read, and heed what happens to the key meanwhile."""

import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from kms_schema.keyring import CachePolicy, DecryptionError, KeyRevokedError, KeyRing, RingClosedError
from kms_schema.keyring.formats.streams import SEGMENT_BYTES
from support.engines import Database
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import used, value

DATA = bytes(5 * SEGMENT_BYTES)
VOLUME = "SELECT data_volume_bytes FROM key_versions WHERE ciphertext_tag = :tag"


class Source(io.BytesIO):
    """Calls something when it is read for the fifth time: a part is yielded then, and others are to come."""

    def __init__(self, content: bytes, happens: Callable[[], object]) -> None:
        super().__init__(content)
        self._happens = happens
        self._reads = 0

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._reads += 1
        if self._reads == 5:
            self._happens()
        return super().readinto(buffer)


@pytest.fixture
def other(make_ring: MakeRing) -> KeyRing:
    """A ring as another process has it, which says nothing to the first one."""
    return make_ring()


def encrypted(ring: KeyRing, key_id: str, content: bytes = DATA) -> bytes:
    return b"".join(ring.key(key_id).encrypt_stream(io.BytesIO(content), aad=b"a"))


def test_a_rotation_or_expiry_does_not_end_a_stream(
    ring: KeyRing, other: KeyRing, orders: str, database: Database
) -> None:
    for happens in (lambda: other.rotate(orders), lambda: other.expire(orders)):
        source = Source(DATA, happens)
        blob = b"".join(ring.key(orders).encrypt_stream(source, aad=b"a"))
        assert b"".join(ring.key(orders).decrypt_stream(io.BytesIO(blob), aad=b"a")) == DATA
        assert value(database, VOLUME, tag=int.from_bytes(blob[1:5], "big")) >= len(DATA)


def test_a_revocation_ends_streams_in_both_directions(
    make_ring: MakeRing, other: KeyRing, orders: str, database: Database
) -> None:
    ring = make_ring(cache=CachePolicy(max_age=1e-9))
    blob = encrypted(ring, orders)
    source = Source(blob, lambda: other.revoke(orders, reason="leaked"))
    parts = []
    with pytest.raises(KeyRevokedError):
        parts.extend(ring.key(orders).decrypt_stream(source, aad=b"a"))
    assert 1 <= len(parts) < 5
    with pytest.raises(KeyRevokedError):
        ring.key(orders).encrypt_stream(io.BytesIO(DATA), aad=b"a")
    assert used(database, orders) == 1


def test_a_revocation_is_seen_before_more_bytes_are_reserved(ring: KeyRing, other: KeyRing, orders: str) -> None:
    source = Source(DATA, lambda: other.revoke(orders, reason="leaked"))
    with pytest.raises(KeyRevokedError):
        list(ring.key(orders).encrypt_stream(source, aad=b"a"))


def test_bytes_are_counted_before_they_are_encrypted(ring: KeyRing, orders: str, database: Database) -> None:
    parts = ring.key(orders).encrypt_stream(io.BytesIO(DATA), aad=b"a")
    next(parts)
    next(parts)
    tag = ring.inspect(ring.key(orders).encrypt(b"", aad=b"")).tag
    assert value(database, VOLUME, tag=tag) >= 2 * (SEGMENT_BYTES - 16) - 40
    assert used(database, orders) >= 2


def test_one_error_for_what_does_not_open(ring: KeyRing, orders: str) -> None:
    blob = encrypted(ring, orders, b"short")
    for content, aad in ((blob[:-1], b"a"), (blob, b"b"), (blob[:20], b"a"), (b"", b"a"), (b"\x01" + blob[1:], b"a")):
        with pytest.raises(DecryptionError) as caught:
            list(ring.key(orders).decrypt_stream(io.BytesIO(content), aad=aad))
        assert (caught.value.key_id, caught.value.__context__) == (orders, None)


def test_a_closed_ring_and_a_forked_process_end_a_stream(
    ring: KeyRing, make_ring: MakeRing, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = make_ring()
    parts = closed.key(orders).encrypt_stream(io.BytesIO(DATA), aad=b"a")
    closed.close()
    with pytest.raises(RingClosedError, match="is closed"):
        list(parts)
    parts = ring.key(orders).encrypt_stream(io.BytesIO(DATA), aad=b"a")
    monkeypatch.setattr("kms_schema.keyring.key.os", SimpleNamespace(getpid=lambda: 1))  # of streams only
    with pytest.raises(RingClosedError, match="parent process"):
        list(parts)
