"""`vectors.json`: it is current, the package opens what it has, and nothing opens in the place of another."""

import hashlib
import io
import json
from typing import Any

import pytest

from kms_schema.crypto import Secret
from kms_schema.keyring.formats.errors import DoesNotOpenError
from kms_schema.keyring.formats.messages import message_cipher
from kms_schema.keyring.formats.streams import decrypt_stream, encrypt_stream, read_stream_tag
from tools.vectors import __main__ as program
from tools.vectors import ciphertexts

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(ciphertexts.FILE.read_text(encoding="ascii"))


def named(kind: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector["name"].replace(" ", "-"))


def test_the_files_of_all_formats_are_current() -> None:
    assert program.main(["--check"]) == 0


def test_the_command_refuses_other_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--write"]) == 2
    assert "tools.vectors" in capsys.readouterr().err


@named("messages")
def test_the_package_opens_messages(vector: dict[str, Any]) -> None:
    key, aad, blob = (bytes.fromhex(vector[name]) for name in ("key", "associated_data", "ciphertext"))
    for each in VECTORS["messages"]:
        with message_cipher(each["algorithm"], each["tag"], Secret.copy_of(key)) as cipher:
            if each is vector:
                assert cipher.decrypt(blob, aad=aad).hex() == vector["plaintext"]
            else:
                with pytest.raises(DoesNotOpenError):
                    cipher.decrypt(blob, aad=bytes.fromhex(each["associated_data"]))


@named("streams")
def test_the_package_opens_streams(vector: dict[str, Any]) -> None:
    """A stream that the package makes itself is as long; of short ones the ciphertext is in the file."""
    plaintext, aad = ciphertexts.plaintext_of(vector["plaintext_bytes"]), bytes.fromhex(vector["associated_data"])
    with Secret.copy_of(bytes.fromhex(vector["key"])) as material:
        again = b"".join(encrypt_stream(io.BytesIO(plaintext), material, tag=vector["tag"], aad=aad))
        assert len(again) == vector["ciphertext_bytes"]
        if vector["ciphertext"] is not None:
            source = io.BytesIO(bytes.fromhex(vector["ciphertext"]))
            assert hashlib.sha256(source.getvalue()).hexdigest() == vector["ciphertext_sha256"]
            tag = read_stream_tag(source)
            assert b"".join(decrypt_stream(source, material, tag=tag, aad=aad)) == plaintext


def test_each_place_has_bytes_of_its_own() -> None:
    places = {vector["associated_data"] for vector in VECTORS["bound_data"]}
    assert len(places) == len(VECTORS["bound_data"]) == 8
