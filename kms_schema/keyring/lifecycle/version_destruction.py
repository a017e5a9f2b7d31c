"""Destroys a version, and the object of one that an HSM holds, unless ciphertexts of it may be left.

A process may use a version for `max_age` after it has ended, and a transaction may insert a ciphertext from before. So
a version of a data key is destroyed a day after its end, when every transaction that was open then has ended. The
ciphertexts are counted under a lock that blocks inserts until the version is destroyed.
"""

import datetime as dt
import time
import uuid
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import DependentsError, destroy
from kms_schema.crypto.destroying import Check, Destroyable, unchecked
from kms_schema.database.messages import driver_message
from kms_schema.keyring.columns.column_search import (
    LockWaits,
    count_ciphertexts_in,
    refuse_other_values,
    with_namesakes,
)
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.database.driver_errors import translated
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import ColumnError, DatabaseUnavailableError, KeyInUseError
from kms_schema.keyring.use.opener import HeldKeys
from kms_schema.keyring.use.states import ENCRYPTING
from kms_schema.models import KeyMaster, KeyVersion, current_time
from kms_schema.text.identifiers import quoted
from kms_schema.text.printable import counted

_SECONDS = 2.0
"""How long to wait for transactions of other logins, whose beginning this role may not see."""

_OLD_TRANSACTIONS = sa.text("""
    SELECT lock.virtualtransaction AS name, activity.pid, activity.xact_start IS NOT NULL AS is_seen
    FROM pg_catalog.pg_stat_activity AS activity
    JOIN pg_catalog.pg_locks AS lock ON lock.pid = activity.pid AND lock.locktype = 'virtualxid' AND lock.granted
    WHERE activity.datname = pg_catalog.current_database() AND activity.pid <> pg_catalog.pg_backend_pid()
        AND activity.backend_type IS DISTINCT FROM 'autovacuum worker'
        AND (activity.xact_start IS NULL OR activity.xact_start < :since)
    UNION ALL
    SELECT gid, NULL, true FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()
""")
_STILL_OPEN = sa.text("""
    SELECT pid FROM pg_catalog.pg_locks
    WHERE locktype = 'virtualxid' AND granted AND virtualtransaction = ANY (:names)
""")


def transaction_open_since(session: Session, since: dt.datetime) -> str | None:
    """Return a sentence about a transaction that may be open since then; else None.

    SQLite has one writer at a time, and none that read before another one wrote.
    """
    if session.get_bind().dialect.name != "postgresql":
        return None
    rows = session.execute(_OLD_TRANSACTIONS, {"since": since}).all()
    seen = [row for row in rows if row.is_seen]
    if seen:
        named = f"session {seen[0].pid}" if seen[0].pid else f"prepared transaction {seen[0].name!r}"
        return f"{named} has had a transaction open since before {since:%Y-%m-%d %H:%M} UTC"
    return _wait_for(session, [row.name for row in rows])


def _wait_for(session: Session, names: Sequence[str]) -> str | None:
    """Wait until these transactions have ended: those that are there now include all that were open before."""
    deadline = time.monotonic() + _SECONDS
    while names:
        left = session.execute(_STILL_OPEN, {"names": list(names)}).scalars().all()
        if not left:
            break
        if time.monotonic() > deadline:
            return (
                f"session {left[0]} of another login has a transaction open, since when is not visible: wait until it"
                " ends, or grant pg_read_all_stats to this login"
            )
        time.sleep(0.05)
    return None


LEAST = dt.timedelta(hours=24)
"""The least time between the end of a version and its destruction."""

_LOCK_WAIT_SECONDS = 2.0
"""A session that waits for the lock keeps all who write to the table waiting behind it."""


def count_ciphertexts(session: Session, version: uuid.UUID, also: Sequence[ColumnName] = ()) -> int | None:
    """Return how many ciphertexts of a version its columns hold; None if no column is known.

    The columns are those that are stored with the key and `also`, and those of the same names in other schemas. On
    PostgreSQL their tables stay locked in SHARE mode until the transaction ends, which needs UPDATE on them; the locks
    are waited for two seconds, all together. On SQLite the transaction has to have the write lock. Raises
    `ColumnError` (`host`) for a column that cannot be counted.
    """
    query = sa.select(KeyVersion.ciphertext_tag, KeyMaster.encrypted_columns, KeyMaster.key_id)
    tag, stored, key_id = session.execute(query.join(KeyVersion.key).where(KeyVersion.id == version)).one()
    named = [ColumnName(each["table"], each["column"], each.get("schema")) for each in stored or ()]
    declared = [name for name in named if not name.is_elsewhere]
    connection = session.connection()
    columns = with_namesakes(connection, (*declared, *also))
    if not columns:
        return None
    count, waits = 0, LockWaits(_LOCK_WAIT_SECONDS)
    for name in columns:
        try:
            with connection.begin_nested():
                if connection.dialect.name == "postgresql" and name.schema is not None:
                    table = f"{quoted(name.schema)}.{quoted(name.table)}"
                    statement = f"LOCK TABLE {table} IN SHARE MODE".replace("%", "%%")
                    waits.bound(connection, partial(connection.exec_driver_sql, statement))
                count += count_ciphertexts_in(connection, name, tag)
                if name in also:
                    refuse_other_values(connection, name)
        except (sa.exc.ProgrammingError, sa.exc.OperationalError) as error:
            reason = driver_message(error)
            raise ColumnError(f"column {name} cannot be counted: {reason}", key_id=key_id, reason="host") from None
    return count


