"""Standard base64 with exactly one text for the same bytes."""

import base64
import binascii


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
