"""Files with secrets: whoever reads them, only files that nobody else can read or change are read."""

import base64
import os
import secrets
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from kms_schema.audit import SealKeyError, SigningKey, read_signing_key, write_signing_key
from kms_schema.crypto import RootKeyError, RootKeys
from kms_schema.files.secret import LONGEST
from kms_schema.keyring.errors import HandoverError
from kms_schema.keyring.handover.receiver_keys import HandoverKey
from kms_schema.pkcs11.errors import PinError
from kms_schema.pkcs11.uri import read_pin

READERS: dict[str, tuple[type[Exception], Callable[[Path], object]]] = {
    "root": (RootKeyError, lambda path: RootKeys.from_files({"kms://root": path})),
    "PIN": (PinError, lambda path: read_pin(f"file:{path}")),
    "seal key": (SealKeyError, read_signing_key),
    "receiver": (HandoverError, HandoverKey.read),
}


def of_another_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)


def with_a_pipe(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def with_a_named_user(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    entries = ((1, 6, 2**32 - 1), (2, 4, 65533), (4, 0, 2**32 - 1), (0x10, 4, 2**32 - 1), (0x20, 0, 2**32 - 1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_access", acl)


def too_long(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b" " * (LONGEST + 1))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_another_user, "belongs to another user"),
        (with_a_pipe, "not a regular file"),
        (with_a_named_user, "access control list"),
        (too_long, "more than 4096 bytes"),
        (lambda path, _: path.chmod(0o660), "chmod 600"),
    ],
    ids=["owner", "pipe", "acl", "length", "mode"],
)
def test_a_file_that_others_can_read_or_change_is_no_secret(
    reader: str, change: Callable[..., None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    write_signing_key(path, SigningKey.generate("kms.example/audit"))
    change(path, monkeypatch)
    error, read = READERS[reader]
    with pytest.raises((error, OSError), match=reason) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_a_link_to_a_file_of_this_user_is_read(tmp_path: Path) -> None:
    path, link = tmp_path / "root.key", tmp_path / "link"
    path.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    path.chmod(0o440)
    link.symlink_to(path)
    RootKeys.from_files({"kms://root": link}).close()
