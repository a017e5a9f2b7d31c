"""No key and no plaintext in a message, repr, log, entry or traceback with its variables."""

import copy
import io
import logging
import os
import pickle
import secrets
import traceback
from collections.abc import Callable

import pytest

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import KeyRing, KeyRingError
from kms_schema.keyring.formats.messages import MessageCipher, message_cipher
from kms_schema.keyring.formats.prefix import PREFIX_BYTES, Algorithm, read_message_prefix
from kms_schema.keyring.formats.streams import decrypt_stream, encrypt_stream
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, ROOT, change, forms, rows, shown


def test_nothing_shows_material(
    ring: KeyRing, kek: str, database: Database, caplog: pytest.LogCaptureFixture, roots: RootKeys
) -> None:
    caplog.set_level(logging.DEBUG)
    material, name = Secret(bytearray(secrets.token_bytes(32))), unique("imported")
    hidden = forms(bytes(material.view))
    ring.create(name, under=kek, material=material)
    key = ring.key(name)
    blob = key.encrypt(DATA, aad=AAD)
    texts = [repr(each) for each in (ring, key, ring._parts.versions.cache.live(name), ring.inspect(blob))]
    errors: list[BaseException] = []

    def collect(use: object) -> None:
        try:
            use()  # type: ignore[operator]
        except (KeyRingError, TypeError) as error:
            errors.append(error)

    collect(lambda: key.decrypt(blob, aad=b"other"))
    collect(lambda: ring.create(name, under=kek, material=material))
    collect(lambda: ring.create(unique("odd"), under="kms://none", material=material))
    other = {"key_size_bits": 128, "key_type": "tls", "algorithm": "x"}
    collect(lambda: ring.create(unique("odd"), under=kek, material=material, **other))
    taken = int.from_bytes(blob[1:5], "big")
    collect(lambda: ring.create(unique("odd"), under=kek, material=material, ciphertext_tag=taken))
    for each in (ring, ring._parts.versions.cache.live(name)):
        collect(lambda each=each: pickle.dumps(each))
        collect(lambda each=each: copy.deepcopy(each))
    change(database, "UPDATE key_masters SET max_usage_count = 1 WHERE key_id = :key", key=name)
    collect(lambda: key.encrypt(DATA, aad=AAD))
    with KeyRing(database.engine(), RootKeys({})) as without:
        collect(lambda: without.key(name).encrypt(DATA, aad=AAD))
    ring.revoke(name, reason="leaked")
    collect(lambda: key.encrypt(DATA, aad=AAD))
    assert len(errors) == 12
    texts += [shown(error) for error in errors]
    texts.append(caplog.text)
    texts.append(str(rows(database, "SELECT event_description, additional_metadata FROM key_audit_logs")))
    for text in texts:
        assert not [form for form in hidden if form in text]
    assert ROOT in repr(roots)


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


def is_shown(text: str) -> bool:
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
        assert not is_shown(written), ours
    assert not is_shown(f"{caught.value!r} {caught.value}")
    assert written


def test_what_is_shown_is_found() -> None:
    for each in (KEY, PLAINTEXT, bytearray(KEY), KEY.hex(), [*PLAINTEXT]):
        assert is_shown(f"… {each!r} …")
