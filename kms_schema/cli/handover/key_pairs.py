"""`kms-schema handover new-key` and `show`: key pairs of receivers, and what a file says of itself."""

from pathlib import Path

import click

from kms_schema.cli import messages
from kms_schema.cli.handover.files import read_file, read_public_key, usage_errors
from kms_schema.cli.options import OutputFile, style_option
from kms_schema.cli.results import print_result
from kms_schema.files.outputs import public_file
from kms_schema.text.printable import in_a_line


@click.command("new-key", epilog="\b\nExample:\n  kms-schema handover new-key receiver.key")
@click.argument("file", type=OutputFile(only_files=True))
@style_option
def new_key_command(*, file: Path, style: str) -> None:
    """Make the key pair of a receiver: the private key in the new FILE, the public key in FILE.pub.

    Only the owner can read the private key. Give the public key to the sender, and its fingerprint through another
    channel. No file is overwritten.

    Exit status: 0 made, 2 usage, 3 output that cannot be written.
    """
    from kms_schema.keyring.handover import receiver_keys

    with usage_errors(file), receiver_keys.HandoverKey.generate() as key, public_file(file, str(key.public)) as public:
        key.write(file)
    fingerprint = key.public.fingerprint
    document = {"fingerprint": fingerprint, "private_key_file": str(file), "public_key_file": str(public)}
    print_result(style, document, f"fingerprint: {fingerprint}")
    messages.note(in_a_line(f"private key: {file}; public key: {public}"))


@click.command("show", epilog="\b\nExample:\n  kms-schema handover show orders.handover")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@style_option
def show_command(*, file: Path, style: str) -> None:
    """Show the fingerprint of the public key in FILE, or the description and the SHA-256 of the handover file FILE.

    Only the receiver can verify the description, by opening the file. No private key is needed.

    Exit status: 0 shown, 2 usage.
    """
    from kms_schema.keyring.handover import handover_files

    content = read_file(file)
    if content.startswith(handover_files.MAGIC):
        with usage_errors(file):
            described = handover_files.HandoverHeader.read(content).described()
        described["sha256"] = handover_files.sha256_of(content)
    else:
        described = {"fingerprint": read_public_key(file).fingerprint}
    print_result(style, described, (f"{name}: {value}" for name, value in described.items()))
