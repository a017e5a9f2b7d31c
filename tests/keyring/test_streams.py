"""Streams: what is read, in which parts, with how much memory, and everything that is refused."""

import hashlib
import hmac
import io
import itertools
import os
import random
import threading
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.crypto import Secret
from kms_schema.keyring.formats import streams
from kms_schema.keyring.formats.errors import CipherKeyError, DoesNotOpenError, MessageSizeError, NotACiphertextError
from kms_schema.keyring.formats.prefix import PREFIX_BYTES, Form, write_prefix
from kms_schema.keyring.formats.streams import decrypt_stream, encrypt_stream, read_stream_tag, stream_bytes, stream_key

TAG, AAD, KEY = 2001, b"report", bytes(range(32))
SEGMENT = 64
"""Bytes of a segment in most tests: 8 bytes of plaintext in the first, 48 in each that follows."""
PLAINTEXT = bytes(range(8 + 48 + 48 + 5))


@pytest.fixture(name="small")
def fixture_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SEGMENT_BYTES", SEGMENT)


SMALL = pytest.mark.usefixtures("small")


def encrypted(plaintext: bytes, key: bytes = KEY, tag: int = TAG, aad: bytes = AAD) -> bytes:
    return b"".join(encrypt_stream(io.BytesIO(plaintext), Secret.copy_of(key), tag=tag, aad=aad))


def decrypted(blob: bytes, key: bytes = KEY, tag: int = TAG, aad: bytes = AAD) -> bytes:
    """Return the plaintext of a stream with its prefix, whose tag is not compared."""
    return b"".join(decrypt_stream(io.BytesIO(blob[PREFIX_BYTES:]), Secret.copy_of(key), tag=tag, aad=aad))


def parts_before_error(blob: bytes) -> list[bytes]:
    """Return the parts that are yielded before the one error."""
    parts: list[bytes] = []
    with pytest.raises(DoesNotOpenError, match="does not open") as caught:
        parts.extend(decrypt_stream(io.BytesIO(blob[PREFIX_BYTES:]), Secret.copy_of(KEY), tag=TAG, aad=AAD))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return parts


class Pipe(io.RawIOBase):
    """Gives as much at a time as it likes."""

    def __init__(self, content: bytes, seed: int) -> None:
        self.content, self.random = io.BytesIO(content), random.Random(seed)  # noqa: S311

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self.content.readinto(buffer[: self.random.randint(1, len(buffer))])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(
    key=st.binary(min_size=32, max_size=32),
    tag=st.integers(1, 2**32 - 1),
    plaintext=st.binary(max_size=400),
    aad=st.binary(max_size=40),
    sizes=st.tuples(st.integers(57, 120), st.integers(0, 99)),
)
def test_a_stream_opens_again(key: bytes, tag: int, plaintext: bytes, aad: bytes, sizes: tuple[int, int]) -> None:
    segment, seed = sizes
    with pytest.MonkeyPatch.context() as patch, Secret.copy_of(key) as material:
        patch.setattr(streams, "SEGMENT_BYTES", segment)
        parts = list(encrypt_stream(Pipe(plaintext, seed), material, tag=tag, aad=aad))
        assert max(map(len, parts[1:])) <= segment
        assert sum(map(len, parts)) == stream_bytes(len(plaintext))
        source = Pipe(b"".join(parts), seed)
        assert read_stream_tag(source) == tag
        assert b"".join(decrypt_stream(source, material, tag=tag, aad=aad)) == plaintext


@SMALL
def test_whole_segments_are_yielded_and_the_last_of_a_cut_stream_is_not() -> None:
    blob = encrypted(PLAINTEXT)
    whole = [PLAINTEXT[:8], PLAINTEXT[8:56], PLAINTEXT[56:104], PLAINTEXT[104:]]
    opened = decrypt_stream(io.BytesIO(blob[PREFIX_BYTES:]), Secret.copy_of(KEY), tag=TAG, aad=AAD)
    assert list(opened) == whole
    for length in range(PREFIX_BYTES, len(blob)):
        there = (length - PREFIX_BYTES) // SEGMENT  # full segments, the header counted
        ends_with_one = (length - PREFIX_BYTES) % SEGMENT == 0
        assert parts_before_error(blob[:length]) == whole[: max(0, there - ends_with_one)], length


