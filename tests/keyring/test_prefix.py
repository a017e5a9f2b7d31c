"""The prefix of a ciphertext: what has one, and what is refused without being quoted."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.keyring.formats.errors import CipherKeyError, NotACiphertextError
from kms_schema.keyring.formats.prefix import Form, read_message_prefix, read_prefix, write_prefix


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(form=st.sampled_from(Form), tag=st.integers(1, 2**32 - 1), rest=st.binary(max_size=50))
def test_a_prefix_is_read_as_it_was_written(form: Form, tag: int, rest: bytes) -> None:
    start = write_prefix(form, tag)
    assert start == bytes([form, tag >> 24, tag >> 16 & 255, tag >> 8 & 255, tag & 255])
    for blob in (start + rest, bytearray(start + rest), memoryview(start + rest)):
        assert read_prefix(blob) == (form, tag)


@pytest.mark.parametrize("tag", [0, -1, 2**32])
def test_a_tag_has_its_limits(tag: int) -> None:
    with pytest.raises(CipherKeyError, match=f"this one is {tag}$"):
        write_prefix(Form.MESSAGE, tag)


@pytest.mark.parametrize(
    "blob",
    [
        b"", b"\1", b"\1\0\0\0", b"\2\0\0\1", b"\0\0\0\0\1", b"\3\0\0\0\1", b"\1\0\0\0\0", b"\2\0\0\0\0",
        b"PLAINTEXT-of-somebody-that-is-long-enough-to-be-one",
    ],
)  # fmt: skip
@pytest.mark.parametrize("read", [read_prefix, read_message_prefix])
def test_what_has_none_is_refused_and_not_quoted(read: object, blob: bytes) -> None:
    with pytest.raises(NotACiphertextError) as caught:
        read(blob)  # type: ignore[operator]
    assert "PLAINTEXT" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_message_has_its_length() -> None:
    start = write_prefix(Form.MESSAGE, 2001)
    assert read_message_prefix(start + bytes(28)) == 2001
    with pytest.raises(NotACiphertextError, match="none has 32 bytes, the shortest 33"):
        read_message_prefix(start + bytes(27))
    with pytest.raises(NotACiphertextError, match="it is a stream"):
        read_message_prefix(write_prefix(Form.STREAM, 2001) + bytes(100))


def test_the_least_lengths() -> None:
    assert {form: form.least_bytes for form in Form} == {Form.MESSAGE: 33, Form.STREAM: 61}
