"""Refuses to destroy a version of a data key while a column may hold its ciphertexts.

A process may use a version for `max_age` after it has ended, and a transaction may insert a ciphertext from before. So
a version is destroyed a day after its end, when every transaction that was open then has ended. The ciphertexts are
counted under a lock that blocks inserts until the version is destroyed.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.database.messages import driver_message
from kms_schema.keyring.columns.column_search import (
    LockWaits,
    count_ciphertexts_in,
    refuse_other_values,
    with_namesakes,
)
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.errors import ColumnError, KeyInUseError
from kms_schema.keyring.use.states import ENCRYPTING
from kms_schema.keyring.worker.open_since import transaction_open_since
from kms_schema.models import KeyMaster, KeyVersion, current_time
from kms_schema.text.identifiers import quoted
from kms_schema.text.printable import counted

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
