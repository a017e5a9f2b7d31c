"""What looks like plaintext where an envelope belongs is named, and nothing of it is shown."""

import base64
import secrets
from contextlib import closing
from typing import Any

import pytest

from kms_schema.crypto import EnvelopeFormat, KeyWrapping, RootKeys
from kms_schema.validator import Report, validate
from kms_schema.validator.formats import render
from support.concurrency.statements import master, version
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import Row, hsm_configuration, insert
from support.violations.violation import spelled
from tests.validator.envelope_rows import TEXT, described, found, gcm, name

PLAIN: dict[str, tuple[int, bytes, str]] = {
    "text": (256, b"\x01" + (TEXT + b"\r\n\t ")[:60], "is text after its format byte"),
    "text between nonce and tag": (256, gcm(ciphertext=b"{\r\n\t" + TEXT[1:29]), "is text after its format byte"),
    "a short text with its tag": (64, b"\x01" + secrets.token_bytes(12) + TEXT[:24], "is text after its format byte"),
    "text, padded": (256, b"\x02" + TEXT[:40], "is text after its format byte"),
    "a key behind zeros": (256, gcm(bytes(12)), "has a nonce of zero bytes"),
    "a key before zeros": (256, gcm(tag=bytes(16)), "has a tag of zero bytes"),
}


CIPHERTEXT: dict[str, tuple[int, bytes]] = {
    "text with a NUL in it": (256, gcm(ciphertext=TEXT[:30] + b"\0a")),
    "text with a byte that is none": (256, gcm(ciphertext=TEXT[:31] + b"\x80")),
    "text with a character that is no ASCII": (256, gcm(ciphertext=TEXT[:30] + b"\xc3\xa4")),
    "text with a control character": (256, gcm(ciphertext=TEXT[:31] + b"\x7f")),
    "too short to say": (64, b"\x02" + TEXT[:16]),
    "nearly a nonce of zeros": (256, gcm(bytes(11) + b"\x01")),
}


def kept(connection: Connection, bits: int, blob: bytes) -> tuple[Row, Row]:
    key = master(connection, key_size_bits=bits)
    form = EnvelopeFormat(blob[0])
    return key, version(connection, key, encrypted_key_data=blob, **described(int(form), form.algorithm))


@pytest.mark.parametrize("case", PLAIN)
def test_what_looks_like_plaintext_is_named_and_not_shown(database: Database, case: str) -> None:
    bits, blob, says = PLAIN[case]
    with closing(database.connect()) as connection:
        key, row = kept(connection, bits, blob)
        report = validate(connection, level="data")
    (finding,) = [finding for finding in report.findings if finding.code.startswith("KMS5")]
    assert (finding.code, finding.severity, finding.object) == ("KMS525", "warning", "table key_versions")
    assert finding.actual == f"1 row:\n{name(key, row, database)} {says}"
    shows_nothing_of(blob, report)


def shows_nothing_of(blob: bytes, report: Report) -> None:
    """Neither as it is, nor in hexadecimal, nor in base64, in any place of it."""
    text = render(report, "json")
    for start in range(1, len(blob) - 8):
        piece = blob[start : start + 9]
        assert piece.hex() not in text
        assert base64.b64encode(piece).decode() not in text
        assert piece.decode("latin-1") not in text or not piece.strip(b"\0")


@pytest.mark.parametrize("case", CIPHERTEXT)
def test_what_may_be_ciphertext_is_no_finding(database: Database, case: str) -> None:
    with closing(database.connect()) as connection:
        kept(connection, *CIPHERTEXT[case])
        assert found(connection) == {}


def test_credentials_are_asked_like_keys(database: Database) -> None:
    with closing(database.connect()) as connection:
        row = insert(connection, "hsm_configurations", **hsm_configuration(authentication_config=b"\x01" + TEXT))
        says = found(connection)
    assert says == {
        "KMS525": f"1 row:\nHSM configuration {row['configuration_name']} ({spelled(row['id'], database.dialect)})"
        " is text after its format byte"
    }


def test_what_the_package_encrypts_is_no_finding(database: Database, tmp_path: Any) -> None:
    from sqlalchemy.orm import Session  # noqa: PLC0415

    from kms_schema.models import HsmConfiguration, KeyMaster  # noqa: PLC0415
    from kms_schema.vocabulary import HsmProvider, KeyType  # noqa: PLC0415

    root = tmp_path / "root.key"
    root.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    root.chmod(0o600)
    wrapping = KeyWrapping(RootKeys.from_files({"kms://root": str(root)}))
    with Session(database.engine()) as session:
        top = KeyMaster(key_id="kek", key_type=KeyType.KEK, algorithm="AES", key_size_bits=256)
        under: Any = wrapping.generate(top, under="kms://root")
        session.add(under)
        for bits, form in [(bits, form) for bits in (8, 128, 256, 521) for form in EnvelopeFormat]:
            of = KeyMaster(key_id=f"dek-{bits}-{form}", key_type=KeyType.DEK, algorithm="AES", key_size_bits=bits)
            session.add(wrapping.generate(of, under=under, form=form))
        hsm = HsmConfiguration(provider=HsmProvider.PKCS11, configuration_name="luna")
        wrapping.encrypt_credentials(hsm, {"user": "kms", "pin": "0000-1234"}, under="kms://root")
        session.add(hsm)
        session.commit()
        session.get_bind().dispose()  # type: ignore[union-attr]
    with closing(database.connect()) as connection:
        assert found(connection) == {}
