"""The locks of an upgrade, by the clients that wait for them."""

from collections.abc import Iterable

from kms_schema.sql.declarations import MODES, Lock

WAITING = {
    "ACCESS SHARE": "nobody waits",
    "ROW SHARE": "nobody waits",
    "ROW EXCLUSIVE": "nobody waits",
    "SHARE UPDATE EXCLUSIVE": "nobody waits but VACUUM and other DDL",
    "SHARE": "writers wait",
    "SHARE ROW EXCLUSIVE": "writers wait",
    "EXCLUSIVE": "writers wait",
    "ACCESS EXCLUSIVE": "readers and writers wait",
}
"""The statements that wait for a lock of each mode (https://www.postgresql.org/docs/current/explicit-locking.html)."""

BLOCKING = MODES[MODES.index("SHARE") :]
"""The modes for which writers wait."""


def strongest(locks: Iterable[Lock]) -> str:
    """Return the strongest mode among locks; raise `ValueError` if there are none."""
    return max((lock.mode for lock in locks), key=MODES.index)
