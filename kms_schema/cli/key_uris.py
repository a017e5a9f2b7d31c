"""The root keys and the HSMs of a command: URIs, never values on the command line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from kms_schema import crypto, pkcs11
from kms_schema.cli import streams
from kms_schema.cli.arguments import name_given
from kms_schema.cli.options import Decorator
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.crypto import KeyWrapping, RootKeys

_OF_FILES = (None, "file", "env")


def _checked(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse URIs of pyproject.toml that load a library: a file of the current folder must not do that."""
    from kms_schema.roots import opening as roots_of_trust

    if parameter.name and context.get_parameter_source(parameter.name) is ParameterSource.DEFAULT_MAP:
        for each in given:
            if roots_of_trust.scheme_of(roots_of_trust.split_option(each)[1]) not in _OF_FILES:
                raise click.UsageError(
                    "pyproject.toml may name root keys in files and variables only: give others with --root-key or"
                    " KMS_ROOT_KEYS"
                )
    return given


root_key_options: Decorator = click.option(
    "--root-key", "roots", multiple=True, metavar="REF=URI", envvar="KMS_ROOT_KEYS", show_envvar=True,
    callback=_checked,
    help="The root key REF: a file, or an env:, pkcs11: or awskms: URI. Repeatable; in the variable, separated by"
    " blanks.",
)  # fmt: skip
hsm_option: Decorator = click.option(
    "--hsm", "hsms", multiple=True, metavar="NAME=URI", envvar="KMS_HSMS", show_envvar=True,
    help="The pkcs11: URI of the HSM NAME. Repeatable; in the variable, separated by blanks.",
)  # fmt: skip
"""For commands that use the keys in HSMs."""
despite_refused_pin_option: Decorator = click.option(
    "--despite-refused-pin", is_flag=True, help="Send the PIN even to a token that reports a refused PIN."
)


@contextmanager
def root_keys_of(roots: Sequence[str], *, despite_refused_pin: bool = False) -> "Iterator[RootKeys]":
    """Yield the root keys of the option, and close them at the end; raises `UsageError`."""
    from kms_schema.roots import opening as roots_of_trust

    try:
        opened = roots_of_trust.open_roots(pairs_of(roots), despite_refused_pin=despite_refused_pin)
    except crypto.CryptoError as error:
        raise streams.CannotUseFile(in_a_line(str(error))) from None
    with opened:
        yield opened


@contextmanager
def wrapping_with(roots: Sequence[str]) -> "Iterator[KeyWrapping]":
    """Yield the key wrapping with the root keys; raises and closes as `root_keys_of` does."""
    with root_keys_of(roots) as opened:
        yield crypto.KeyWrapping(opened)


def pairs_of(given: Sequence[str]) -> dict[str, str]:
    """Return the URIs of the option by their references. Raises `UsageError`."""
    from kms_schema.roots import opening as roots_of_trust

    pairs: dict[str, str] = {}
    for each in given:
        reference, uri = roots_of_trust.split_option(each)
        if not reference.strip() or not uri:
            raise click.UsageError(f"{_given_by()} takes REF=URI, such as kms://root-2026=root-2026.key")
        if reference in pairs:
            raise click.UsageError(f"{_given_by()} names {reference!r} twice")
        pairs[reference] = uri
    return pairs


def hsms_of(given: Sequence[str]) -> dict[str, str]:
    """Return the URIs by the names of HSMs. Raises `UsageError`, whose message repeats no URI."""
    found: dict[str, str] = {}
    for each in given:
        name, separator, uri = each.partition("=")
        if not separator or not name.strip() or not uri.startswith("pkcs11:"):
            raise click.UsageError(
                "--hsm takes NAME=URI, such as luna-1=pkcs11:token=kms?module-path=/path/of/module.so"
            )
        if name in found:
            raise click.UsageError(f"--hsm names {name!r} twice")
        try:
            pkcs11.Pkcs11Uri.parse(uri)
        except pkcs11.TokenUriError as error:
            raise click.UsageError(f"--hsm {name}: {error}") from None
        found[name] = uri
    return found


def _given_by() -> str:
    """Return KMS_ROOT_KEYS if the root keys of this command are from there, else the option."""
    context = click.get_current_context(silent=True)
    option = next((each for each in context.command.params if each.name == "roots"), None) if context else None
    return name_given(option, context) if isinstance(option, click.Option) else "--root-key"
