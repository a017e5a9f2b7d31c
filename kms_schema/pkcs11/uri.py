"""`pkcs11:` URIs (RFC 7512): they name a module, a token, an object, and a place, where the PIN is read.

A URI stands on command lines and in configuration, so it never contains a PIN: `pin-value` is refused. No message of
a URI repeats a value of it. PINs are read at each login and wiped after it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote_to_bytes, urlsplit

from kms_schema.crypto.secret import Secret
from kms_schema.files.secret import SecretFileError, read_secret_file
from kms_schema.pkcs11.errors import PinError, TokenUriError

SCHEME = "pkcs11:"

_TEXTS = {"token", "manufacturer", "serial", "model", "object", "type"}
_PATH = _TEXTS | {"id", "slot-id"}
_QUERY = {"module-path", "pin-source"}
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_TYPES = {"secret-key", "private", "public", "cert", "data"}
_HIGHEST_SLOT = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """The attributes of a URI; None where it has none. `id` is bytes, as tokens store it.

    `repr` and `str` show the path of the URI: token and object, and not where the PIN is.
    """

    module_path: str
    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    object: str | None = None
    id: bytes | None = None
    type: str | None = None
    pin_source: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the attributes of a URI, which names a module, and a token by `token`, `serial` or `slot-id`.

        Raises `TokenUriError`. Example::

            Pkcs11Uri.parse("pkcs11:token=kms;object=root-2026?module-path=/usr/lib/softhsm/libsofthsm2.so"
                            "&pin-source=file:/run/secrets/pin")
        """
        if not text.startswith(SCHEME):
            raise TokenUriError(f"a URI of a token begins with {SCHEME}")
        path, _, query = text.removeprefix(SCHEME).partition("?")
        values = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        if "module-path" not in values:
            raise TokenUriError("the URI names no module: add ?module-path=/path/of/the/module.so")
        if not values.keys() & {"token", "serial", "slot-id"}:
            raise TokenUriError("the URI names no token: add token=LABEL or serial=NUMBER")
        texts = {name.replace("-", "_"): _text(name, value) for name, value in values.items() if name != "id"}
        slot = texts.pop("slot_id", None)
        if slot is not None and not (slot.isascii() and slot.isdecimal() and int(slot) <= _HIGHEST_SLOT):
            raise TokenUriError("slot-id of the URI is a number")
        if texts.get("type", "secret-key") not in _TYPES:
            raise TokenUriError(f"type of the URI is one of {', '.join(sorted(_TYPES))}")
        return cls(**texts, slot_id=None if slot is None else int(slot), id=values.get("id"))

    def __str__(self) -> str:
        """Return the path of the URI: token and object, percent-encoded."""
        pairs = [
            (name, quote(value, safe="-._~"))
            for name in ("token", "serial", "manufacturer", "model", "object", "type")
            if (value := getattr(self, name)) is not None
        ]
        if self.slot_id is not None:
            pairs.append(("slot-id", str(self.slot_id)))
        if self.id is not None:
            pairs.append(("id", "".join(f"%{byte:02x}" for byte in self.id)))
        return SCHEME + ";".join(f"{name}={value}" for name, value in pairs)

    def __repr__(self) -> str:
        """Show the path of the URI only."""
        return f"<{type(self).__name__} {self}>"


def _attributes(part: str, separator: str, known: set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for each in filter(None, part.split(separator)):
        name, equals, value = each.partition("=")
        if name == "pin-value":
            raise TokenUriError(
                "the URI contains a PIN (pin-value), which others can see on a command line: change that PIN, and give"
                " pin-source=file:PATH or pin-source=env:NAME"
            )
        if name not in known:
            raise TokenUriError(f"the URI has an attribute that is not one of {', '.join(sorted(known))}")
        if name in found:
            raise TokenUriError(f"the URI has {name} twice")
        if not equals or not value or _BROKEN_ESCAPE.search(value):
            raise TokenUriError(f"{name} of the URI has no value, or % without two hexadecimal digits")
        found[name] = unquote_to_bytes(value)
    return found


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text:
        raise TokenUriError(f"{name} of the URI is no printable text in UTF-8")
    return text


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
