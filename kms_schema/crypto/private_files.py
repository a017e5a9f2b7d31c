"""Files with secrets: root keys and PINs. Others cannot read them, and their group cannot change them."""

import os
from pathlib import Path

from kms_schema.crypto.errors import CryptoError
from kms_schema.crypto.secret import Secret

LONGEST = 4096
"""Bytes that are read of a file."""

_OTHERS_OR_GROUP_MAY_WRITE = 0o027


class PrivateFileError(CryptoError):
    """Others can read a file with a secret, or its group can change it."""


def read_private(path: Path) -> Secret:
    """Return the first `LONGEST` bytes of a file, which may be empty, for the caller to wipe.

    Raises `PrivateFileError` if others can read it or its group can change it, and `OSError`.
    """
    with path.open("rb", buffering=0) as file:
        # A group may read: orchestrators hand secrets to a service's group.
        if os.fstat(file.fileno()).st_mode & _OTHERS_OR_GROUP_MAY_WRITE:
            raise PrivateFileError(
                f"others can read {path}, or its group can change it: chmod 600 it, or replace it if somebody has"
            )
        buffer = bytearray(LONGEST)
        with Secret(buffer) as whole:
            return Secret.copy_of(whole.view[: file.readinto(buffer)])
