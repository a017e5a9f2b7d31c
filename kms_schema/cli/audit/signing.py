"""`kms-schema audit keygen`, and the keys of the other commands."""

import os
from pathlib import Path
from typing import Any

import click

from kms_schema.audit.formats.keys import (
    SealKeyError,
    SigningKey,
    VerifierKey,
    read_signing_key,
    read_verifier_keys,
    write_signing_key,
)
from kms_schema.cli import messages
from kms_schema.cli.options import Decorator, OutputFile, style_option
from kms_schema.cli.results import print_result
from kms_schema.cli.streams import CannotUseFile, cannot_read, cannot_write, file_exists
from kms_schema.files.outputs import public_file

KEY_IN_ENVIRONMENT = "KMS_SEAL_KEY"

existing: click.Path = click.Path(exists=True, dir_okay=False, path_type=Path)


class _SealKey(click.Path):
    """A file with a key that signs seals; a missing one is an error that names the command that makes one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the file."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            if Path(value).exists():
                raise
            message = f"{error.message} Make a key with kms-schema audit keygen NAME --output FILE"
            raise click.BadParameter(message, ctx, param) from None


key_option: Decorator = click.option(
    "--key", type=_SealKey(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help=f"The file of the private key; default: the key in {KEY_IN_ENVIRONMENT}.",
)  # fmt: skip


@click.command("keygen", epilog="\b\nExample:\n  kms-schema audit keygen kms.example/audit --output /etc/kms/seal.key")
@click.argument("name")
@click.option(
    "--output", type=OutputFile(only_files=True), default=Path("seal.key"), show_default=True,
    help="The file of the private key; the verifier key is written to this name with .pub.",
)  # fmt: skip
@style_option
def keygen_command(name: str, output: Path, style: str) -> None:
    """Generate a key named NAME that signs seals, and print its verifier key.

    The private key is written to a new file that only its owner can read. Give the verifier key to everybody who
    verifies, but not through the database. No file is overwritten.
    """
    try:
        key = SigningKey.generate(name)
        with public_file(output, str(key.verifier)) as public:
            write_signing_key(output, key)
    except FileExistsError as error:
        raise file_exists(error, output) from None
    except SealKeyError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise cannot_write(Path(error.filename or output), error) from None
    files = {"private_key_file": str(output), "verifier_key_file": str(public)}
    print_result(style, {"verifier_key": str(key.verifier)} | files, str(key.verifier))
    messages.note(f"private key: {output}; verifier key: {public}")


def signing_key(path: Path | None) -> SigningKey | None:
    """Return the key in a file, else the key in the environment, else None; messages of `UsageError` show no key."""
    try:
        if path is not None:
            return read_signing_key(path)
        text = os.environ.get(KEY_IN_ENVIRONMENT)
        if text is None:
            return None
        if not text.strip():  # not taken for none: the seal would be unsigned
            raise click.UsageError(f"{KEY_IN_ENVIRONMENT} is empty: give it the key, or unset it")
        return SigningKey.parse(text.strip())
    except SealKeyError as error:
        if path is not None:
            raise CannotUseFile(str(error)) from None
        raise click.UsageError(f"{KEY_IN_ENVIRONMENT}: {error}") from None
    except OSError as error:
        raise cannot_read(path, error) from None


def verifier_keys(path: Path | None) -> list[VerifierKey]:
    """Return the keys of a file, none without a file. Raises `UsageError`."""
    if path is None:
        return []
    try:
        return read_verifier_keys(path)
    except SealKeyError as error:
        raise CannotUseFile(str(error)) from None
    except OSError as error:
        raise cannot_read(path, error) from None