@SMALL
def test_each_changed_bit_is_found_before_its_segment_is_yielded() -> None:
    blob = encrypted(PLAINTEXT)
    whole = [PLAINTEXT[:8], PLAINTEXT[8:56], PLAINTEXT[56:104]]
    for place in range(PREFIX_BYTES, len(blob)):
        for bit in range(8):
            changed = blob[:place] + bytes([blob[place] ^ 1 << bit]) + blob[place + 1 :]
            assert parts_before_error(changed) == whole[: (place - PREFIX_BYTES) // SEGMENT]


def segments(blob: bytes) -> list[bytes]:
    """Return prefix and header with the first segment, then each other segment."""
    cuts = [0, *range(PREFIX_BYTES + SEGMENT, len(blob), SEGMENT), len(blob)]
    return [blob[begin:end] for begin, end in itertools.pairwise(cuts)]


def spliced(change: Callable[[list[bytes], list[bytes]], list[bytes]]) -> bytes:
    """Return a stream made of the segments of two streams under the same key, tag and associated data."""
    return b"".join(change(segments(encrypted(PLAINTEXT)), segments(encrypted(PLAINTEXT))))


@SMALL
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda a, _: [a[0], a[2], a[1], a[3]], 1),
        (lambda a, _: [a[0], a[1], a[3], a[2]], 2),
        (lambda a, _: [a[0], a[1], a[1], a[2], a[3]], 2),
        (lambda a, _: [a[0], a[2], a[3]], 1),
        (lambda a, _: [a[0], a[1], a[3]], 2),
        (lambda a, b: [a[0], b[1], a[2], a[3]], 1),
        (lambda a, b: [a[0], a[1], a[2], b[3]], 3),
        (lambda a, b: [*a, *b], 3),
        (lambda a, _: [*a, b"\0"], 3),
        (lambda a, _: [*a, a[3]], 3),
        (lambda a, _: [*a, bytes(SEGMENT)], 3),
    ],
    ids=[
        "swapped", "last before", "twice", "one missing", "one before the last missing", "one of another stream",
        "last of another stream", "two streams", "a byte more", "last twice", "zeros behind",
    ],
)  # fmt: skip
def test_segments_keep_their_places(change: Callable[[list[bytes], list[bytes]], list[bytes]], parts: int) -> None:
    assert decrypted(spliced(lambda a, _: a)) == PLAINTEXT
    assert len(parts_before_error(spliced(change))) == parts


@SMALL
def test_a_stream_is_bound_to_tag_key_and_associated_data() -> None:
    blob = encrypted(PLAINTEXT)
    for others in ({"key": bytes(32)}, {"tag": TAG + 1}, {"aad": b""}, {"aad": AAD + b"\0"}):
        with pytest.raises(DoesNotOpenError):
            decrypted(blob, **others)  # type: ignore[arg-type]


def test_an_empty_file_has_a_ciphertext_and_it_is_authenticated() -> None:
    blob = encrypted(b"")
    assert len(blob) == stream_bytes(0) == Form.STREAM.least_bytes == 61
    assert decrypted(blob) == b""
    for length in range(PREFIX_BYTES, len(blob)):
        assert parts_before_error(blob[:length]) == []


def test_a_header_that_is_none_is_refused_by_the_call() -> None:
    for start in (b"", bytes(39), b"\x28" + bytes(38), bytes(60), b"\x27" + bytes(60)):
        with pytest.raises(DoesNotOpenError):
            decrypt_stream(io.BytesIO(start), Secret.copy_of(KEY), tag=TAG, aad=AAD)


@SMALL
def test_a_salt_and_a_nonce_are_used_once() -> None:
    headers = {encrypted(b"")[PREFIX_BYTES : PREFIX_BYTES + 40] for _ in range(300)}
    assert len({header[1:33] for header in headers}) == len({header[33:] for header in headers}) == 300


def test_the_tag_of_a_stream() -> None:
    assert read_stream_tag(io.BytesIO(encrypted(b"", tag=7))) == 7
    for start in (b"", b"\2\0\0\0", b"\2\0\0\0\0", b"PLAINTEXT"):
        with pytest.raises(NotACiphertextError, match=r"^no ciphertext: it does not begin"):
            read_stream_tag(io.BytesIO(start))
    with pytest.raises(NotACiphertextError, match="it is a message"):
        read_stream_tag(io.BytesIO(write_prefix(Form.MESSAGE, 7)))


