"""`kms-schema hsm`: the HSMs that hold keys."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

IN_PROGRAM = {"hsm": Lazy("kms_schema.cli.hsm:hsm", "Add, check and disable HSMs")}
_COMMANDS = {
    "add": Lazy("kms_schema.cli.hsm.changes:add_command", "Add an HSM, and encrypt its PIN"),
    "check": Lazy("kms_schema.cli.hsm.checking:check_command", "Check the health of HSMs and their keys"),
    "disable": Lazy("kms_schema.cli.hsm.changes:disable_command", "Disable an HSM: its keys are refused"),
    "enable": Lazy("kms_schema.cli.hsm.changes:enable_command", "Enable an HSM that was disabled"),
    "list": Lazy("kms_schema.cli.hsm.listing:list_command", "List HSMs with their health"),
}


@click.group("hsm", cls=LazyGroup, lazy=_COMMANDS, words=["hsm"])
def hsm() -> None:
    """Add, check and disable the HSMs that hold keys.

    Members of kms_admin add and disable HSMs, members of kms_rotator check them. `keys create --in-hsm` makes a key in
    an HSM.
    """
