"""The standard streams of the program: output that cannot be written ends in one sentence and exit status 3."""

import codecs
import errno
import io
import os
import stat
import sys
from pathlib import Path
from typing import IO, Any, TextIO

import click

from kms_schema.text.printable import in_a_line

NOT_WRITTEN = 3
"""The exit status."""

_OF_OUTPUT = frozenset({
    errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.ECONNRESET,
})  # fmt: skip

_SPELLED = "kms-schema-spelled"
_SPELLINGS = {"\u2026": "...", "\u2013": "-", "\u2014": "-", "\u2019": "'", "\u2192": "->"}
"""Characters of our own texts: the ellipsis, dashes, the apostrophe and the arrow."""
_ASCII = "ascii_spelled"
"""ASCII under another name: click writes UTF-8 where the encoding of a stream is called ASCII."""


def to_ascii(text: str) -> str:
    r"""Return a text as a terminal shows it that knows only ASCII: an ellipsis as three dots, a euro as `\u20ac`."""
    return text.encode("ascii", _SPELLED).decode("ascii")


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError) and (spelled := _SPELLINGS.get(error.object[error.start])):
        return spelled, error.start + 1
    return codecs.backslashreplace_errors(error)


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    ascii_ = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_.encode, ascii_.decode, ascii_.streamreader, ascii_.streamwriter,
        ascii_.incrementalencoder, ascii_.incrementaldecoder, name=_ASCII,
    )  # fmt: skip


codecs.register_error(_SPELLED, _spell)
codecs.register(_find_ascii)


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
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII if ascii_only else stream.encoding, errors=_SPELLED)


def print_unchanged(text: str) -> None:
    """Write a text to standard output in UTF-8, whatever the locale is: SQL that runs, or a note that is signed."""
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    binary.write(text.encode())
    binary.flush()


def is_file() -> bool:
    """Return whether standard output is a regular file, as after `>`: who redirects a result there wants it."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, io.UnsupportedOperation):
        return False


def width(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal that shows a stream, standard output by default; None if no terminal does.

    `COLUMNS` has precedence, as for other programs. 80 where the terminal does not say.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def flushed(status: int) -> int:
    """Write the buffered output, and return the exit status: `status` if all output is written."""
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


class NotWritten(click.ClickException):
    """The output cannot be written, as on a full disk."""

    exit_code = NOT_WRITTEN


class CannotUseFile(click.UsageError):
    """A file that was named cannot be used: wrong usage, but how the command is used would not help."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message without the usage of the command."""
        click.ClickException.show(self, file)


def cannot_read(path: object, error: OSError) -> CannotUseFile:
    """Return the error of a command that cannot read a file."""
    return CannotUseFile(in_a_line(f"cannot read {path}: {error.strerror or error}"))


def cannot_write(path: Path, error: OSError) -> click.ClickException:
    """Return the error of a command that does not write a file: of usage, unless the disk is full or fails."""
    return kind_of(error)(in_a_line(f"cannot write {path}: {error.strerror}"))


def file_exists(error: FileExistsError, path: Path) -> CannotUseFile:
    """Return the error of a command that overwrites no file; `path` is the file unless the error names one."""
    name = error.filename2 or error.filename or path
    return CannotUseFile(in_a_line(f"{name} exists, and is never overwritten: name another file"))


def kind_of(error: OSError) -> type[click.ClickException]:
    """Return the kind of an error about a file: `NotWritten`, unless its name or permissions are the cause."""
    return NotWritten if error.filename is None or error.errno in _OF_OUTPUT else CannotUseFile


def _discard_further_output() -> None:
    """Discard what is buffered: Python would try to write it once more when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except io.UnsupportedOperation:
        return  # no file, as in a test
