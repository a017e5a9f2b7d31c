"""The files that commands write: never through a symbolic link, and private unless they are meant for others.

A file is private (0600) since it names keys, roles and entries; the verifier key and SQL to run are for others (0644,
less the umask). Other users of a shared folder cannot choose where the content goes, nor read it. Where Linux and the
file system can, a file has no name until it is complete: then a killed process leaves nothing.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kms_schema.errors import KmsSchemaError

PRIVATE = 0o600
FOR_OTHERS = 0o644

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


class OutputFileError(KmsSchemaError, OSError):
    """A file cannot be written because its name is taken; `strerror` says what to do."""


@contextmanager
def new_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Create a file and yield it for writing; it is on the disk at the end, and removed if the block raises.

    Args:
        path: its name, which nothing has, not even a symbolic link.
        mode: its permissions, `PRIVATE` or `FOR_OTHERS`.

    Raises `FileExistsError` if something has that name, and other `OSError`.

    Example:
        with new_file(Path("audit.jsonl.gz")) as file:
            file.write(b"...")
    """
    try:
        opened = open(path, "xb", opener=lambda name, flags: os.open(name, flags | _NO_LINK, mode))  # noqa: SIM115
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, f"the folder {path.parent} does not exist", str(path)) from None
    with opened as file:
        try:
            _set_mode(file, mode)
            yield file
            _write_to_disk(file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


@contextmanager
def public_file(private: Path, content: str) -> Iterator[Path]:
    """Write the public half of a key pair to a new file, and yield its path; it is removed if the block raises.

    Args:
        private: the file of the private half, which the block writes; the public one adds `.pub`, for others to read.
        content: the public key, a line.

    Raises `FileExistsError` if something has that name, and other `OSError`.

    Example:
        with public_file(Path("seal.key"), str(key.verifier)):
            write_signing_key(Path("seal.key"), key)
    """
    path = private.with_name(f"{private.name}.pub")
    with new_file(path, FOR_OTHERS) as file:
        file.write(f"{content}\n".encode())
    try:
        yield path
    except BaseException:
        path.unlink()
        raise


@contextmanager
def replaced_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Yield a new file that takes the name `path` at the end; until then what was there stays.

    A file of this user keeps its permissions. A pipe or device is written as it is.

    Args:
        path: its name; a file there is replaced.
        mode: its permissions, `PRIVATE` or `FOR_OTHERS`.

    Raises `OutputFileError` for a symbolic link and for a FIFO that no program reads, and other `OSError`.

    Example:
        with replaced_file(Path("report.html")) as file:
            file.write(report.encode())
    """
    there = _status(path)
    if there is not None and stat.S_ISLNK(there.st_mode):
        raise OutputFileError(0, "it is a symbolic link: name the file itself, or write to standard output", str(path))
    if there is not None and not stat.S_ISREG(there.st_mode):
        with open(path, "wb", opener=_open_special) as file:
            yield file
        return
    beside = _beside(path)
    nameless = _nameless_file(path.parent, mode)
    with nameless or _in_place_of(path, beside, mode) as file:
        if there is not None and os.name == "posix" and there.st_uid == os.geteuid():
            os.fchmod(file.fileno(), stat.S_IMODE(there.st_mode))
        yield file
        if nameless is not None:
            _give_name(nameless, beside)
    try:
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def recorded_file(path: Path, *, replace: bool, mode: int = PRIVATE) -> AbstractContextManager[BinaryIO]:
    """Return the context of a document whose SHA-256 becomes an entry: no former one is overwritten.

    Args:
        path: its name. A pipe or device is written as it is.
        replace: replace a file there, as `replaced_file` does.
        mode: its permissions, `PRIVATE` or `FOR_OTHERS`.

    Raises `OutputFileError` for a file that is there, and what `replaced_file` and `named_file` raise.

    Example:
        with recorded_file(Path("report.html"), replace=False) as file:
            file.write(report.encode())
    """
    there = _status(path)
    if not replace and there is None:
        return named_file(path, mode)
    if not replace and there is not None and stat.S_ISREG(there.st_mode):
        message = "it exists, and the audit log may have its SHA-256: name another file, or replace it with --force"
        raise OutputFileError(0, message, str(path))
    return replaced_file(path, mode)


@contextmanager
def named_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Yield a new file that takes the name `path` at the end, unless something has that name by then.

    Two processes that write a file of one name at once each write their own; the first one has the name.

    Args:
        path: its name.
        mode: its permissions, `PRIVATE` or `FOR_OTHERS`.

    Raises `FileExistsError` if something has that name at the end, and other `OSError`.

    Example:
        with named_file(Path("archive/audit.jsonl.gz")) as file:
            file.write(b"...")
    """
    nameless = _nameless_file(path.parent, mode)
    if nameless is not None:
        with nameless:
            yield nameless
            _give_name(nameless, path)
        sync_folder(path.parent)
        return
    beside = _beside(path)
    with _in_place_of(path, beside, mode) as file:
        yield file
    try:
        os.link(beside, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the name is free, but could be taken in between
        if _status(path) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _open_special(name: str, _flags: int) -> int:
    """Open a pipe or device. Without a program that reads a FIFO, opening it would wait, perhaps for ever."""
    try:
        handle = os.open(name, os.O_WRONLY | _NO_LINK | _NO_WAIT)
    except OSError as error:
        if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.lstat(name).st_mode):
            raise
        raise OutputFileError(0, "no program reads this FIFO: start that one first, or name a file", name) from None
    if _NO_WAIT:
        os.set_blocking(handle, True)
    return handle


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _in_place_of(path: Path, beside: Path, mode: int) -> Iterator[BinaryIO]:
    """Create the file that takes the name of another one: an error names that one, which the user knows."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(new_file(beside, mode))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        yield file


def _nameless_file(folder: Path, mode: int) -> BinaryIO | None:
    """Return a new file in a folder that has no name, so it is gone when it is closed; None where that is not possible.

    Its attribute `name` is a path in /proc by which this process can read it.
    Linux can, on most file systems: not on NFS, and not without /proc, through which the file gets its name.
    """
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, mode)
    except OSError:
        return None  # the file with a name will have the same error, or none
    path = f"/proc/self/fd/{handle}"
    if not os.path.lexists(path):
        os.close(handle)
        return None
    file = open(path, "wb", opener=lambda *_: handle)  # noqa: SIM115  (a number, which the caller closes)
    _set_mode(file, mode)
    return file


def _give_name(file: BinaryIO, path: Path) -> None:
    """Write a file without name to the disk and give it a name. Raises `FileExistsError`, and other `OSError`."""
    _write_to_disk(file)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # With the number of a folder Python calls linkat, which alone follows the link in /proc.
        os.link(file.name, path.name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(folder)


def _set_mode(file: BinaryIO, mode: int) -> None:
    if mode == PRIVATE and os.name == "posix":
        os.fchmod(file.fileno(), mode)  # an umask can remove even the owner's permission to read


def _write_to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
