"""`kms-schema keys encrypt` and `decrypt`: files and pipes, in segments, so that memory stays flat at any length."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import click

from kms_schema.cli import messages, progress, streams
from kms_schema.cli.key_uris import root_key_options
from kms_schema.cli.keys.open_ring import as_ring
from kms_schema.cli.openers import opened
from kms_schema.cli.options import Common, OutputFile, actor_option, key_id_argument, where, with_common
from kms_schema.files.outputs import replaced_file

if TYPE_CHECKING:
    from kms_schema.keyring import KeyRing

_MEGABYTE = 2**20
_STANDARD = Path("-")
_Parts: TypeAlias = "Callable[[KeyRing, _Input], Iterator[bytes]]"

_of_a_file = with_common(
    click.argument("file", type=click.Path(path_type=Path), default=_STANDARD, metavar="[FILE]"),
    click.option(
        "--aad",
        default="",
        metavar="TEXT",
        help="A text to which the ciphertext is bound, such as its place. It is"
        " not stored: decrypt with the same text.",
    ),
    click.option("--output", type=OutputFile(), metavar="FILE", help="The file to write; default: standard output."),
    root_key_options,
    where,
)


@click.command(
    "encrypt",
    epilog="\b\nExamples:"
    "\n  kms-schema keys encrypt orders report.pdf --aad report --output report.kms"
    "\n  pg_dump shop | kms-schema keys encrypt backups > shop.kms",
)
@key_id_argument
@_of_a_file
def encrypt_command(*, key_id: str, file: Path, aad: str, output: Path | None, common: Common) -> None:
    """Encrypt FILE, or standard input, with the live version of the key KEY_ID. The login needs the role kms_app.

    A file counts as one use of the key. The file of --output gets its name when it is complete.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection, missing privilege or output that cannot be written.
    """
    _copy(lambda ring, source: ring.key(key_id).encrypt_stream(source, aad=_encoded(aad)), file, output, common)


@click.command(
    "decrypt",
    epilog="\b\nExamples:"
    "\n  kms-schema keys decrypt orders report.kms --aad report --output report.pdf"
    "\n  set -o pipefail"
    "\n  kms-schema keys decrypt backups < shop.kms | psql --single-transaction shop",
)
@key_id_argument
@click.option(
    "--from-revoked", metavar="REASON", help="Open a revoked key, for this reason, which the audit log records."
)
@actor_option
@_of_a_file
def decrypt_command(
    *, key_id: str, from_revoked: str | None, file: Path, aad: str, output: Path | None, common: Common
) -> None:
    """Decrypt FILE, or standard input, which `keys encrypt` made with the key KEY_ID.

    The login needs the role kms_app; with --from-revoked, kms_rotator. A pipe receives each segment of 1 MiB once it is
    authenticated: if the exit status is not 0, discard the output, whose end may be missing. The file of --output gets
    its name when it is complete.

    Exit status: 0 done, 1 it does not open, or refused, 2 usage, 3 no connection, missing privilege or output that
    cannot be written.
    """

    def parts(ring: "KeyRing", source: _Input) -> Iterator[bytes]:
        if from_revoked is None:
            return ring.key(key_id).decrypt_stream(source, aad=_encoded(aad))
        key = ring.revoked_key(key_id, reason=from_revoked, actor=common.actor)
        return key.decrypt_stream(source, aad=_encoded(aad))

    _copy(parts, file, output, common)


def _encoded(aad: str) -> bytes:
    return aad.encode("utf-8", "surrogateescape")  # the bytes of the command line


def _copy(parts_of: _Parts, file: Path, output: Path | None, common: Common) -> None:
    """Write the parts that a ring makes of the input."""
    from kms_schema import keyring

    if output is None and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal: use --output FILE, or a pipe")
    done, typed = 0, file == _STANDARD and sys.stdin.isatty()
    with _input(file) as source, _target(output) as target, opened(as_ring(), common) as ring:
        try:
            for part in parts_of(ring, source):
                target.write(part)
                done += len(part)
                if not typed:
                    progress.show(f"{done // _MEGABYTE} MiB")
        except keyring.DecryptionError as error:
            if output is not None or not done:
                raise  # nothing is written
            raise keyring.DecryptionError(f"{error}; discard what was written", key_id=error.key_id) from None
        finally:
            progress.clear()


class _Input:
    """A file or standard input. An error of reading is one of usage, and not taken for one of writing."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._ended = False

    def readinto(self, buffer: memoryview, /) -> int:
        """Read into `buffer`, and return how many bytes were read. A terminal that has ended is not read again."""
        if self._ended:
            return 0
        try:
            size: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            raise streams.cannot_read(self._name, error) from None
        self._ended = not size
        return size


@contextmanager
def _input(file: Path) -> Iterator[_Input]:
    if file == _STANDARD and not sys.stdin.isatty():
        yield _Input(sys.stdin.buffer, "standard input")
        return
    if file == _STANDARD:  # without a buffer, which would hide the end that was typed
        messages.note("reading from the terminal: end with Ctrl-D on a line of its own")
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as typed:
            yield _Input(typed, "standard input")
        return
    try:
        stream = file.open("rb", buffering=0)
    except OSError as error:
        raise streams.cannot_read(file, error) from None
    with stream:
        yield _Input(stream, str(file))


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with replaced_file(output) as target:
            yield target
    except OSError as error:
        raise streams.cannot_write(output, error) from None
