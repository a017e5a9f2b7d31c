"""The columns that hold ciphertexts of a key, as stored with the key: a process adds one before it encrypts for it.

Before it encrypts for a caller, who may put the ciphertext anywhere, it adds `ELSEWHERE`.
"""

import json
import shlex
from collections.abc import Sequence

import sqlalchemy as sa

from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.database.messages import driver_message
from kms_schema.keyring.columns.column_search import LockWaits, holds_any, missing_access, with_namesakes
from kms_schema.keyring.columns.host_columns import ColumnName
from kms_schema.keyring.columns.reencrypting import tags_of
from kms_schema.keyring.database.storage import Storage
from kms_schema.keyring.errors import (
    ColumnError,
    KeyInUseError,
    KeyNotPermittedError,
    KeyRingError,
    UnknownKeyError,
)
from kms_schema.models import KeyMaster
from kms_schema.text.printable import counted

_HOLDS = "still holds ciphertexts of it"


class Declarations:
    """Declares columns, each once a process, and finds the ciphertexts that are left in them."""

    def __init__(self, storage: Storage) -> None:
        """Begin without any that is known to be declared."""
        self._storage = storage
        self._known: set[tuple[str, ColumnName]] = set()
        self.elsewhere: set[str] = set()
        """Keys with which `ELSEWHERE` is stored: each encryption looks into it."""

    def declare(self, key_id: str, name: ColumnName) -> None:
        """Make sure that a column is stored with a key. Its errors refuse the encryption.

        Raises `ColumnError` (`host`) for a table that the database does not find, and as `Key.encrypt` does.
        """
        if (key_id, name) in self._known:
            return
        if self._storage.dialect == "sqlite" and name.schema not in (None, "main"):
            raise ColumnError(
                f"column {name} is in an attached database, where no command looks for ciphertexts of the key",
                key_id=key_id,
                reason="host",
            )
        with self._storage.shared_transaction(key_id) as connection:
            found = name.resolved(connection)
        stored = self._stored(key_id)
        if stored is None:  # not to be remembered: the key may be created later
            raise UnknownKeyError(f"there is no key named {key_id!r}", key_id=key_id)
        if found not in stored:
            self.add(key_id, found)
        self._known.add((key_id, name))

    def declared(self, key_id: str) -> list[ColumnName]:
        """Return the columns that are stored with a key, without `ELSEWHERE`, where no command can look."""
        return [name for name in self._stored(key_id) or () if not name.is_elsewhere]

    def add(self, key_id: str, name: ColumnName) -> None:
        """Store a column with a key, or `ELSEWHERE`, which its row that was read does not have. Raises as `declare`."""
        added = json.dumps([name.document(self._storage.dialect)])
        self._storage.write(key_id, self._storage.queries["declare_column"], {"key": key_id, "added": added})

    def _stored(self, key_id: str) -> list[ColumnName] | None:
        """Return what is stored with a key; None if there is no such key."""
        with self._storage.reading_session(key_id) as session:
            query = sa.select(KeyMaster.encrypted_columns).where(KeyMaster.key_id == key_id)
            row = session.execute(query).one_or_none()
        if row is None:
            return None
        return [ColumnName(each["table"], each["column"], each.get("schema")) for each in row[0] or ()]

    def refuse_if_used(self, key_id: str, what: str, otherwise: str = "") -> None:
        """Raise `KeyInUseError` if a column still holds ciphertexts of a key, or cannot be read.

        `what`: the status that the key does not get. `otherwise`: what else the caller can do, as the last sentence.
        """
        tags = tags_of(self._storage, key_id, live=True)
        declared = self.declared(key_id)
        with self._storage.shared_transaction(key_id) as connection:
            columns = with_namesakes(connection, declared)
        found, waits = [], LockWaits(LOCK_WAIT_SECONDS)
        for position, name in enumerate(columns):
            if waits.are_over:
                found.append(f"no look at {counted(len(columns) - position, 'more column')}")
                break
            if (state := self._state(key_id, name, tags, waits)) is not None:
                found.append(state)
        if found:
            sentences = [f"key {key_id!r} is not {what}: {'; '.join(found)}"]
            if any(_HOLDS in each for each in found):
                command = f"kms-schema reencrypt TABLE.COLUMN --key {shlex.quote(key_id)} --to OTHER"
                sentences.append(f"Re-encrypt these columns with another key: {command}")
            raise KeyInUseError(". ".join([*sentences, *([otherwise] if otherwise else [])]), key_id=key_id)

    def _state(self, key_id: str, name: ColumnName, tags: Sequence[int], waits: LockWaits) -> str | None:
        """Return that a column holds ciphertexts of versions, or why that is not known; None if it holds none."""
        try:
            with self._storage.transaction(key_id, "a role that may read the column") as connection:
                return f"column {name} {_HOLDS}" if holds_any(connection, name, tags, waits) else None
        except KeyNotPermittedError:
            with self._storage.shared_transaction(key_id) as connection:
                access = missing_access(connection, name)
            return f"column {name} may hold ciphertexts of it: this login may not read it; {access}"
        except (KeyRingError, sa.exc.DBAPIError) as error:
            reason = driver_message(error)
            return f"column {name} may hold ciphertexts of it: it cannot be read ({reason})"
