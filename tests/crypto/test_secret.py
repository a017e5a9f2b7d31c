"""Plaintext that wipes itself and does not show itself."""

import copy
import pickle

import pytest

from kms_schema.crypto import Credentials, MaterialError, OpeningRefusedError, Secret


def test_the_end_of_its_block_wipes_it() -> None:
    buffer = bytearray(b"plaintext")
    with Secret(buffer) as secret:
        assert bytes(secret.view) == b"plaintext"
    assert buffer == bytes(9)
    assert len(secret) == 0


def test_an_error_in_its_block_wipes_it() -> None:
    buffer = bytearray(b"plaintext")
    with pytest.raises(KeyError), Secret(buffer):
        raise KeyError
    assert buffer == bytes(9)


def test_a_secret_is_wiped_when_it_is_collected() -> None:
    buffer = bytearray(b"plaintext")
    secret = Secret(buffer)
    del secret
    assert buffer == bytes(9)


def test_what_was_wiped_is_no_key_of_zeros() -> None:
    secret = Secret(bytearray(b"plaintext"))
    kept, part = secret.view, secret.view[:5]
    secret.wipe()
    with pytest.raises(ValueError, match="wiped"):
        _ = secret.view
    with part:
        assert bytes(part) == bytes(5)
    alone = Secret(bytearray(b"plaintext"))
    kept = alone.view
    alone.wipe()
    with pytest.raises(ValueError, match="released"):
        bytes(kept)


def test_a_view_cannot_be_written_to() -> None:
    with Secret(bytearray(b"plaintext")) as secret, pytest.raises(TypeError):
        secret.view[0] = 0


def test_it_shows_its_length_only() -> None:
    with Secret(bytearray(b"plaintext")) as secret:
        assert repr(secret) == str(secret) == f"{secret}" == "<Secret of 9 bytes>"
    assert repr(secret) == "<Secret, wiped>"


def test_it_is_neither_pickled_nor_copied_nor_hashed() -> None:
    with Secret(bytearray(b"plaintext")) as secret:
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy, hash):
            with pytest.raises(TypeError):
                attempt(secret)


def test_equal_secrets_are_equal() -> None:
    with Secret(bytearray(b"one")) as one, Secret(bytearray(b"one")) as same, Secret(bytearray(b"two")) as two:
        assert one == same
        assert one != two
        assert one != b"one"


def test_credentials_show_their_names_only() -> None:
    credentials = Credentials(user="kms", pin="0000-1234")
    assert repr(credentials) == f"{credentials}" == "<Credentials: user, pin>"
    with credentials.secret() as secret:
        assert Credentials.of(secret) == {"user": "kms", "pin": "0000-1234"}


@pytest.mark.parametrize("value", [b"0000-1234", {"0000-1234"}, float("nan")], ids=type)
def test_what_json_cannot_say_is_refused_and_not_quoted(value: object) -> None:
    with pytest.raises(MaterialError) as raised:
        Credentials(pin=value).secret()
    assert "0000-1234" not in repr(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize("content", [b"[1]", b"no JSON", b"\xff"])
def test_what_are_no_credentials_is_refused(content: bytes) -> None:
    with Secret(bytearray(content)) as secret, pytest.raises(OpeningRefusedError) as raised:
        Credentials.of(secret)
    assert raised.value.__context__ is None
