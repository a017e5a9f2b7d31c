"""Keys through the models, alone and under a rotated KEK, and rows changed as only an owner of the database can."""

import base64
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import EnvelopeFormat, KeyWrapping, Wrapper
from kms_schema.models import HsmConfiguration, KeyMaster, KeyVersion, current_time
from kms_schema.vocabulary import HsmProvider, KeyStatus, KeyType
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


CREDENTIALS = {"user": "kms", "pin": "0000-1234"}


def two_roots(folder: Path) -> dict[str, Path]:
    """Return two root keys in files, by reference."""
    files = {}
    for number, reference in enumerate((ROOT, NEXT_ROOT)):
        files[reference] = folder / f"root-{number}.key"
        files[reference].write_bytes(base64.b64encode(secrets.token_bytes(32)))
        files[reference].chmod(0o600)
    return files


class Tree:
    """A KEK with two versions, the second live, and `deks` keys under the first; an HSM's credentials under `ROOT`."""

    def __init__(self, session: Session, wrapping: KeyWrapping, deks: int = 5) -> None:
        """Write it all."""
        self.wrapping = wrapping
        self.kek = a_key(KeyType.KEK, status=KeyStatus.ACTIVE, activated_at=current_time())
        first = kept(session, wrapping, self.kek)
        first.activated_at = current_time()
        session.commit()
        with wrapping.holding(first):
            session.add_all([wrapping.generate(a_key(), under=first) for _ in range(deks)])
        hsm = an_hsm()
        wrapping.encrypt_credentials(hsm, CREDENTIALS, under=ROOT)
        session.add(hsm)
        session.commit()
        first.deactivated_at = current_time()
        session.flush()
        second = kept(session, wrapping, self.kek)
        second.activated_at = current_time()
        session.commit()
        self.first, self.second = f"{self.kek.key_id}:1", f"{self.kek.key_id}:2"
        self.keys = held(session, wrapping)


def held(session: Session, wrapping: KeyWrapping) -> dict[Any, Any]:
    """Return the contents of every version and configuration, each read again."""
    session.rollback()  # a snapshot that is open is of before
    session.expire_all()
    versions = session.scalars(sa.select(KeyVersion).where(KeyVersion.destroyed_at.is_(None)))
    found: dict[Any, Any] = {version.id: opened(wrapping, version) for version in versions}
    for hsm in session.scalars(sa.select(HsmConfiguration)):
        found[hsm.id] = dict(wrapping.decrypt_credentials(hsm, ROOT, NEXT_ROOT))
    session.commit()
    return found


def wrappers(session: Session) -> dict[str, int]:
    """Return how many versions and configurations are under what."""
    query = sa.text(
        "SELECT coalesce(key_id, ''), coalesce(CAST(version_number AS text), wrapping_key_ref, 'unsaid'),"
        " dependent_versions + dependent_configurations FROM key_wrapping_dependents"
    )
    return {f"{key}:{what}" if key else what: int(count) for key, what, count in session.execute(query) if count}
