"""Times as SQLite stores them: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, in UTC. Texts of this form compare as the times do."""

import datetime as dt
from typing import Any

SQLITE_NOW = "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"
"""The current time as an expression of SQLite, whose clock has milliseconds."""


def time_to_text(time: dt.datetime) -> str:
    """Return an aware time as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return time.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def time_of(stored: Any) -> dt.datetime:
    """Return a time of a row in UTC: psycopg returns an aware one, SQLite has text."""
    time = stored if isinstance(stored, dt.datetime) else dt.datetime.fromisoformat(stored)
    return time.astimezone(dt.UTC)
