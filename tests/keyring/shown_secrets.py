"""The forms in which a secret could be shown."""

import base64
import traceback


def forms(secret: bytes) -> tuple[str, ...]:
    """Return how the secret, or its beginning, could be spelled."""
    part = secret[3:15]
    return (part.hex(), repr(part)[2:-1], base64.b64encode(secret).decode()[4:20], str(list(part))[1:-1])


def shown(error: BaseException) -> str:
    """Return an error with its causes, and the variables of each frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) + repr(error)
