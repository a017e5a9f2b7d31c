"""Writes the bytes of a document, with its SHA-256 and a serial number that depends on the content alone."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO


class Output:
    """A document that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to a file that is open for writing bytes."""
        self._file = file
        self._all, self._content = hashlib.sha256(), hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of all that was written, in hexadecimal."""
        return self._all.hexdigest()

    def write(self, text: str, *, is_content: bool = True) -> None:
        """Write a text. A text that is not content, such as the time, does not change the serial number."""
        data = text.encode("utf-8", "backslashreplace")
        self._file.write(data)
        self._all.update(data)
        if is_content:
            self._content.update(data)

    def serial_number(self) -> str:
        """Return a UUID that two documents share if their contents so far are the same."""
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, self._content.hexdigest())}"

    def write_items(self, items: Iterable[Any]) -> None:
        """Write the items of a JSON array, each on a line."""
        self.write_lines(map(dumps, items))

    def write_lines(self, lines: Iterable[str]) -> None:
        """Write the items of a JSON array that are encoded already."""
        separator = "\n"
        for line in lines:
            self.write(separator + line)
            separator = ",\n"


dumps: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Returns a value as JSON in ASCII, on one line: one encoder for all, since to make one takes a fifth of the time."""
