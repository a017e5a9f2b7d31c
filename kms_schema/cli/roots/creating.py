"""`kms-schema roots create`: make a root key in a PKCS#11 token, or import one from a file."""

import json
from contextlib import closing
from pathlib import Path

import click

from kms_schema import crypto
from kms_schema.cli.options import style_option
from kms_schema.text.printable import in_a_line


@click.command(
    "create",
    epilog="\b\nExample:"
    "\n  MODULE=module-path=/usr/lib/softhsm/libsofthsm2.so"
    "\n  PIN=pin-source=file:/run/secrets/pin"
    '\n  kms-schema roots create "pkcs11:token=kms;object=root-2027?$MODULE&$PIN"',
)
@click.argument("uri")
@click.option(
    "--from-file", type=click.Path(path_type=Path), metavar="FILE",
    help="Import the root key in this file, instead of generating a root key.",
)  # fmt: skip
@style_option
def create_command(*, uri: str, from_file: Path | None, style: str) -> int:
    """Create the root key that a pkcs11: URI names in its token: sensitive, not extractable, for HMAC only.

    An imported key is only as secret as its file was: after an exposure, generate a new root key and rewrap.

    Exit status: 0 created, 1 the token refused, 2 usage.
    """
    from kms_schema.roots import opening as roots_of_trust

    try:
        with closing(roots_of_trust.create_root(uri, from_file)) as root:
            name = root.key
    except (crypto.RootKeyError, ValueError) as error:
        raise click.UsageError(in_a_line(str(error))) from None
    except crypto.CryptoError as error:
        raise click.ClickException(in_a_line(str(error))) from None
    click.echo(json.dumps({"key": name}) if style == "json" else in_a_line(f"created {name}"))
    return 0
