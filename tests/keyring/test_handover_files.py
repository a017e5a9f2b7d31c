"""Handover files: their bytes, and one error for everything that does not open. No database is used."""

import hashlib
import hmac
import json
import logging
import os
import pickle
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from kms_schema.cli.handover.files import read_file
from kms_schema.crypto import Secret
from kms_schema.keyring import HandoverError, UnsupportedKeyError
from kms_schema.keyring.handover import handover_files, receiver_keys
from kms_schema.keyring.handover.handover_files import HandoverHeader, open_handover, seal, sha256_of
from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey
from support.errors import raises
from tests.keyring.rings import forms, shown

VECTOR: dict[str, Any] = json.loads(Path(handover_files.__file__).with_name("vector.json").read_text(encoding="ascii"))
MATERIAL = bytes(range(32))


@pytest.fixture(scope="module")
def key() -> HandoverKey:
    return HandoverKey.generate()


def header_for(key: HandoverKey, **changed: Any) -> HandoverHeader:
    made = HandoverHeader("orders", 2, "dek", "XAES-256-GCM", 256, 2001, 7, key.public.fingerprint)
    return replace(made, **changed)


def sealed(key: HandoverKey, **changed: Any) -> bytes:
    return seal(header_for(key, **changed), Secret.copy_of(MATERIAL), key.public).file


def refusal(file: bytes, key: HandoverKey) -> str:
    """Return the message of a file that does not open, although its SHA-256 is the one that was told."""
    with pytest.raises(HandoverError) as caught:
        open_handover(file, key=key, sha256=sha256_of(file))
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    return str(caught.value)


def test_a_version_is_wrapped_and_opened(key: HandoverKey) -> None:
    for size in (1, 256, 4099, 65_536):
        material = secrets.token_bytes((size + 7) // 8)
        made = seal(header_for(key, key_size_bits=size, key_type="tls"), Secret.copy_of(material), key.public)
        header, opened = open_handover(made.file, key=key, sha256=made.sha256.upper() + "\n")
        assert (header, bytes(opened.view)) == (made.header, material)
        assert len(made.file) == len(header.encoded()) + len(material) + 1136 <= handover_files.LONGEST_FILE


def test_one_error_for_all_that_does_not_open(key: HandoverKey) -> None:
    file, begin = sealed(key), len(header_for(key).encoded())
    other = HandoverKey.generate()
    second = {"version": 3, "ciphertext_tag": 2002}
    changed = [
        file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :] for place in (*range(0, begin, 3), begin, -1)
    ]
    cut = [file[:size] for size in (0, 1, 15, 16, 18, 40, begin - 1, begin, begin + 15, begin + 1120, len(file) - 1)]
    spliced = [
        header_for(key, **second).encoded() + file[begin:],  # version 2 presented as version 3
        header_for(key).encoded() + sealed(key, **second)[len(header_for(key, **second).encoded()) :],
        file + b"\0",
        file[:begin] + b"\0" + file[begin:],
        header_for(other).encoded() + file[begin:],
        file[:begin] + sealed(other)[begin:],
    ]
    bits = header_for(key, key_size_bits=128)  # a sender that says another length
    spliced.append(bits.encoded() + key.public.seal(MATERIAL, bits.encoded()))
    found = {refusal(each, key) for each in changed + cut + spliced} | {refusal(file, other)}
    assert found == {str(HandoverError())}


def test_a_file_that_the_sender_did_not_name_is_not_opened(key: HandoverKey) -> None:
    """Anybody can make a file for a public key: only the SHA-256 says whose it is."""
    file, forged = sealed(key), sealed(key)
    assert file != forged
    with pytest.raises(HandoverError, match=f"has the SHA-256 {sha256_of(forged)}, which is not that of the sender"):
        open_handover(forged, key=key, sha256=sha256_of(file))


@pytest.mark.parametrize(
    "changed",
    [
        {"key_id": "a\nb"}, {"key_id": " "}, {"key_id": "x" * 65}, {"algorithm": ""}, {"key_type": "none"},
        {"version": 0}, {"ciphertext_tag": 0}, {"key_size_bits": 65_537}, {"used": 10**15 + 1}, {"receiver": "00"},
    ],
    ids="-".join,
)  # fmt: skip
def test_a_header_that_no_database_has_is_refused_on_both_sides(key: HandoverKey, changed: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedKeyError):
        seal(header_for(key, **changed), Secret.copy_of(MATERIAL), key.public)
    info = header_for(key, **changed).encoded()
    refusal(info + key.public.seal(MATERIAL, info), key)


def test_the_vector_opens_with_the_package() -> None:
    secret = Secret.copy_of(bytes.fromhex(VECTOR["private_key"]))
    with HandoverKey(secret) as key:
        assert (key.public.raw.hex(), key.public.fingerprint) == (VECTOR["public_key"], VECTOR["fingerprint"])
        file = bytes.fromhex(VECTOR["file"])
        header, material = open_handover(file, key=key, sha256=VECTOR["sha256"])
        assert (header.described(), bytes(material.view).hex()) == (VECTOR["header"], VECTOR["material"])
        assert header.encoded().hex() == VECTOR["info"]


