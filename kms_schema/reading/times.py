"""Times as SQLite stores them: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, in UTC. Texts of this form compare as the times do."""

import datetime as dt
from typing import Any

SQLITE_NOW = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
"""The current time as an expression of SQLite, whose clock has milliseconds."""


def hours_after(time: str, hours: str) -> str:
    """Return the expression of SQLite for a time so many hours after another; both are expressions.

    Date functions have a precision of milliseconds: they get whole seconds, and the fraction is appended.
    """
    return f"(strftime('%Y-%m-%dT%H:%M:%S', substr({time}, 1, 19), ({hours}) || ' hours') || substr({time}, 20))"


def time_to_text(time: dt.datetime) -> str:
    """Return an aware time as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return time.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def time_of(stored: Any) -> dt.datetime:
    """Return a time of a row in UTC: psycopg returns an aware one, SQLite has text."""
    time = stored if isinstance(stored, dt.datetime) else dt.datetime.fromisoformat(stored)
    return time.astimezone(dt.UTC)
