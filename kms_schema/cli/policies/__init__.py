"""`kms-schema policies`: the limits at which keys are due for rotation."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

_COMMANDS = {
    "create": Lazy("kms_schema.cli.policies.changes:create_command", "Create a policy for a type of keys"),
    "disable": Lazy("kms_schema.cli.policies.changes:disable_command", "Disable a policy"),
    "enable": Lazy("kms_schema.cli.policies.changes:enable_command", "Enable a policy"),
    "list": Lazy("kms_schema.cli.policies.reading:list_command", "List policies"),
    "show": Lazy("kms_schema.cli.policies.reading:show_command", "Show a policy"),
    "update": Lazy("kms_schema.cli.policies.changes:update_command", "Change the limits of a policy"),
}


@click.group("policies", cls=LazyGroup, lazy=_COMMANDS, words=["policies"])
def policies() -> None:
    """Create and change rotation policies: when the keys of a type are due for rotation.

    Members of kms_admin change policies, members of kms_rotator read them. `kms-schema rotations run` rotates the keys
    that are due.
    """
