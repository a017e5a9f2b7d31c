"""`kms-schema hsm add`, `disable` and `enable`."""

from typing import TYPE_CHECKING

import click

from kms_schema.cli.hsm.listing import document_of
from kms_schema.cli.key_uris import root_key_options, wrapping_with
from kms_schema.cli.openers import as_session, opened
from kms_schema.cli.options import Common, for_a_change, name_of, with_common
from kms_schema.cli.results import print_result
from kms_schema.pkcs11.errors import PinError
from kms_schema.pkcs11.uri import read_pin
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import HsmProvider

if TYPE_CHECKING:
    from kms_schema.crypto import Secret

_PROVIDERS = [each.value for each in HsmProvider]
_name_argument = click.argument("name", callback=name_of("an HSM", 100, without="/"))


@click.command(
    "add",
    epilog="\b\nExamples:"
    "\n  kms-schema hsm add luna-1 --provider thales_luna"
    "\n  kms-schema hsm add luna-1 --pin-source file:/run/secrets/pin \\"
    "\n    --under kms://root-2026 --root-key kms://root-2026=root-2026.key",
)
@_name_argument
@click.option(
    "--provider", type=click.Choice(_PROVIDERS), default="pkcs11", show_default=True, metavar="NAME",
    help=f"The manufacturer of the HSM: {', '.join(_PROVIDERS)}.",
)  # fmt: skip
@click.option("--endpoint-url", metavar="URL", help="The address of the HSM, for people; no program opens it.")
@click.option("--pin-source", metavar="PLACE", help="Read the PIN from file:PATH or env:NAME, and store it encrypted.")
@click.option("--under", metavar="REF", help="The REF of the root key that encrypts the PIN.")
@root_key_options
@click.option("--no-use-entries", is_flag=True, help="Record the uses of the HSM's keys once an hour, not each use.")
@with_common(for_a_change)
def add_command(
    *,
    name: str,
    provider: str,
    endpoint_url: str | None,
    pin_source: str | None,
    under: str | None,
    no_use_entries: bool,
    common: Common,
) -> None:
    """Add the HSM NAME. The login needs the role kms_admin.

    The module, the token and the PIN that applications use stay outside the database: give them to each process, with
    --hsm NAME=URI. A PIN in the database is for health checks and rotations whose URI names no pin-source.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.crypto import wrappers
    from kms_schema.hsm import configurations

    if (pin_source is None) != (under is None):
        raise click.UsageError("a PIN is stored with both --pin-source and --under REF, or not at all")
    with wrapping_with(common.roots) as wrapping, opened(as_session(), common, writing=True) as session:
        if under is not None:
            wrappers.require_same_root_for_credentials(session, wrapping, under)
        configuration = configurations.add_hsm(
            session, name, provider=HsmProvider(provider), endpoint_url=endpoint_url,
            audit_all_operations=not no_use_entries, created_by=common.actor,
        )  # fmt: skip
        if pin_source is not None and under is not None:
            with _pin_of(pin_source) as pin:
                wrapping.encrypt_credentials(configuration, {"pin": str(pin.view, "utf-8")}, under=under)
        added = configurations.find_hsm(session, name)
    print_result(common.style, document_of(added), f"HSM {name!r} is added")


def _pin_of(place: str) -> "Secret":
    """Return the PIN, for the caller to wipe; raises `UsageError` if it is not there."""
    try:
        return read_pin(place)
    except PinError as error:
        raise click.UsageError(in_a_line(str(error))) from None


@click.command("disable", epilog="\b\nExample:\n  kms-schema hsm disable luna-1")
@_name_argument
@with_common(for_a_change)
def disable_command(*, name: str, common: Common) -> None:
    """Disable the HSM NAME: within a minute, every process refuses its keys. The login needs the role kms_admin.

    Exit status: 0 done, 1 no such HSM, 2 usage, 3 no connection or missing privilege.
    """
    _set_active(name, False, f"HSM {name!r} is disabled: its keys are refused", common)


@click.command("enable", epilog="\b\nExample:\n  kms-schema hsm enable luna-1")
@_name_argument
@with_common(for_a_change)
def enable_command(*, name: str, common: Common) -> None:
    """Enable the HSM NAME: its keys can be used again. The login needs the role kms_admin.

    Exit status: 0 done, 1 no such HSM, 2 usage, 3 no connection or missing privilege.
    """
    _set_active(name, True, f"HSM {name!r} is enabled", common)


def _set_active(name: str, is_active: bool, sentence: str, common: Common) -> None:
    from kms_schema.hsm import configurations

    with opened(as_session(), common, writing=True) as session:
        configurations.set_active(session, name, is_active)
        changed = configurations.find_hsm(session, name)
    print_result(common.style, document_of(changed), sentence)