def test_the_key_of_streams_is_derived() -> None:
    with stream_key(Secret.copy_of(KEY)) as key:
        assert bytes(key.view) == hmac.digest(KEY, b"kms-schema/stream/v1", hashlib.sha256)
    for size in (0, 16, 31, 33):
        for use in (encrypt_stream, decrypt_stream):
            with pytest.raises(CipherKeyError, match=f"has 32 bytes, this one has {size}$"):
                use(io.BytesIO(encrypted(b"")[PREFIX_BYTES:]), Secret(bytearray(size)), tag=TAG, aad=AAD)
    with pytest.raises(CipherKeyError, match="1 to 4294967295"):
        encrypt_stream(io.BytesIO(), Secret.copy_of(KEY), tag=0, aad=AAD)


@SMALL
def test_the_number_of_segments_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert streams._MAX_SEGMENTS == 2**32, "the number has four bytes in the nonce"
    blob = encrypted(PLAINTEXT)
    monkeypatch.setattr(streams, "_MAX_SEGMENTS", 3)
    assert decrypted(encrypted(PLAINTEXT[:104])) == PLAINTEXT[:104]
    with pytest.raises(MessageSizeError, match="at most 3 segments"):
        encrypted(PLAINTEXT)
    assert len(parts_before_error(blob)) == 3


def test_a_pipe_of_the_system() -> None:
    """A reader that gets what a writer in another thread sends, in parts of the system's choice."""
    plaintext = random.Random(1).randbytes(3 * 2**20 + 17)  # noqa: S311
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb", buffering=0) as target:  # noqa: PTH123
            for part in encrypt_stream(io.BytesIO(plaintext), Secret.copy_of(KEY), tag=TAG, aad=AAD):
                rest = part
                while rest:
                    rest = rest[target.write(rest) :]

    writer = threading.Thread(target=write)
    writer.start()
    with open(reading, "rb", buffering=0) as source:  # noqa: PTH123
        assert read_stream_tag(source) == TAG
        assert b"".join(decrypt_stream(source, Secret.copy_of(KEY), tag=TAG, aad=AAD)) == plaintext
    writer.join()


def test_a_pipe_that_does_not_block_is_refused() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as source, open(writing, "wb"):  # noqa: PTH123
        stream = encrypt_stream(source, Secret.copy_of(KEY), tag=TAG, aad=AAD)
        next(stream)
        with pytest.raises(BlockingIOError, match="must block"):
            next(stream)


class Zeros(io.RawIOBase):
    """So many zeros."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = min(len(buffer), self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        return size


class Joined(io.RawIOBase):
    """The parts of an iterator, as a file."""

    def __init__(self, parts: object) -> None:
        self.parts, self.rest = iter(parts), b""  # type: ignore[call-overload]

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self.rest = self.rest or next(self.parts, b"")
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


def test_memory_is_flat() -> None:
    """Encrypting and decrypting at once: as much memory for 64 MiB as for 8."""
    peaks = []
    for size in (8 * 2**20, 64 * 2**20):
        tracemalloc.start()
        material = Secret.copy_of(KEY)
        source = Joined(encrypt_stream(Zeros(size), material, tag=TAG, aad=AAD))
        assert read_stream_tag(source) == TAG
        assert sum(map(len, decrypt_stream(source, material, tag=TAG, aad=AAD))) == size
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0] < 12 * 2**20


class Failing(io.RawIOBase):
    """Gives plaintext, keeps the buffers that it was to fill, and fails then."""

    def __init__(self, reads: int) -> None:
        self.reads, self.buffers = reads, []

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self.buffers.append(buffer)
        if len(self.buffers) > self.reads:
            raise OSError(5, "Input/output error")
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


@SMALL
def test_buffers_are_overwritten_at_the_end_and_after_an_error() -> None:
    failing = Failing(3)
    stream = encrypt_stream(failing, Secret.copy_of(KEY), tag=TAG, aad=AAD)
    with pytest.raises(OSError, match="Input/output error"):
        list(stream)
    assert len(failing.buffers) == 4
    assert {bytes(each) for each in failing.buffers} <= {bytes(8), bytes(48)}
    given_up = Failing(99)
    stream = encrypt_stream(given_up, Secret.copy_of(KEY), tag=TAG, aad=AAD)
    next(stream), next(stream)
    assert b"x" in bytes(given_up.buffers[0])
    stream.close()  # type: ignore[attr-defined]
    assert {bytes(each) for each in given_up.buffers} <= {bytes(8), bytes(48)}
