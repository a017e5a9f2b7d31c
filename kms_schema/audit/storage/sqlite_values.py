"""Texts of SQLite, which stores any bytes as TEXT, and entries whose times run against their sequence.

A connection can redefine the functions that the guard triggers call, and so choose the time of an entry. Entries are
written one after the other, so a time before that of the entry before was chosen, or the clock was set back.
"""


def text_as_stored(stored: bytes) -> str:
    """Return a TEXT value that may not be valid UTF-8: the `text_factory` of connections that read the trail.

    An invalid byte becomes a lone surrogate, which `entry_from_row` writes as that byte again. Otherwise one damaged
    text would make the whole trail unreadable.
    """
    return stored.decode(errors="surrogateescape")


TOLERATED_SECONDS = 60
"""How far a clock may be set back, or an id differ from the time of its entry."""

_SHIFTED = (
    "printf('%012x', CAST((julianday(substr(\"timestamp\", 1, 23)) - 2440587.5) * 86400000 AS INTEGER) {shift}"
    f" {TOLERATED_SECONDS}000)"
)
_SET_BACK = f'(julianday(substr(before, 1, 23)) - julianday(substr("timestamp", 1, 23))) * 86400 > {TOLERATED_SECONDS}'

AGAINST_TIME = f"""SELECT id, sequence, 'is dated ' || "timestamp"
        || CASE WHEN {_SET_BACK} THEN ', and the entry before ' || before ELSE ', and its id is of another time' END
        AS problem
    FROM (SELECT id, sequence, "timestamp", lag("timestamp") OVER (ORDER BY sequence) AS before
        FROM main.key_audit_logs) AS entries
    WHERE {_SET_BACK}
        OR substr(id, 1, 12) NOT BETWEEN {_SHIFTED.format(shift="-")} AND {_SHIFTED.format(shift="+")}
        OR substr(id, 13, 1) <> '7'"""
"""Returns id, sequence and the reason."""
