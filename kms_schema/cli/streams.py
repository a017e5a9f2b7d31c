"""The standard streams of the program: output that cannot be written ends in one sentence and exit status 3."""

import errno
import io
import os
import sys

import click

NOT_WRITTEN = 3
"""The exit status."""

_OF_OUTPUT = frozenset({
    errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.ECONNRESET,
})  # fmt: skip


def prepare() -> None:
    """Replace streams that are closed, and escape characters that the encoding of the terminal does not have.

    The number of a closed stream would be that of the next file or connection that is opened. Writing to standard
    output then fails; messages to standard error are lost.
    """
    for number, (name, flags) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        if getattr(sys, name) is None and os.open(os.devnull, flags) == number:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flushed(status: int) -> int:
    """Write what is buffered, and return the exit status: `status`, if all of it is written."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return failed(error)
    return status


def failed(error: OSError) -> int:
    """Report output that cannot be written, and return the exit status; raise any other error again.

    A reader that has closed the pipe (`… | head`) needs no message.
    """
    if error.filename is not None or error.errno not in _OF_OUTPUT:
        raise error
    _discard_further_output()
    if error.errno != errno.EPIPE:
        try:
            click.echo(f"Error: cannot write the output: {error.strerror}", err=True)
        except OSError:
            return NOT_WRITTEN
    return NOT_WRITTEN


def _discard_further_output() -> None:
    """Discard what is buffered: Python would try to write it once more when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except io.UnsupportedOperation:
        return  # no file, as in a test
