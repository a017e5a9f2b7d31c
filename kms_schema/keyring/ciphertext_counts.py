"""Refuses to destroy a version of a data key while a column may hold its ciphertexts.

A process may go on with a version for `max_age` after it has ended, and a transaction may insert what was encrypted
before: so a version is destroyed a day after its end, when every transaction of then has ended, and the ciphertexts are
counted under a lock that lets nobody insert until the version is destroyed.
"""

import datetime as dt
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.identifiers import quoted
from kms_schema.keyring.errors import HostColumnError, KeyInUseError
from kms_schema.keyring.host_columns import ColumnName, count_of
from kms_schema.models import KeyMaster, KeyVersion, current_time
from kms_schema.vocabulary import KeyType

LEAST = dt.timedelta(hours=24)
"""The least time between the end of a version and its destruction."""

_OLD_TRANSACTIONS = sa.text("""
    SELECT 'session ' || activity.pid AS name FROM pg_catalog.pg_stat_activity AS activity
    JOIN pg_catalog.pg_locks AS lock ON lock.pid = activity.pid AND lock.locktype = 'virtualxid' AND lock.granted
    WHERE activity.datname = pg_catalog.current_database() AND activity.pid <> pg_catalog.pg_backend_pid()
        AND activity.backend_type IS DISTINCT FROM 'autovacuum worker'
        AND (activity.xact_start IS NULL OR activity.xact_start < :since)
    UNION ALL
    SELECT 'prepared transaction ' || gid FROM pg_catalog.pg_prepared_xacts
    WHERE database = pg_catalog.current_database()
""")
"""Transactions that may be open since then: without pg_read_all_stats the beginning of other logins' is not visible."""


def count_ciphertexts(session: Session, version: uuid.UUID, also: Sequence[ColumnName] = ()) -> int | None:
    """Return how many ciphertexts of a version its columns hold; None if no column is known.

    The columns are those that are stored with the key and `also`. On PostgreSQL their tables stay locked in SHARE mode
    until the transaction ends, which needs UPDATE on them; on SQLite the transaction has to have the write lock. Raises
    `HostColumnError` for a column that cannot be counted.
    """
    query = sa.select(KeyVersion.ciphertext_tag, KeyMaster.encrypted_columns, KeyMaster.key_id)
    tag, stored, key_id = session.execute(query.join(KeyVersion.key).where(KeyVersion.id == version)).one()
    declared = [ColumnName(each["table"], each["column"], each.get("schema")) for each in stored or ()]
    connection = session.connection()
    columns = sorted({name.resolved(connection) for name in (*declared, *also)}, key=str)
    if not columns:
        return None
    count = 0
    for name in columns:
        try:
            with connection.begin_nested():
                if connection.dialect.name == "postgresql" and name.schema is not None:
                    table = f"{quoted(name.schema)}.{quoted(name.table)}"
                    connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE MODE".replace("%", "%%"))
                count += count_of(connection, name, tag)
        except (sa.exc.ProgrammingError, sa.exc.OperationalError) as error:
            if getattr(error.orig, "sqlstate", None) == "55P03":  # the lock of another session
                raise
            reason = str(error.orig).splitlines()[0]
            raise HostColumnError(f"column {name} cannot be counted: {reason}", key_id=key_id) from None
    return count


def refuse_data_loss(session: Session, version: KeyVersion, also: Sequence[ColumnName] = ()) -> None:
    """Raise `KeyInUseError` unless nothing is known to be encrypted with a version of a data key any more.

    `session`: in the transaction that destroys it. `also`: columns besides those that are stored with the key. Versions
    of other keys encrypt no data, and those that never were live have encrypted none. Raises as `count_ciphertexts`
    does.
    """
    if version.key.key_type != KeyType.DEK or version.activated_at is None:
        return
    key_id, number = version.key.key_id, version.version_number
    reason = None
    since = session.execute(sa.select(current_time())).scalar_one() - LEAST
    if version.deactivated_at is None or version.deactivated_at > since:
        reason = "has ended less than 24 hours ago: processes may still encrypt with it"
    elif (name := _open_transaction(session, since)) is not None:
        reason = (
            f"may be used by {name}, which may have been open when it ended: wait until it ends, or use a login with"
            " pg_read_all_stats, which sees since when"
        )
    else:
        count = count_ciphertexts(session, version.id, also)
        if count is None:
            reason = "may have ciphertexts anywhere: no column is stored with the key, name those that hold them"
        elif count:
            reason = f"still has {count} ciphertexts in columns of applications: re-encrypt them first"
    if reason is not None:
        raise KeyInUseError(f"version {number} of key {key_id!r} {reason}", key_id=key_id, version=number)


def _open_transaction(session: Session, since: dt.datetime) -> str | None:
    """Return a transaction that may be open since then; SQLite has one writer at a time."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    return session.execute(_OLD_TRANSACTIONS, {"since": since}).scalars().first()