def refuse_data_loss(session: Session, version: KeyVersion, also: Sequence[ColumnName] = ()) -> None:
    """Raise `KeyInUseError` unless nothing is known to be encrypted with a version of a data key any more.

    `session`: in the transaction that destroys it. `also`: columns besides those that are stored with the key; required
    where the key has encrypted outside of these. Versions of other keys encrypt no data, and those that never were live
    have encrypted none. Raises as `count_ciphertexts` does.
    """
    if version.key.key_type not in ENCRYPTING or version.activated_at is None:
        return
    key_id, number = version.key.key_id, version.version_number
    reason = None
    since = session.execute(sa.select(current_time())).scalar_one() - LEAST
    if version.deactivated_at is None or version.deactivated_at > since:
        reason = "has ended less than 24 hours ago: processes may still encrypt with it"
    elif (transaction := transaction_open_since(session, since)) is not None:
        reason = f"may be used by a transaction that was open when it ended: {transaction}"
    elif version.key.encrypts_elsewhere and not also:
        reason = (
            "may have ciphertexts anywhere: a process has encrypted for a caller, outside of the columns that are"
            " stored with the key. Look there, and name the columns that may hold some with --check"
        )
    else:
        count = count_ciphertexts(session, version.id, also)
        if count is None:
            reason = "may have ciphertexts anywhere: no column is stored with the key, name those that hold them"
        elif count:
            reason = f"still has {counted(count, 'ciphertext')} in columns of applications: re-encrypt first"
    if reason is not None:
        raise KeyInUseError(f"version {number} of key {key_id!r} {reason}", key_id=key_id, version=number)


_NEEDS = "kms_rotator"


def destroy_version(  # noqa: PLR0913  (each is an option of the command)
    storage: Storage,
    held: HeldKeys,
    key_id: str,
    version: int,
    *,
    check: Sequence[str],
    erase_data: bool,
    leave_object: bool,
    actor: str | None,
) -> None:
    """Do what `KeyRing.destroy_version` does, but for the cache. Raises as that does."""
    if storage.joined is not None:
        raise DatabaseUnavailableError("this thread has a transaction open on the database: end it first")
    names = [ColumnName.parse(each) for each in check]
    with translated(key_id, _NEEDS):
        columns = [each.resolved_by(storage.writers) for each in names]
        refuse = data_loss_check(columns, erase_data=erase_data)
        try:
            destroy_with_object(
                storage.writers, held, key_id, version, check=refuse, leave_object=leave_object, actor=actor
            )
        except DependentsError as error:
            raise KeyInUseError(str(error), key_id=key_id, version=version, reason="version") from None


def data_loss_check(columns: Sequence[ColumnName], *, erase_data: bool) -> Check:
    """Return the check that refuses to destroy a version with ciphertexts in a column, unless `erase_data`.

    columns: of applications, besides those that are stored with the key.
    """
    return unchecked if erase_data else partial(refuse_data_loss, also=columns)


def destroy_with_object(  # noqa: PLR0913  (each is an option of the command)
    engine: sa.Engine,
    held: HeldKeys,
    key_id: str,
    version: int,
    *,
    check: Check,
    leave_object: bool,
    actor: str | None,
) -> Destroyable:
    """Destroy a version, and the object of one that an HSM holds, unless `leave_object`.

    `held` destroys the object. `engine`, `key_id`, `version`, `check` and `actor` are those of
    `kms_schema.crypto.destroy`. Raises as that does, and `MaterialUnavailableError` (`hsm`) if the object cannot be
    destroyed. Example::

        with closing(HeldKeys({"luna-1": uri}, (), Waits())) as held:
            destroy_with_object(engine, held, "cards", 1, check=unchecked, leave_object=False, actor="alice")
    """
    return destroy(engine, key_id, version, actor=actor, check=check, in_hsm=_leave if leave_object else held.destroy)


def _leave(_session: Session, _version: KeyVersion, _handle: str) -> None:
    """Leave an object in its HSM, or where it was."""
