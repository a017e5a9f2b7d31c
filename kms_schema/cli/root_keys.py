"""The root keys of a command: files or environment variables, never values on the command line."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from kms_schema import crypto
from kms_schema.cli.options import Decorator, together

if TYPE_CHECKING:
    from kms_schema.crypto import KeyWrapping, RootKeys

root_key_options: Decorator = together(
    click.option(
        "--root-key", "files", multiple=True, metavar="REF=FILE", envvar="KMS_ROOT_KEYS",
        help="A root key in a file. Again for each; in variables, separated by blanks.",
    ),
    click.option(
        "--root-key-variable", "variables", multiple=True, metavar="REF=NAME", envvar="KMS_ROOT_KEY_VARIABLES",
        help="A root key in an environment variable, by that variable's name. Again for each.",
    ),
)  # fmt: skip


@contextmanager
def root_keys_of(files: Sequence[str], variables: Sequence[str]) -> "Iterator[tuple[RootKeys, RootKeys]]":
    """Yield the root keys in files and in variables, and wipe them at the end; raises `UsageError`."""
    with ExitStack() as stack:
        try:
            # In one provider, so that two references to the same key are refused.
            in_files = crypto.RootKeys.from_files(_pairs(files, "--root-key", "FILE"))
            in_variables = crypto.RootKeys.from_environment(_pairs(variables, "--root-key-variable", "NAME"))
        except crypto.RootKeyError as error:
            raise click.UsageError(str(error)) from None
        except OSError as error:
            raise click.UsageError(f"cannot read {error.filename}: {error.strerror}") from None
        yield stack.enter_context(in_files), stack.enter_context(in_variables)


@contextmanager
def wrapping_with(files: Sequence[str], variables: Sequence[str]) -> "Iterator[KeyWrapping]":
    """Yield the key wrapping with the root keys; raises and wipes as `root_keys_of` does."""
    with root_keys_of(files, variables) as roots:
        yield crypto.KeyWrapping(*roots)


def _pairs(given: Sequence[str], option: str, what: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given:
        reference, separator, place = each.rpartition("=")  # a reference may be a URI with a query
        if not separator or not reference.strip() or not place:
            raise click.UsageError(f"{option} takes REF={what}, such as kms://root-2026=…")
        if reference in pairs:
            raise click.UsageError(f"{option} names {reference!r} twice")
        pairs[reference] = place
    return pairs
