"""`kms-schema handover send`: wrap a version of a key to the public key of a receiver."""

import re
from pathlib import Path

import click

from kms_schema.cli.handover.files import read_public_key, usage_errors
from kms_schema.cli.key_uris import root_key_options
from kms_schema.cli.keys.open_ring import as_ring
from kms_schema.cli.openers import opened
from kms_schema.cli.options import Common, OutputFile, for_a_change, named_key, with_common
from kms_schema.cli.results import print_result
from kms_schema.files.outputs import named_file

_WITH_VERSION = re.compile(r"(.+):([1-9][0-9]{0,8})", re.DOTALL)


def _version(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, int | None]:
    match = _WITH_VERSION.fullmatch(text)
    key_id, number = (match[1], int(match[2])) if match else (text, None)
    return named_key(context, parameter, key_id), number


@click.command(
    "send",
    epilog="\b\nExamples:"
    "\n  kms-schema handover send orders --to receiver.key.pub \\"
    "\n    --output orders.handover --root-key kms://root-2026=root-2026.key"
    "\n  kms-schema handover send orders:2 --to receiver.key.pub \\"
    "\n    --output orders-2.handover",
)
@click.argument("key", metavar="KEY[:VERSION]", callback=_version)
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, metavar="FILE",
    help="The file of the receiver's public key.",
)  # fmt: skip
@click.option(
    "--output", type=OutputFile(only_files=True), required=True, metavar="FILE", help="The new handover file."
)
@click.option(
    "--reason", metavar="TEXT", help="The reason of the handover, for the audit log; write no secret into it."
)
@with_common(root_key_options, for_a_change)
def send_command(*, key: tuple[str, int | None], to: Path, output: Path, reason: str | None, common: Common) -> None:
    """Wrap a version of KEY, the live one by default, to a public key. The login needs the role kms_rotator.

    An entry of level HIGH names the version and the fingerprint of the public key before the material is opened. A
    second entry has the SHA-256 of the file: tell it to the receiver through another channel than the file. Keys that
    are pending, revoked, archived or in an HSM are refused. A key whose own name ends in a colon and digits is written
    with its version. No file is overwritten.

    Exit status: 0 written, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    receiver = read_public_key(to)
    key_id, version = key
    with usage_errors(output):
        if output.is_symlink() or output.exists():  # refused before an entry is written
            raise FileExistsError
        with (
            named_file(output) as file,  # so is a folder that cannot be written
            opened(as_ring(), common) as ring,
        ):
            made = ring.hand_over(key_id, to=receiver, version=version, reason=reason, actor=common.actor)
            file.write(made.file)
    text = f"version {made.header.version} of key {key_id!r} is for {receiver.fingerprint}"
    print_result(common.style, made.header.described() | {"sha256": made.sha256}, text)
    if common.style == "text":
        click.echo(f"sha256: {made.sha256}")
