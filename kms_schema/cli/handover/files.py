"""The files of handovers, for commands: a file that cannot be used is an error of usage."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms_schema.cli.streams import CannotUseFile, file_exists, kind_of
from kms_schema.files.inputs import open_regular
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.keyring.handover.receiver_keys import HandoverKey, HandoverPublicKey


@contextmanager
def usage_errors(path: Path) -> Iterator[None]:
    """Turn errors of a file of handovers into `UsageError`. None of them shows a key."""
    from kms_schema import keyring

    try:
        yield
    except ImportError as error:  # cryptography is too old
        raise click.UsageError(str(error)) from None
    except keyring.HandoverError as error:
        raise CannotUseFile(in_a_line(str(error))) from None
    except FileExistsError as error:
        raise file_exists(error, path) from None
    except OSError as error:
        raise kind_of(error)(in_a_line(f"{error.filename or path}: {error.strerror}")) from None


def read_file(path: Path) -> bytes:
    """Return the content of a file of handovers. Raises `UsageError`, also if it is longer than any is."""
    from kms_schema.keyring.handover import handover_files

    with usage_errors(path), open_regular(path) as file:
        content = file.read(handover_files.LONGEST_FILE + 1)
    if len(content) > handover_files.LONGEST_FILE:
        raise CannotUseFile(in_a_line(f"{path} is no file of handovers: it is longer than any of them"))
    return content


def read_public_key(path: Path) -> "HandoverPublicKey":
    """Return the public key in a file. Raises `UsageError`."""
    from kms_schema.keyring.handover import receiver_keys

    with usage_errors(path):
        return receiver_keys.HandoverPublicKey.read(path)


@contextmanager
def private_key(path: Path) -> "Iterator[HandoverKey]":
    """Yield the private key in a file, which is wiped at the end. Raises `UsageError`."""
    from kms_schema.keyring.handover import receiver_keys

    with usage_errors(path):
        key = receiver_keys.HandoverKey.read(path)
    with key:
        yield key
