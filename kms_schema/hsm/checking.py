"""Health checks of HSMs: a login, a real encryption, its time, and the attributes of the keys in use."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import RootKeys
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS, POLL_SECONDS
from kms_schema.engine import BEGIN_OPTION
from kms_schema.hsm.configurations import find_hsm, record_health, refuse_dual_auth
from kms_schema.hsm.errors import HsmError, MissingObjectError
from kms_schema.hsm.handles import Handle
from kms_schema.hsm.hsms import Hsms, learn_stored_pin
from kms_schema.models import KeyMaster, KeyVersion, acting_for
from kms_schema.pkcs11 import TokenLostError, TokenNotFoundError, TokenRefusedError
from kms_schema.vocabulary import HsmHealth

if TYPE_CHECKING:
    from kms_schema.hsm.key_objects import KeyObjects

SLOW_MS = 1000
"""An HSM whose encryption and decryption take longer is DEGRADED."""
_UNNAMED = (
    "no version in this schema of the database names the object {!r}; another schema or database may: look there before"
    " you destroy it"
)
_COMMIT_SECONDS = 2.0
"""The time from an object in the token until its transaction has locked rows, as a rule much less."""
_MAKERS = """SELECT DISTINCT held.virtualtransaction FROM pg_catalog.pg_locks AS held
    JOIN pg_catalog.pg_class AS relation ON relation.oid = held.relation
WHERE held.granted AND held.mode IN ('RowShareLock', 'RowExclusiveLock')
    AND held.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND relation.relname IN ('key_masters', 'key_versions')"""
"""The transactions that have locked or written rows of keys, on PostgreSQL."""
_GONE = (TokenLostError, TokenNotFoundError)


@dataclass
class HsmCheck:
    """The result of a health check, which is also in the database."""

    name: str
    health: HsmHealth = HsmHealth.HEALTHY
    response_time_ms: int | None = None
    """Milliseconds of an encryption and a decryption; None if it did not answer."""
    keys: int = 0
    """Versions whose objects were read back."""
    faults: list[str] = field(default_factory=list)
    """Why it is not HEALTHY."""
    notes: list[str] = field(default_factory=list)
    """Objects that no version in this schema names; another schema or database may."""


def check_hsm(  # noqa: PLR0913  (each is an option of the command)
    engine: sa.Engine,
    hsms: Hsms,
    name: str,
    roots: Sequence[RootKeys] = (),
    *,
    slow_ms: int = SLOW_MS,
    actor: str | None = None,
) -> HsmCheck:
    """Check an HSM, write its health into the database, and return it.

    - `engine`: of the database; the login needs kms_rotator, on PostgreSQL
    - `hsms`: of the process. `name`: of the HSM. `roots`: for stored credentials
    - `slow_ms`: milliseconds above which it is DEGRADED. `actor`: the user in an entry `HSM_HEALTH_CHANGED`

    An HSM that does not answer is OFFLINE. One whose trial fails, or whose keys are missing or have other attributes
    than they were made with, is DEGRADED.

    Raises `HsmError`: `unknown_hsm`, `disabled` for one that requires two people at a login, `no_uri` and
    `no_stored_pin`. Other errors of `kms_schema.pkcs11`, such as `PinError`, end the check too. The health then stays
    as it is. Example::

        check_hsm(engine, Hsms({"luna-1": uri}), "luna-1").health
    """
    done = HsmCheck(name)
    with Session(engine) as session:
        refuse_dual_auth(find_hsm(session, name))
        versions = _versions(session, name)
        learn_stored_pin(session, hsms, name, roots)
    objects = hsms.objects(name)
    try:
        done.response_time_ms = objects.measure()
        if done.response_time_ms > slow_ms:
            done.faults.append(f"an encryption and a decryption took {done.response_time_ms} ms, more than {slow_ms}")
        _read_back(hsms, done, versions)
        done.notes = [_UNNAMED.format(label) for label in _unnamed(engine, objects)]
    except (HsmError, TokenRefusedError) as error:
        if isinstance(error, HsmError) and error.reason != "unfit_token":
            raise
        done.faults.append(str(error))
    except _GONE as error:
        done.response_time_ms, done.health = None, HsmHealth.OFFLINE
        done.faults = [str(error)]
    if done.faults and done.health is HsmHealth.HEALTHY:
        done.health = HsmHealth.DEGRADED
    with Session(engine) as session:
        with acting_for(session.connection(), actor) if actor is not None else nullcontext():
            record_health(session, name, done.health, done.response_time_ms)
        session.commit()
    return done


def _versions(session: Session, name: str) -> list[tuple[str, str]]:
    """Return the versions in an HSM with their handles."""
    query = (
        sa.select(KeyMaster.key_id, KeyVersion.version_number, KeyVersion.hsm_key_id)
        .join(KeyVersion.key)
        .where(KeyVersion.hsm_key_id.startswith(f"{name}/", autoescape=True))
        .order_by(KeyMaster.key_id, KeyVersion.version_number)
    )
    return [(f"version {row.version_number} of key {row.key_id!r}", row.hsm_key_id) for row in session.execute(query)]


def _unnamed(engine: sa.Engine, objects: "KeyObjects") -> list[str]:
    """Return the labels of objects that no version names, in order: an operator may destroy them.

    The token is listed before the database, since keys are made meanwhile. An object exists before the COMMIT of its
    version, which may take long: so both are listed once more after it.
    """
    unnamed = _without_version(engine, objects.made())
    if unnamed:
        sleep(_COMMIT_SECONDS)
        _wait_for_writers(engine)
        still = objects.made()
        unnamed = _without_version(engine, {each: label for each, label in unnamed.items() if each in still})
    return sorted(unnamed.values())


def _wait_for_writers(engine: sa.Engine) -> None:
    """Wait until the transactions have ended that are making versions now, as long as a command waits for a lock."""
    if engine.dialect.name == "sqlite":
        with suppress(sa.exc.OperationalError), engine.execution_options(**{BEGIN_OPTION: "BEGIN IMMEDIATE"}).begin():
            return  # one connection writes at a time
    end, making = monotonic() + LOCK_WAIT_SECONDS, _makers(engine)
    while making and monotonic() < end:
        sleep(POLL_SECONDS)
        making &= _makers(engine)


def _makers(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.text(_MAKERS)))


def _without_version(engine: sa.Engine, made: dict[bytes, str]) -> dict[bytes, str]:
    with Session(engine) as session:
        known = _known(session)
    return {each: label for each, label in made.items() if each not in known}


def _known(session: Session) -> set[bytes]:
    """Return the ids of the objects of all versions: several names of HSMs may lead to one token."""
    known = set()
    for text in session.scalars(sa.select(KeyVersion.hsm_key_id).where(KeyVersion.hsm_key_id.is_not(None))):
        with suppress(MissingObjectError):
            known.add(Handle.parse(text or "").object_id)
    return known


def _read_back(hsms: Hsms, done: HsmCheck, versions: list[tuple[str, str]]) -> None:
    objects = hsms.objects(done.name)
    for named, text in versions:
        try:
            faults = objects.faults(Handle.parse(text).object_id)
        except MissingObjectError as error:
            done.faults.append(f"{named}: {error}")
        else:
            done.keys += 1
            done.faults += [f"{named}: {fault}" for fault in faults]
