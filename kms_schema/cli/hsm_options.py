"""The HSMs of a command, by the URIs that only its command line and KMS_HSMS give: a module path is code to load."""

from collections.abc import Sequence

import click

from kms_schema import pkcs11
from kms_schema.cli.options import Decorator

hsm_option: Decorator = click.option(
    "--hsm", "hsms", multiple=True, metavar="NAME=URI", envvar="KMS_HSMS", show_envvar=True,
    help="An HSM by its pkcs11: URI. Again for each; in the variable, separated by blanks.",
)  # fmt: skip
"""For commands that use the keys in HSMs."""


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
