"""Files with secrets, such as root keys, PINs and private keys. Only the owner of a file may change it.

Checks are about the file that was opened. A symbolic link is followed, since orchestrators mount secrets as links.
"""

import errno
import os
import struct
from pathlib import Path

from kms_schema.errors import KmsSchemaError
from kms_schema.files.inputs import open_regular

LONGEST = 4096
"""The bytes of the longest file. A key or a PIN has far fewer."""

_OTHERS_OR_GROUP_MAY_WRITE = 0o027
_ACL, _ACL_ENTRY, _NAMED = "system.posix_acl_access", struct.Struct("<HHI"), (0x02, 0x08)
"""Linux's access control list: a number of its version, then entries; tags 2 and 8 are a named user and group."""


class SecretFileError(KmsSchemaError):
    """A file that is not read as a secret: somebody else may read or change it, or it is no file of a secret."""


def read_secret_file(path: Path) -> bytearray:
    """Return the content of a file with a secret, for the caller to wipe.

    Raises `SecretFileError` for a file of another user than this one and root, for one that others can read or its
    group can change, and above `LONGEST` bytes. Raises `OSError` if it cannot be opened, or is no regular file.
    """
    with open_regular(path) as file:
        if (problem := _problem(file.fileno())) is not None:
            raise SecretFileError(f"{path} is not read: {problem}")
        with memoryview(bytearray(LONGEST + 1)) as buffer:
            size = file.raw.readinto(buffer) or 0  # past the buffer of the file, which is not wiped
            content = bytearray(buffer[:size])
            buffer[:] = bytes(len(buffer))
    if size > LONGEST:
        content[:] = bytes(size)
        raise SecretFileError(f"{path} is not read: it has more than {LONGEST} bytes, so it is no key and no PIN")
    return content


def _problem(file: int) -> str | None:
    """Return why an open file is not read, and what to do about it."""
    status = os.fstat(file)
    if os.name == "posix" and status.st_uid not in (0, os.geteuid()):
        return "it belongs to another user, who can change it: take a copy that belongs to this user or to root"
    # A group may read: orchestrators hand secrets to a service's group.
    if status.st_mode & _OTHERS_OR_GROUP_MAY_WRITE:
        return "others can read it, or its group can change it: chmod 600 it, or replace it if somebody has"
    if _names_others(file):
        return "its access control list names other users or groups: setfacl -b it, or replace it if somebody has"
    return None


def _names_others(file: int) -> bool:
    """Return whether an access control list gives a named user or group access. The mode shows only its mask."""
    if not hasattr(os, "getxattr"):
        return False
    try:
        entries = os.getxattr(file, _ACL)[4:]
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise
    whole = entries[: len(entries) // _ACL_ENTRY.size * _ACL_ENTRY.size]
    return any(tag in _NAMED and allowed for tag, allowed, _ in _ACL_ENTRY.iter_unpack(whole))
