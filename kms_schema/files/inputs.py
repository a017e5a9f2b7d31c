"""The files that commands read whole: regular, with a limit, so that nothing waits for ever or fills the memory."""

import errno
import io
import os
import stat
from pathlib import Path

LONGEST = 2 * 1024 * 1024
"""The most bytes of a file that is read whole, and of a line of an archive. The largest entry encodes to 131,218."""


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a file to read its bytes, without waiting for a writer.

    Args:
        path: its name. A FIFO, a device and a socket are refused: they may never have anything to read, or no end.

    Raises `OSError`; its `strerror` says what to do.

    Example:
        with open_regular("audit.jsonl.gz") as file:
            first = file.read(2)
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file; copy its content into one", str(path))
    return file


def read_whole(path: str | Path, longest: int = LONGEST) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: its name.
        longest: the most bytes that it may have.

    Raises `OSError`; its `strerror` says what to do.

    Example:
        text = read_whole("waivers.toml").decode()
    """
    with open_regular(path) as file:
        content = file.read(longest + 1)
    if len(content) > longest:
        raise OSError(errno.EFBIG, f"longer than the {longest} bytes that such a file can have", str(path))
    return content
