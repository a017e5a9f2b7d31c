"""Keys under a key encryption key that was rotated, and what every one of them holds: to see that nothing is lost."""

import base64
import secrets
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping
from kms_schema.models import HsmConfiguration, KeyVersion, current_time
from kms_schema.vocabulary import KeyStatus, KeyType
from tests.crypto.wrapped_keys import NEXT_ROOT, ROOT, a_key, an_hsm, kept, opened

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
