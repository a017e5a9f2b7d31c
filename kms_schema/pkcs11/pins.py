"""PINs, from a file or an environment variable. They are read at each login and wiped after it."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from kms_schema.crypto.secret import Secret
from kms_schema.files.secret import SecretFileError, read_secret_file
from kms_schema.pkcs11.errors import PinError

_LONGEST = 255


def read_pin(source: str) -> Secret:
    """Return the PIN, in UTF-8, for the caller to wipe.

    source: the `pin-source` of a URI: `file:PATH`, of a file that others cannot read, or `env:NAME`. A line break at
    the end of a file is no part of the PIN.

    Raises `PinError`, whose message has the path or the name and never the content. Example::

        with read_pin("file:/run/secrets/pin") as pin:
            login(pin.view)
    """
    kind, _, place = source.partition(":")
    if kind == "env" and place:
        if place not in os.environ:
            if not place.isidentifier():  # perhaps the PIN itself
                raise PinError("pin-source env:NAME takes the name of a variable, which has the PIN of the token")
            raise PinError(f"the environment has no variable {place}, which the PIN of the token is in")
        return _checked(Secret(bytearray(os.environ[place].encode(errors="replace"))), f"the variable {place}")
    if kind == "file" and place:
        path = Path(urlsplit(source).path if place.startswith("//") else place)
        try:
            content = Secret(read_secret_file(path))
        except SecretFileError as error:
            raise PinError(str(error)) from None
        except OSError as error:
            raise PinError(f"cannot read the PIN in {path}: {error.strerror}") from None
        with content:
            end = len(content)
            while end and content.view[end - 1] in b"\r\n":
                end -= 1
            return _checked(Secret.copy_of(content.view[:end] if end else b""), str(path))
    raise PinError("pin-source is neither file:PATH nor env:NAME")


def _checked(pin: Secret, where: str) -> Secret:
    try:
        str(pin.view, "utf-8") if pin else None
    except UnicodeDecodeError:
        pin.wipe()
    if not 1 <= len(pin) <= _LONGEST:
        pin.wipe()
        raise PinError(f"{where} is no PIN: it has 1 to {_LONGEST} bytes of UTF-8")
    return pin