def test_the_vector_opens_without_hpke_of_the_library() -> None:
    """As docs/handover.md describes the bytes: X-Wing, HKDF-SHA-256 and AES-256-GCM."""
    private, info = bytes.fromhex(VECTOR["private_key"]), bytes.fromhex(VECTOR["info"])
    message = bytes.fromhex(VECTOR["file"])[len(info) :]
    lattice, curve = message[:1088], message[1088:1120]
    own = X25519PrivateKey.from_private_bytes(private[64:])
    shared = hashlib.sha3_256(
        MLKEM768PrivateKey.from_seed_bytes(private[:64]).decapsulate(lattice)
        + own.exchange(X25519PublicKey.from_public_bytes(curve))
        + curve
        + own.public_key().public_bytes_raw()
        + bytes.fromhex("5c2e2f2f5e5c")
    ).digest()
    suite = b"HPKE" + (0x647A).to_bytes(2, "big") + (1).to_bytes(2, "big") + (2).to_bytes(2, "big")

    def extract(salt: bytes, label: bytes, given: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite + label + given, "sha256")

    def expand(key: bytes, label: bytes, given: bytes, size: int) -> bytes:
        labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + given
        return HKDFExpand(SHA256(), size, labelled).derive(key)

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    cipher = AESGCM(expand(secret, b"key", context, 32))
    assert cipher.decrypt(expand(secret, b"base_nonce", context, 12), message[1120:], b"").hex() == VECTOR["material"]


def test_key_pairs_are_written_and_read(key: HandoverKey, tmp_path: Path) -> None:
    path = tmp_path / "receiver.key"
    key.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        key.write(path)
    with HandoverKey.read(path) as read:
        assert read.public.raw == key.public.raw == HandoverPublicKey.parse(str(key.public)).raw
    public = tmp_path / "receiver.key.pub"
    public.write_text(f"{key.public}\n")
    public.chmod(0o600)
    assert HandoverPublicKey.read(public).fingerprint == key.public.fingerprint
    with raises(HandoverError, "key", match="begins with KMS-HANDOVER-PRIVATE-1"):
        HandoverKey.read(public)
    with raises(HandoverError, "key", match="this is a private key"):
        HandoverPublicKey.read(path)
    for text in ("", "KMS-HANDOVER-PUBLIC-1", "KMS-HANDOVER-PUBLIC-1 AAAA", f"{key.public}A", "\xff"):
        public.write_text(text, encoding="latin-1")
        with raises(HandoverError, "key"):
            HandoverPublicKey.read(public)
    with raises(HandoverError, "key", match="not valid"):
        HandoverPublicKey(b"\xff" * 1216)  # numbers that ML-KEM does not have
    path.chmod(0o640 | 0o004)
    with raises(HandoverError, "key", match="others can read"):
        HandoverKey.read(path)


def failure(use: Callable[[], object]) -> str:
    """Return the error of a call with the variables of all frames below this one."""
    try:
        use()
    except (HandoverError, UnsupportedKeyError, TypeError) as error:
        return shown(error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None))
    pytest.fail("no error")


def test_nothing_shows_a_key(key: HandoverKey, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "receiver.key"
    key.write(path)
    text = path.read_text()
    hidden = (*forms(secrets.token_bytes(32)), *forms(MATERIAL), *forms(bytes(key._secret.view)), text[40:60])
    material = Secret.copy_of(MATERIAL)
    made = seal(header_for(key), material, key.public)
    texts = [repr(key), repr(made), repr(made.header)]
    path.write_text(text[:-9] + "?" + text[-8:])
    path.chmod(0o600)
    for failing in (
        lambda: HandoverKey.read(path),
        lambda: HandoverPublicKey.read(path),
        lambda: pickle.dumps(key),
        lambda: open_handover(made.file[:-1], key=key, sha256=sha256_of(made.file[:-1])),
        lambda: seal(header_for(key, version=0), material, key.public),
    ):
        texts.append(failure(failing))
    texts.append(caplog.text)
    assert [form for form in hidden for text in texts if form in text] == []


def test_an_old_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, receiver_keys.__name__)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.hpke", None)
    with pytest.raises(ImportError, match="pip install 'cryptography>=47'"):
        import_module(receiver_keys.__name__)


def test_a_library_without_the_algorithm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise UnsupportedAlgorithm("as by a build with an older OpenSSL")

    for name in ("MLKEM768PrivateKey", "MLKEM768PublicKey"):
        fake = type(name, (), dict.fromkeys(("generate", "from_seed_bytes", "from_public_bytes"), unsupported))
        monkeypatch.setattr(receiver_keys, name, fake)
    for use in (
        HandoverKey.generate,
        lambda: HandoverKey(Secret(bytearray(96))),
        lambda: HandoverPublicKey(bytes(1216)),
    ):
        with raises(HandoverError, "key", match="has no ML-KEM-768"):
            use()


@pytest.mark.parametrize("read", [read_file, HandoverPublicKey.read], ids=["handover", "public key"])
def test_no_reader_waits_for_a_file_without_an_end(read: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(Exception, match="not a regular file"):
            read(name)
