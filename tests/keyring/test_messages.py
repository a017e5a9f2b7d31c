"""Ciphertexts of messages: C2SP's vectors, what does not open, and that threads share a cipher."""

import mmap
import os
import pickle
import secrets
import sys
import threading
import time
from hashlib import shake_128
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_schema.crypto import CryptoError, Secret
from kms_schema.keyring.formats.errors import CipherKeyError, DoesNotOpenError, MessageSizeError
from kms_schema.keyring.formats.messages import MessageCipher, Xaes256Gcm, message_cipher
from kms_schema.keyring.formats.prefix import MAX_MESSAGE_BYTES, PREFIX_BYTES, Algorithm

TAG = 0x0A0B0C0D
AAD = b"invoice/17/iban"
EACH = pytest.mark.parametrize("algorithm", list(Algorithm))
KEY = bytes(range(32))


def cipher_of(algorithm: str, key: bytes = KEY, tag: int = TAG) -> MessageCipher:
    return message_cipher(algorithm, tag, Secret.copy_of(key))


# https://c2sp.org/XAES-256-GCM (CC BY 4.0): in the first vector the highest bit of AES(0) is 0, in the second it is 1.
C2SP = [
    (b"\1" * 32, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
    (b"\3" * 32, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
]


@pytest.mark.parametrize(("key", "aad", "ciphertext"), C2SP)
def test_the_vectors_of_c2sp(key: bytes, aad: bytes, ciphertext: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    monkeypatch.setattr(os, "urandom", {len(nonce): nonce}.__getitem__)
    blob = cipher_of("XAES-256-GCM", key).encrypt(b"XAES-256-GCM", aad=aad)
    assert blob.hex() == "010a0b0c0d" + nonce.hex() + ciphertext
    assert cipher_of("XAES-256-GCM", key).decrypt(blob, aad=aad) == b"XAES-256-GCM"


def test_the_accumulated_vectors_of_c2sp(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 000 random keys, nonces and messages, of which C2SP publishes a hash of all ciphertexts."""
    nonce = b""
    monkeypatch.setattr("os.urandom", lambda _: nonce)
    random, position = shake_128().digest(6_000_000), 0
    ciphertexts = shake_128()

    def read(size: int) -> bytes:
        nonlocal position
        position += size
        return random[position - size : position]

    for _ in range(10_000):
        key, nonce = read(32), read(24)
        plaintext = read(read(1)[0])
        aad = read(read(1)[0])
        cipher = Xaes256Gcm(1, Secret.copy_of(key))
        blob = cipher.encrypt(plaintext, aad=aad)
        assert cipher.decrypt(blob, aad=aad) == plaintext
        ciphertexts.update(blob[PREFIX_BYTES + len(nonce) :])
    assert position <= len(random)
    assert ciphertexts.hexdigest(32) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(
    algorithm=st.sampled_from(Algorithm),
    key=st.binary(min_size=32, max_size=32),
    tag=st.integers(1, 2**32 - 1),
    plaintext=st.binary(max_size=600),
    aad=st.binary(max_size=100),
)
def test_a_message_opens_again(algorithm: Algorithm, key: bytes, tag: int, plaintext: bytes, aad: bytes) -> None:
    blob = cipher_of(algorithm, key, tag).encrypt(plaintext, aad=aad)
    assert len(blob) == algorithm.ciphertext_bytes(len(plaintext))
    for each in (blob, bytearray(blob), memoryview(blob)):
        assert cipher_of(algorithm, key, tag).decrypt(each, aad=aad) == plaintext


@EACH
def test_nothing_else_opens_and_the_error_is_the_same(algorithm: Algorithm) -> None:
    """Each cut, each flipped bit, added bytes, other associated data, another key and another tag."""
    cipher = cipher_of(algorithm)
    blob = cipher.encrypt(b"DE89 3704", aad=AAD)
    bits = ((place, 1 << bit) for place in range(len(blob)) for bit in range(8))
    attempts = [(cipher, blob[:length], AAD) for length in range(len(blob))]
    attempts += [(cipher, blob[:at] + bytes([blob[at] ^ bit]) + blob[at + 1 :], AAD) for at, bit in bits]
    attempts += [(cipher, blob + b"\0", AAD), (cipher, blob[:5] + blob, AAD), (cipher, blob[5:], AAD)]
    attempts += [(cipher, blob, aad) for aad in (b"", AAD[:-1], AAD + b"\0", b"invoice/18/iban")]
    attempts += [(cipher_of(algorithm, bytes(32)), blob, AAD), (cipher_of(algorithm, tag=TAG + 1), blob, AAD)]
    other = next(each for each in Algorithm if each is not algorithm)
    attempts += [(cipher_of(other), blob, AAD), (cipher, cipher_of(other).encrypt(b"DE89 3704", aad=AAD), AAD)]
    messages = set()
    for one, content, aad in attempts:
        with pytest.raises(DoesNotOpenError) as caught:
            one.decrypt(content, aad=aad)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert cipher.decrypt(blob, aad=AAD) == b"DE89 3704"


@EACH
def test_a_nonce_is_used_once(algorithm: Algorithm) -> None:
    cipher = cipher_of(algorithm)
    blobs = {cipher.encrypt(b"", aad=b"")[PREFIX_BYTES : PREFIX_BYTES + algorithm.nonce_bytes] for _ in range(1000)}
    assert len(blobs) == 1000


@EACH
def test_associated_data_is_never_left_out(algorithm: Algorithm) -> None:
    """The library takes None for no associated data; a caller that has forgotten it is not to be served."""
    cipher = cipher_of(algorithm)
    with pytest.raises(TypeError):
        cipher.encrypt(b"DE89 3704", aad=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        cipher.decrypt(cipher.encrypt(b"", aad=b""), aad=None)  # type: ignore[arg-type]


@EACH
def test_a_message_is_shorter_than_two_gibibytes(algorithm: Algorithm) -> None:
    cipher = cipher_of(algorithm)
    with mmap.mmap(
        -1, MAX_MESSAGE_BYTES + 1 + 100, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    ) as long:  # no page used
        view = memoryview(long)
        with view, view[: MAX_MESSAGE_BYTES + 1] as message:
            for arguments in ((message, b""), (b"", message)):
                with pytest.raises(MessageSizeError, match="2147483647"):
                    cipher.encrypt(arguments[0], aad=arguments[1])
            with pytest.raises(DoesNotOpenError):
                cipher.decrypt(cipher.encrypt(b"", aad=b""), aad=message)
            view[:PREFIX_BYTES] = cipher.encrypt(b"", aad=b"")[:PREFIX_BYTES]
            with pytest.raises(DoesNotOpenError):
                cipher.decrypt(view, aad=b"")


@pytest.mark.parametrize("algorithm", ["AES-256", "AES-128-GCM", "xaes-256-gcm", ""])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    with pytest.raises(CipherKeyError, match="XAES-256-GCM and AES-256-GCM"):
        message_cipher(algorithm, TAG, Secret.copy_of(KEY))


@EACH
@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_other_lengths_of_keys_are_refused(algorithm: Algorithm, size: int) -> None:
    with pytest.raises(CipherKeyError, match=f"has 32 bytes, this one has {size}$"):
        message_cipher(algorithm, TAG, Secret(bytearray(size)))


@EACH
@pytest.mark.parametrize("tag", [0, -1, 2**32])
def test_other_tags_are_refused(algorithm: Algorithm, tag: int) -> None:
    with pytest.raises(CipherKeyError, match="1 to 4294967295"):
        message_cipher(algorithm, tag, Secret.copy_of(KEY))


@EACH
def test_a_closed_cipher_does_nothing(algorithm: Algorithm) -> None:
    material = Secret(bytearray(secrets.token_bytes(32)))
    with message_cipher(algorithm, TAG, material) as cipher:
        blob = cipher.encrypt(b"DE89 3704", aad=AAD)
    assert len(material) == 0
    with pytest.raises(ValueError, match=r"^this cipher has been closed$") as caught:
        cipher.encrypt(b"DE89 3704", aad=AAD)
    assert not isinstance(caught.value, CryptoError)
    with pytest.raises(ValueError, match=r"^this cipher has been closed$"):
        cipher.decrypt(blob, aad=AAD)


@EACH
def test_a_cipher_shows_no_key_and_is_not_pickled(algorithm: Algorithm) -> None:
    cipher = cipher_of(algorithm)
    assert repr(cipher) == f"<{type(cipher).__name__} {algorithm}, tag {TAG}>"
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        pickle.dumps(cipher)


@EACH
def test_threads_share_a_cipher(algorithm: Algorithm) -> None:
    cipher, failures = cipher_of(algorithm), []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for each in range(400):
            text = b"%d/%d" % (number, each)
            try:
                assert cipher.decrypt(cipher.encrypt(text, aad=AAD), aad=AAD) == text
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@EACH
def test_closing_leaves_no_message_under_a_wrong_key(algorithm: Algorithm) -> None:
    """Threads that encrypt while another one closes: each message opens, or the call has raised ValueError.

    Threads take turns often, so that some read the key for a context of their own while it is wiped.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(10):
            encrypt_while_closing(algorithm)
    finally:
        sys.setswitchinterval(interval)


def encrypt_while_closing(algorithm: Algorithm) -> None:
    cipher = cipher_of(algorithm)
    made: list[bytes] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(100_000):
                made.append(cipher.encrypt(b"", aad=AAD))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(made) < 50:
        time.sleep(0.0001)
    cipher.close()
    for thread in threads:
        thread.join()
    assert {f"{type(each).__name__}: {each}" for each in failures} == {"ValueError: this cipher has been closed"}
    again = cipher_of(algorithm)
    assert {again.decrypt(blob, aad=AAD) for blob in made} == {b""}


def released() -> memoryview:
    view = memoryview(bytearray(32))
    view.release()
    return view


@pytest.mark.parametrize("view", [memoryview(bytes(32)), released()], ids=["overwritten", "released"])
def test_a_key_that_is_wiped_meanwhile_is_not_used(view: memoryview, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a thread wipes the material after another one has taken the view of it."""
    cipher = Xaes256Gcm(TAG, Secret.copy_of(KEY))
    cipher._contexts.clear()
    monkeypatch.setattr(cipher, "_material", SimpleNamespace(view=view))
    with pytest.raises(ValueError, match=r"^this cipher has been closed$"):
        cipher.encrypt(b"", aad=AAD)
