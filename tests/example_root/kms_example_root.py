"""An example of a provider: root keys in files of hexadecimal digits. One of yours calls a device instead."""

import hmac
from collections.abc import Sequence
from pathlib import Path

from kms_schema.crypto import RootUnavailableError, Secret


class HexFileRoot:
    """A `kms_schema.crypto.Root`, which needs no base class."""

    type = "hexfile"

    def __init__(self, path: Path) -> None:
        self.key = str(path)
        self._path = path

    def derive(self, message: bytes) -> Secret:
        """Return HMAC-SHA-256 of the message under the key."""
        try:
            key = bytes.fromhex(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise RootUnavailableError(f"there is no root key in {self.key}: restore the file") from None
        return Secret(bytearray(hmac.digest(key, message, "sha256")))

    def health(self) -> Sequence[str]:
        """Use the key, and return warnings."""
        self.derive(b"kms-schema/health").wipe()
        return ["the key is read from its file at each use"]

    def close(self) -> None:
        """Nothing is open."""


def open_root(uri: str) -> HexFileRoot:
    """Return the root of a URI. The entry point names this function."""
    return HexFileRoot(Path(uri.removeprefix("hexfile:")))
