"""docs/ciphertexts.md: its examples, run as written, open the vectors; its tables have what the code has."""

import hashlib
import io
import json
import re
import struct
from typing import Any

import pytest

from kms_schema.crypto import Secret
from kms_schema.keyring.formats import errors, streams
from kms_schema.keyring.formats.prefix import Algorithm, Form, write_prefix
from support.pages import Page, cells
from tools.vectors import ciphertexts

PAGE = Page("ciphertexts.md")
VECTORS: dict[str, Any] = json.loads(ciphertexts.FILE.read_text(encoding="ascii"))


def run(section: str) -> dict[str, Any]:
    """Return the names that the only example of a section defines."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.sections[section], re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102
    return names


def test_the_example_works() -> None:
    done = run("Use them")
    assert (done["tag"], done["message"], done["report"]) == (2001, b"DE89 3704", b"a long report")
    assert len(done["blob"]) == Algorithm.XAES_256_GCM.ciphertext_bytes(9)


def test_the_page_is_enough_to_open_messages() -> None:
    done = run("Opened without the package")
    for vector in VECTORS["messages"]:
        key, aad, blob = (bytes.fromhex(vector[name]) for name in ("key", "associated_data", "ciphertext"))
        assert blob[:5] == struct.pack(">BI", 1, vector["tag"])
        assert done["open_message"](vector["algorithm"], key, blob, aad).hex() == vector["plaintext"]
        assert blob[5 : 5 + len(vector["nonce"]) // 2].hex() == vector["nonce"]
        if vector["derived_key"]:
            nonce = bytes.fromhex(vector["nonce"])
            derived = b"".join(done["cmac"](key, bytes([0, part, 0x58, 0]) + nonce[:12]) for part in (1, 2))
            assert derived.hex() == vector["derived_key"]


def stream_of(vector: dict[str, Any]) -> bytes:
    """Return the ciphertext of a vector, also where the file has its SHA-256 only."""
    aad, salt, nonce_prefix = (bytes.fromhex(vector[name]) for name in ("associated_data", "salt", "nonce_prefix"))
    prefix = write_prefix(Form.STREAM, vector["tag"])
    cipher = streams._segment_cipher(Secret.copy_of(bytes.fromhex(vector["key"])), prefix, salt, aad)
    source = io.BytesIO(ciphertexts.plaintext_of(vector["plaintext_bytes"]))
    return b"".join(streams._encrypted(source, prefix, salt, nonce_prefix, cipher))


@pytest.mark.parametrize("vector", VECTORS["streams"], ids=lambda vector: vector["name"])
def test_the_page_is_enough_to_open_streams(vector: dict[str, Any]) -> None:
    blob = stream_of(vector)
    assert hashlib.sha256(blob).hexdigest() == vector["ciphertext_sha256"]
    assert vector["ciphertext"] in (None, blob.hex())
    header = bytes([0x28]).hex() + vector["salt"] + vector["nonce_prefix"]
    assert blob[:45].hex() == struct.pack(">BI", 2, vector["tag"]).hex() + header
    plaintext = run("Opened without the package")["open_stream"](
        bytes.fromhex(vector["key"]), blob, bytes.fromhex(vector["associated_data"])
    )
    assert plaintext == bytes(i % 251 for i in range(vector["plaintext_bytes"]))


def test_the_numbers_of_streams() -> None:
    text = PAGE.sections["Files and pipes"].replace("\n", " ")
    first = streams.SEGMENT_BYTES - streams.HEADER_BYTES - 16
    numbers = f"So {first:,} bytes of plaintext are in the first, {first + 40:,} in each that follows.".replace(
        ",", " "
    )
    assert numbers.replace("  ", ", ") in text
    assert streams.stream_bytes(first) + 17 == streams.stream_bytes(first + 1)


def test_the_table_of_messages() -> None:
    rows = {cells(line)[0].strip("`"): cells(line) for line in PAGE.lines("Messages")}
    assert set(rows) == set(Algorithm)
    for algorithm in Algorithm:
        assert f"nonce ({algorithm.nonce_bytes}, random)" in rows[algorithm][1]
        assert int(rows[algorithm][2]) == algorithm.ciphertext_bytes(0)


def test_the_errors_are_those_of_the_package() -> None:
    listed = [cells(line)[0].strip("`") for line in PAGE.lines("Use them")]
    assert sorted(listed) == sorted(
        name for name, each in vars(errors).items()
        if isinstance(each, type) and each.__module__ == errors.__name__ and name != "CiphertextError"
    )  # fmt: skip


LETTERS = {cells(line)[0]: cells(line)[1].strip("`") for line in PAGE.lines("Values of columns")}
NAMES = {"NoneType": "None", "date": "date"}


def field(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def after_letter(kind: str, value: str) -> bytes:
    """Return the bytes of a vector's value as the table describes them, from its text."""
    if kind == "datetime":
        return b""
    known = {"bool": bytes([value == "True"]), "NoneType": b"", "bytes": b"", "UUID": b"", "Decimal": b""}
    if kind in ("bytes", "UUID"):
        return bytes.fromhex(value.replace("-", ""))
    if kind == "Decimal":
        return {"1.50": b"15e-1", "1200.00": b"12e2", "-0.0": b"0e0"}[value]
    return known.get(kind, str(value).encode())


TIMES = {
    "2026-01-31 12:30:00+02:00": b"t2026-01-31T10:30:00.000000Z",
    "2026-01-31 10:30:00.000250+00:00": b"t2026-01-31T10:30:00.000250Z",
    "2026-01-31 12:30:00": b"l2026-01-31T12:30:00.000000",
}


@pytest.mark.parametrize("vector", VECTORS["bound_data"], ids=lambda vector: vector["name"])
def test_the_table_of_values(vector: dict[str, Any]) -> None:
    """Written out here as the page has it, from the texts of the vectors."""
    made = field(VECTORS["bound_data_encoding"].encode()) + field(b"invoices") + field(b"iban")
    for entry in sorted(vector["row"], key=lambda entry: entry["column"].encode()):
        kind, value = entry["type"], entry["value"]
        encoded = (
            TIMES[value] if kind == "datetime" else LETTERS[NAMES.get(kind, kind)].encode() + after_letter(kind, value)
        )
        made += field(entry["column"].encode()) + field(encoded)
    assert made.hex() == vector["associated_data"]


def test_every_type_of_the_table_has_a_vector() -> None:
    kinds = {NAMES.get(entry["type"], entry["type"]) for vector in VECTORS["bound_data"] for entry in vector["row"]}
    assert set(LETTERS) == kinds - {"datetime"} | {"datetime with a zone", "datetime without a zone"}
