"""Standard base64 that has one text only for the same bytes."""

import base64
import binascii


def to_base64(data: bytes) -> str:
    """Return the text of some bytes: RFC 4648, section 4, with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """Return the bytes of a text. Raises `ValueError`, which does not show it, where `to_base64` would write another.

    Decoders overlook bits that are left over in the last character: a text could be changed and still be taken.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        data = b""
    if to_base64(data) != text:
        raise ValueError("not standard base64")
    return data
