"""`vectors.json` against the few lines that docs/crypto.md describes, written here without the package."""

import hashlib
import hmac
import json
import struct
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

from kms_schema.crypto import OpeningRefusedError, ciphers, has_check_value, key_check_value
from tools.vectors import envelopes

VECTORS: list[dict[str, Any]] = json.loads(envelopes.FILE.read_text(encoding="ascii"))["envelopes"]
EACH = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"].replace(" ", "-"))
ALGORITHMS = {1: b"AES-256-GCM", 2: b"AES-256-KWP"}


def field(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def written_out(row: dict[str, Any]) -> bytes:
    """Return the associated data as the page has it."""
    names = [b"kms-schema/envelope/v1"]
    if "hsm_configurations.id" in row:
        names += [b"hsm_configurations", b"authentication_config", uuid.UUID(row["hsm_configurations.id"]).bytes]
        return b"".join(map(field, names))
    names += [b"key_versions", b"encrypted_key_data", uuid.UUID(row["key_versions.id"]).bytes]
    names += [uuid.UUID(row["key_masters.id"]).bytes]
    names += [row[f"key_masters.{column}"].encode() for column in ("key_id", "key_type", "algorithm")]
    return b"".join(map(field, [*names, struct.pack(">I", row["key_versions.version_number"])]))


@EACH
def test_the_page_is_enough_to_open_an_envelope(vector: dict[str, Any]) -> None:
    place, envelope = written_out(vector["row"]), bytes.fromhex(vector["envelope"])
    assert place.hex() == vector["associated_data"]
    fixed = b"kms-schema/envelope/v1 " + ALGORITHMS[envelope[0]] + b"\0" + place + struct.pack(">I", 256)
    key = hmac.digest(bytes.fromhex(vector["wrapping_key"]), struct.pack(">I", 1) + fixed, hashlib.sha256)
    assert key.hex() == vector["derived_key"]
    if envelope[0] == 1:
        plaintext = AESGCM(key).decrypt(envelope[1:13], envelope[13:], place)
    else:
        plaintext = aes_key_unwrap_with_padding(key, envelope[1:])
    assert plaintext.hex() == vector["plaintext"]


@EACH
def test_the_package_opens_them(vector: dict[str, Any]) -> None:
    key, envelope, place = (bytes.fromhex(vector[name]) for name in ("wrapping_key", "envelope", "associated_data"))
    with ciphers.decrypt(key, envelope, place) as opened:
        assert opened.view.hex() == vector["plaintext"]


def test_no_vector_opens_in_the_place_of_another() -> None:
    places = {vector["associated_data"] for vector in VECTORS}
    assert len(places) == 6
    for vector in VECTORS:
        for place in places - {vector["associated_data"]}:
            with pytest.raises(OpeningRefusedError):
                ciphers.decrypt(bytes(range(32)), bytes.fromhex(vector["envelope"]), bytes.fromhex(place))


@pytest.mark.parametrize("vector", [each for each in VECTORS if each["key_check_value"]], ids=lambda each: each["name"])
def test_check_values(vector: dict[str, Any]) -> None:
    row, material = vector["row"], bytes.fromhex(vector["plaintext"])
    key_id, number = row["key_masters.key_id"], row["key_versions.version_number"]
    hashed = field(b"kms-schema/key-check-value/v1") + field(key_id.encode()) + field(struct.pack(">I", number))
    assert hmac.digest(material, hashed, hashlib.sha256).hex() == vector["key_check_value"]
    assert hashed.startswith(bytes.fromhex("0000001d")), "a derivation begins with 00000001: one is never the other"
    assert key_check_value(material, key_id, number) == vector["key_check_value"]
    assert has_check_value(material, key_id, number, vector["key_check_value"])
    others = [(material + b"k", key_id, number), (material, key_id + "k", number), (material, key_id, number - 1)]
    assert not any(has_check_value(*other, vector["key_check_value"]) for other in others)
