"""Ciphertexts with all that they are made of, for implementations in other languages."""

import hashlib
import io
import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms_schema.crypto.secret import Secret
from kms_schema.keyring.formats import streams
from kms_schema.keyring.formats.bound_data import ENCODING, bound_data
from kms_schema.keyring.formats.messages import message_cipher
from kms_schema.keyring.formats.prefix import Algorithm, Form, write_prefix

FILE = Path(__file__).parents[2] / "kms_schema" / "keyring" / "vectors.json"

_KEY = bytes(range(32))
_MESSAGES = {
    "a message": (2001, b"invoice/17/iban", b"DE89 3704 0044 0532 0130 00"),
    "an empty message without associated data": (1, b"", b""),
    "the greatest tag, and more than a block": (2**32 - 1, b"associated data " * 3, bytes(range(100))),
}
_FIRST, _NEXT = streams.SEGMENT_BYTES - streams.HEADER_BYTES - 16, streams.SEGMENT_BYTES - 16
_STREAMS = {
    "an empty stream": (1, b"", 0),
    "a short stream": (2001, b"report", 100),
    "a stream that fills its first segment": (2001, b"report", _FIRST),
    "a stream of one byte more": (2001, b"report", _FIRST + 1),
    "a stream of three segments": (2**32 - 1, b"report", _FIRST + _NEXT + 1000),
}
_SHOWN_BYTES = 200
"""Longer ciphertexts are given by their SHA-256 only."""

_ROWS: dict[str, dict[str, object]] = {
    "a column": {},
    "a column of a row": {"id": 17},
    "NULL, and truth": {"absent": None, "no": False, "yes": True},
    "numbers": {"negative": -42, "zero": 0, "wide": 2**63 - 1},
    "decimals": {"price": Decimal("1.50"), "hundreds": Decimal("1200.00"), "zero": Decimal("-0.0")},
    "texts and bytes": {"Schlüssel": "鍵", "empty": "", "raw": bytes.fromhex("00ff")},
    "an identifier": {"id": uuid.UUID("0193a5b2-7c10-7000-8000-000000000001")},
    "dates and times": {
        "day": date(2026, 1, 31),
        "zoned": datetime(2026, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=2))),
        "utc": datetime(2026, 1, 31, 10, 30, 0, 250, tzinfo=UTC),
        "local": datetime(2026, 1, 31, 12, 30),
    },
}


def messages() -> list[dict[str, object]]:
    """Return ciphertexts of messages, as the package makes them but for their nonces, which count."""
    made: list[dict[str, object]] = []
    for algorithm in Algorithm:
        nonce = bytes(range(0xA0, 0xA0 + algorithm.nonce_bytes))
        for name, (tag, aad, plaintext) in _MESSAGES.items():
            secret = Secret.copy_of(_KEY)
            with message_cipher(algorithm, tag, secret) as cipher, patch("os.urandom", return_value=nonce):
                ciphertext = cipher.encrypt(plaintext, aad=aad)
            derived = b"".join(_cmac(b"\0" + bytes([part]) + b"X\0" + nonce[:12]) for part in (1, 2))
            made.append({
                "name": f"{name}, {algorithm}",
                "algorithm": algorithm.value,
                "key": _KEY.hex(),
                "tag": tag,
                "associated_data": aad.hex(),
                "plaintext": plaintext.hex(),
                "nonce": nonce.hex(),
                "derived_key": derived.hex() if algorithm is Algorithm.XAES_256_GCM else None,
                "ciphertext": ciphertext.hex(),
            })  # fmt: skip
    return made


def _cmac(block: bytes) -> bytes:
    mac = CMAC(AES256(_KEY))
    mac.update(block)
    return mac.finalize()


def plaintext_of(size: int) -> bytes:
    """Return the plaintext of a stream of `size` bytes: byte i is i modulo 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def stream_vectors() -> list[dict[str, object]]:
    """Return ciphertexts of streams, as the package makes them but for salt and nonce prefix, which count."""
    made: list[dict[str, object]] = []
    salt, nonce_prefix = bytes(range(0xA0, 0xC0)), bytes(range(0xC0, 0xC7))
    for name, (tag, aad, size) in _STREAMS.items():
        material, prefix = Secret.copy_of(_KEY), write_prefix(Form.STREAM, tag)
        cipher = streams._segment_cipher(material, prefix, salt, aad)
        source = io.BytesIO(plaintext_of(size))
        ciphertext = b"".join(streams._encrypted(source, prefix, salt, nonce_prefix, cipher))
        with streams.stream_key(material) as key:
            segment_key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=prefix + aad).derive(key.view)
            made.append({
                "name": name,
                "key": _KEY.hex(),
                "tag": tag,
                "associated_data": aad.hex(),
                "plaintext_bytes": size,
                "stream_key": key.view.hex(),
                "salt": salt.hex(),
                "nonce_prefix": nonce_prefix.hex(),
                "segment_key": segment_key.hex(),
                "ciphertext": ciphertext.hex() if len(ciphertext) <= _SHOWN_BYTES else None,
                "ciphertext_bytes": len(ciphertext),
                "ciphertext_sha256": hashlib.sha256(ciphertext).hexdigest(),
            })  # fmt: skip
    return made


def bound_data_vectors() -> list[dict[str, object]]:
    """Return the associated data of columns, with each value as text: bytes and UUIDs in hexadecimal digits."""
    return [
        {
            "name": name,
            "table": "invoices",
            "column": "iban",
            "row": [
                {"column": column, "type": type(value).__name__, "value": _text(value)} for column, value in row.items()
            ],
            "associated_data": bound_data("invoices", "iban", row).hex(),
        }
        for name, row in _ROWS.items()
    ]


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else str(value)


def text() -> str:
    """Return what `vectors.json` holds. ASCII, so that no tool on the way changes a text."""
    content = {
        "messages": messages(),
        "streams": stream_vectors(),
        "bound_data_encoding": ENCODING,
        "bound_data": bound_data_vectors(),
    }
    return json.dumps(content, indent=2) + "\n"
