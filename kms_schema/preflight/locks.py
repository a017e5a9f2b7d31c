"""The locks of an upgrade, by the clients that wait for them."""

from collections.abc import Iterable

from kms_schema.sql.declarations import MODES, Lock

WAITING = {
    "ACCESS SHARE": "no session waits",
    "ROW SHARE": "no session waits",
    "ROW EXCLUSIVE": "no session waits",
    "SHARE UPDATE EXCLUSIVE": "only VACUUM and other DDL wait",
    "SHARE": "writers wait",
    "SHARE ROW EXCLUSIVE": "writers wait",
    "EXCLUSIVE": "writers wait",
    "ACCESS EXCLUSIVE": "readers and writers wait",
}
"""The statements that wait for a lock of each mode (https://www.postgresql.org/docs/current/explicit-locking.html)."""

BLOCKING = MODES[MODES.index("SHARE") :]
"""The modes for which writers wait."""


def strongest(locks: Iterable[Lock]) -> str:
    """Return the strongest mode among locks; raise `ValueError` without any."""
    return max((lock.mode for lock in locks), key=MODES.index)
