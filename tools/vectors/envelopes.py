"""Envelopes with all that they are made of, for implementations in other languages."""

import json
import uuid
from pathlib import Path
from typing import TypedDict

from kms_schema.crypto import ciphers
from kms_schema.crypto.bindings import StoredKey, of_configuration, of_key_version
from kms_schema.crypto.ciphers import key_check_value
from kms_schema.envelope_format import ENCODING, EnvelopeFormat
from kms_schema.models import HsmConfiguration

FILE = Path(__file__).parents[2] / "kms_schema" / "crypto" / "vectors.json"


class Vector(TypedDict):
    """One envelope: the row, and everything else as hexadecimal digits. Key wrap has no nonce."""

    name: str
    row: dict[str, str | int]
    plaintext: str
    wrapping_key: str
    associated_data: str
    derived_key: str
    nonce: str | None
    envelope: str
    key_check_value: str | None


_VERSION_ID = "0193a5b2-7c10-7000-8000-000000000001"
_MASTER_ID = "0193a5b2-7c10-7000-8000-0000000000aa"
_NAMES = {
    "a data encryption key": ("orders-2026", "dek", "AES-256", 1, 32),
    "a name beyond ASCII, and a later version": ("Schlüssel 鍵 \U0001f511", "dek", "AES-128", 70_000, 16),
    "a key encryption key": ("kek-2026", "kek", "AES-256", 2**31 - 1, 32),
    "a key that fills no whole block": ("signing", "tls", "PKCS#8", 3, 121),
    "a key of one byte": ("short", "dek", "none", 1, 1),
}
_CREDENTIALS = b'{"partition":"kms","pin":"0000 0000"}'


def vectors() -> list[Vector]:
    """Return the examples as `kms_schema.crypto` makes them, but for the nonces, which count."""
    made = []
    for name, (key_id, key_type, algorithm, number, size) in _NAMES.items():
        key = StoredKey(uuid.UUID(_MASTER_ID), key_id, key_type, algorithm, 8 * size)
        place = of_key_version(uuid.UUID(_VERSION_ID), number, key)
        row: dict[str, str | int] = {
            "key_versions.id": _VERSION_ID,
            "key_masters.id": _MASTER_ID,
            "key_masters.key_id": key_id,
            "key_masters.key_type": key_type,
            "key_masters.algorithm": algorithm,
            "key_versions.version_number": number,
        }
        plaintext = bytes(each % 256 for each in range(7, 7 + size))
        check_value = key_check_value(plaintext, key_id, number)
        made += [
            _vector(name, form, row, plaintext, place) | {"key_check_value": check_value} for form in EnvelopeFormat
        ]
    configuration: dict[str, str | int] = {"hsm_configurations.id": _VERSION_ID}
    place = of_configuration(HsmConfiguration(id=uuid.UUID(_VERSION_ID)))
    form = EnvelopeFormat.AES_256_GCM
    return [*made, _vector("the credentials of an HSM", form, configuration, _CREDENTIALS, place)]


def _vector(
    name: str, form: EnvelopeFormat, row: dict[str, str | int], plaintext: bytes, associated_data: bytes
) -> Vector:
    wrapping_key = bytes(range(32))
    with ciphers.derive(wrapping_key, form, associated_data) as row_key:
        derived = bytes(row_key.view)
    nonce = bytes(range(0xA0, 0xA0 + ciphers.NONCE_BYTES)) if form is EnvelopeFormat.AES_256_GCM else None
    if nonce is None:
        content = ciphers.encrypt_kwp(derived, plaintext)
    else:
        content = ciphers.encrypt_gcm(derived, nonce, plaintext, associated_data)
    return {
        "name": f"{name}, {form.algorithm}",
        "row": row,
        "plaintext": plaintext.hex(),
        "wrapping_key": wrapping_key.hex(),
        "associated_data": associated_data.hex(),
        "derived_key": derived.hex(),
        "nonce": None if nonce is None else nonce.hex(),
        "envelope": (form.prefix + content).hex(),
        "key_check_value": None,
    }


def text() -> str:
    """Return what `vectors.json` holds. ASCII, so that no tool on the way changes a text."""
    return json.dumps({"encoding": ENCODING, "envelopes": vectors()}, indent=2) + "\n"
