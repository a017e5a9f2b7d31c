"""Bytes and times as text, each in one form alone: base64, and microseconds as PostgreSQL counts them, in UTC."""

import base64
import binascii
import datetime as dt

from kms_schema.reading.times import time_to_text


def to_base64(data: bytes) -> str:
    """Return the text of some bytes: RFC 4648, section 4, with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """Return the bytes of a text. Raises `ValueError`, without the text, if `to_base64` would write another one.

    Decoders ignore unused bits of the last character, so a changed text could pass otherwise.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        data = b""
    if to_base64(data) != text:
        raise ValueError("not standard base64")
    return data


POSTGRESQL_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

_MICROSECOND = dt.timedelta(microseconds=1)
_FIRST = (dt.datetime.min.replace(tzinfo=dt.UTC) - POSTGRESQL_EPOCH) // _MICROSECOND
_LAST = (dt.datetime.max.replace(tzinfo=dt.UTC) - POSTGRESQL_EPOCH) // _MICROSECOND


def time_from_text(text: str) -> dt.datetime:
    """Return the time of the text `YYYY-MM-DDTHH:MM:SS.ffffffZ`, aware, in UTC.

    Raises `ValueError` for any other form: a time has exactly one text.
    """
    if len(text) == len("YYYY-MM-DDTHH:MM:SS.ffffffZ") and text.endswith("Z"):
        time = dt.datetime.fromisoformat(text)
        # Versions of Python differ in the other forms that they read: 24:00, weeks, a comma.
        if time_to_text(time) == text:
            return time
    raise ValueError(f"not a time of the form YYYY-MM-DDTHH:MM:SS.ffffffZ: {text!r}")


def microseconds(text: str) -> int:
    """Return the microseconds from 2000-01-01T00:00:00Z to the time of a text. Raises `ValueError`."""
    return (time_from_text(text) - POSTGRESQL_EPOCH) // _MICROSECOND


def text_of_microseconds(count: int) -> str | None:
    """Return the text of a time in PostgreSQL's microseconds, None outside the years 1 to 9999."""
    if not _FIRST <= count <= _LAST:
        return None
    return time_to_text(POSTGRESQL_EPOCH + count * _MICROSECOND)
