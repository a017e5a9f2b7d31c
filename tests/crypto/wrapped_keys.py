"""Keys through the models, and rows changed as only an owner of the database can."""

from contextlib import closing
from typing import Any

from sqlalchemy.orm import Session

from kms_schema.crypto import EnvelopeFormat, KeyWrapping, Wrapper
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion
from kms_schema.vocabulary import HsmProvider, KeyType
from support.engines import Database
from support.rows.smallest import unique
from support.statements import execute

ROOT, NEXT_ROOT = "kms://root-2026", "kms://root-2027"


def a_key(key_type: KeyType = KeyType.DEK, bits: int = 256, **over: Any) -> KeyMaster:
    return KeyMaster(
        **{"key_id": unique("key"), "key_type": key_type, "algorithm": "AES", "key_size_bits": bits, **over}
    )


def an_hsm() -> HsmConfiguration:
    return HsmConfiguration(provider=HsmProvider.PKCS11, configuration_name=unique("hsm"))


def kept(session: Session, wrapping: KeyWrapping, key: KeyMaster, under: Wrapper = ROOT, **over: Any) -> KeyVersion:
    """Return a version of `key` that the database has taken."""
    version = wrapping.generate(key, under=under, **over)
    session.add(version)
    session.commit()
    return version


def opened(wrapping: KeyWrapping, version: KeyVersion) -> bytes:
    """Return the key of a version, for comparison."""
    with wrapping.unwrap(version) as material:
        return bytes(material.view)


def with_triggers_disabled(database: Database, table: str, row: Any, **change: Any) -> None:
    """Change a row as the owner of the database can, who drops triggers and constraints first."""
    with closing(database.connect()) as connection:
        if database.dialect == "sqlite":
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for (name,) in connection.execute(triggers).fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute("PRAGMA ignore_check_constraints = ON")
        else:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        settings = ", ".join(f"{column} = :{column}" for column in change)
        statement = f"UPDATE {table} SET {settings} WHERE id = :row"  # noqa: S608
        assert execute(connection, statement, {**change, "row": row}).rowcount == 1


def formats(version: KeyVersion) -> tuple[int, EnvelopeFormat]:
    """Return the format byte of a version's envelope, and the format that its metadata names."""
    assert version.encrypted_key_data is not None
    assert version.encryption_metadata is not None
    return version.encrypted_key_data[0], EnvelopeFormat(version.encryption_metadata["format"])


def spoil(database: Database, version: Any) -> None:
    identity = version.hex if database.dialect == "sqlite" else version
    with_triggers_disabled(database, "key_versions", identity, encrypted_key_data=b"\x01" + bytes(60))
