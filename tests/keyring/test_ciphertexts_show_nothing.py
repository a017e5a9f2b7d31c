"""No key and no plaintext in an error of the formats, or in a traceback with its variables."""

import io
import os
import secrets
import traceback
from collections.abc import Callable

import pytest

from kms_schema.crypto import Secret
from kms_schema.keyring.formats.messages import MessageCipher, message_cipher
from kms_schema.keyring.formats.prefix import PREFIX_BYTES, Algorithm, read_message_prefix
from kms_schema.keyring.formats.streams import decrypt_stream, encrypt_stream

KEY, PLAINTEXT = (bytes(128 | each for each in secrets.token_bytes(length)) for length in (32, 40))
"""Neither begins as a ciphertext does, nor has a quotation mark, which the repr of a part may write in another way."""


def cipher_of(algorithm: str = "XAES-256-GCM") -> MessageCipher:
    return message_cipher(algorithm, 7, Secret.copy_of(KEY))


def blob_of(algorithm: str = "XAES-256-GCM") -> bytes:
    return cipher_of(algorithm).encrypt(PLAINTEXT, aad=b"a")


class Failing(io.BytesIO):
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self.tell() == len(self.getbuffer()):
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)


def stream_that_fails() -> None:
    list(encrypt_stream(Failing(PLAINTEXT * 30_000), Secret.copy_of(KEY), tag=7, aad=b"a"))


def changed_stream() -> None:
    parts = list(encrypt_stream(io.BytesIO(PLAINTEXT * 60_000), Secret.copy_of(KEY), tag=7, aad=b"a"))
    blob = b"".join(parts)[PREFIX_BYTES:-1]
    for _ in decrypt_stream(io.BytesIO(blob), Secret.copy_of(KEY), tag=7, aad=b"a"):
        pass


FAILURES: dict[str, Callable[[], object]] = {
    **{
        f"{name}, {algorithm}": use
        for algorithm in Algorithm
        for name, use in {
            "changed": lambda a=algorithm: cipher_of(a).decrypt(blob_of(a)[:-1] + b"\0\0", aad=b"a"),
            "other associated data": lambda a=algorithm: cipher_of(a).decrypt(blob_of(a), aad=b"b"),
            "cut": lambda a=algorithm: cipher_of(a).decrypt(blob_of(a)[:20], aad=b"a"),
            "no bytes": lambda a=algorithm: cipher_of(a).encrypt(1, aad=b"a"),
            "no associated data": lambda a=algorithm: cipher_of(a).decrypt(blob_of(a), aad="a"),
            "no tag": lambda a=algorithm: message_cipher(a, 0, Secret.copy_of(KEY)),
            "long key": lambda a=algorithm: message_cipher(a, 7, Secret.copy_of(KEY + KEY)),
        }.items()
    },
    "plaintext": lambda: read_message_prefix(PLAINTEXT),
    "other algorithm": lambda: message_cipher("AES-128", 7, Secret.copy_of(KEY)),
    "stream that fails": stream_that_fails,
    "changed stream": changed_stream,
}


def shown(text: str) -> bool:
    """Return whether a text has a part of the key or of the plaintext, in one of the forms that Python writes."""
    parts = [KEY[:12], KEY[-12:], PLAINTEXT[:12], PLAINTEXT[-12:]]
    forms = [form for part in parts for form in (repr(part)[2:-1], part.hex(), str(list(part))[1:-1])]
    return any(form in text for form in forms)


@pytest.mark.parametrize("name", FAILURES)
def test_nothing_is_shown(name: str) -> None:
    with pytest.raises((ValueError, TypeError, OSError, Exception)) as caught:
        FAILURES[name]()
    lines = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    # The frames of the package: a caller's own variables are the caller's.
    ours = [
        (frame.name, frame.locals) for frame in lines.stack if f"kms_schema{os.sep}" in frame.filename and frame.locals
    ]
    written = "".join(f"{key}={value}" for _, variables in ours for key, value in (variables or {}).items())
    if name != "plaintext":  # it is the argument itself
        assert not shown(written), ours
    assert not shown(f"{caught.value!r} {caught.value}")
    assert written


def test_what_is_shown_is_found() -> None:
    for each in (KEY, PLAINTEXT, bytearray(KEY), KEY.hex(), [*PLAINTEXT]):
        assert shown(f"… {each!r} …")
