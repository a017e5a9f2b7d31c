"""`kms-schema handover import` and `open`: the receiver's commands."""

import re
from pathlib import Path

import click

from kms_schema.cli import messages
from kms_schema.cli.handover.files import private_key, read_file, usage_errors
from kms_schema.cli.key_uris import root_key_options
from kms_schema.cli.keys.open_ring import as_ring, print_change
from kms_schema.cli.openers import opened
from kms_schema.cli.options import (
    Common,
    OutputFile,
    for_a_change,
    key_id_argument,
    style_option,
    together,
    with_common,
)
from kms_schema.cli.results import print_result
from kms_schema.files.outputs import named_file
from kms_schema.text.printable import in_a_line


def _digits(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text.strip()):
        raise click.BadParameter("give the 64 hexadecimal digits that the sender's command has printed")
    return text


_of_a_file = together(
    click.argument("file", type=click.Path(path_type=Path)),
    click.option(
        "--key",
        type=click.Path(path_type=Path),
        required=True,
        metavar="FILE",
        help="The file of the receiver's private key.",
    ),
    click.option(
        "--sha256",
        required=True,
        callback=_digits,
        metavar="HEX",
        help="The SHA-256 of the handover file, as the sender told it.",
    ),
)


@click.command(
    "import",
    epilog="\b\nExample:"
    "\n  kms-schema handover import shop-orders orders.handover --key receiver.key \\"
    "\n    --sha256 4f1c… --under kek-2027 --root-key kms://root-2027=root-2027.key",
)
@key_id_argument
@_of_a_file
@click.option(
    "--under", required=True, metavar="WRAPPER",
    help="The key that wraps the new key here: a KEK, or the REF of a root key.",
)  # fmt: skip
@with_common(root_key_options, for_a_change)
def import_command(*, key_id: str, file: Path, key: Path, sha256: str, under: str, common: Common) -> None:
    """Create the key KEY_ID from the handover FILE, as its version 1. The login needs the roles kms_admin and
    kms_rotator.

    The new key decrypts the ciphertexts of the version that was handed over. An entry of the audit log has the SHA-256
    of the file. A version is imported once, because a ciphertext tag belongs to one version.

    Exit status: 0 created, 1 refused or it does not open, 2 usage, 3 no connection or missing privilege.
    """
    content = read_file(file)
    with private_key(key) as private, opened(as_ring(), common) as ring:
        described = ring.take_over(key_id, content, key=private, sha256=sha256, under=under, actor=common.actor)
    print_change(described, common.style)
    if described.next_step is not None:
        messages.note("Note: it has no version yet: run the same command as a login in kms_rotator")


@click.command(
    "open",
    epilog="\b\nExample:"
    "\n  kms-schema handover open orders.handover --key receiver.key \\"
    "\n    --sha256 4f1c… --output orders.bin",
)
@_of_a_file
@click.option(
    "--output", type=OutputFile(only_files=True), required=True, metavar="FILE", help="The new file of the raw key."
)
@style_option
def open_command(*, file: Path, key: Path, sha256: str, output: Path, style: str) -> None:
    """Write the raw key in the handover FILE to a new file that only its owner can read.

    Prefer `handover import`, which stores the key in a database, and only wrapped. This command uses no database, and
    writes no audit entry. No file is overwritten.

    Exit status: 0 written, 1 it does not open, 2 usage, 3 output that cannot be written.
    """
    from kms_schema import keyring
    from kms_schema.keyring.handover import handover_files

    content = read_file(file)
    with private_key(key) as private:
        try:
            header, material = handover_files.open_handover(content, key=private, sha256=sha256)
        except keyring.HandoverError as error:
            raise click.ClickException(in_a_line(str(error))) from None
    with material, usage_errors(output), named_file(output) as target:
        target.write(material.view)
    named = f"version {header.version} of key {header.key_id!r}"
    print_result(style, header.described(), f"{output} has {named}, {header.key_size_bits} bits")
