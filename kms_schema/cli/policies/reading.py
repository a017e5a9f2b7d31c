"""`kms-schema policies list` and `show`."""

import json
from typing import TYPE_CHECKING

import click

from kms_schema.cli import messages
from kms_schema.cli.openers import as_session, opened
from kms_schema.cli.options import style_option, where
from kms_schema.cli.policies.printing import document_of, name_argument, print_policy
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.models import RotationPolicy

_NAME = 20
"""The width of names in the table. A longer one has a line of its own."""
_LINE = "{:<20} {:<6} {:<8} {:>6} {:>6} {:>16} {:>10}"


@click.command("list", epilog="\b\nExample:\n  kms-schema policies list --format json")
@where
@style_option
def list_command(*, database_url: str | None, schema: str, style: str) -> None:
    """List the policies by their names, with their limits: days between rotations, days of age, uses, megabytes.

    Exit status: 0 done, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.rotations import policies

    with opened(as_session(), database_url, schema) as session:
        found = policies.list_policies(session)
        if not found:
            messages.note("no policies; kms-schema policies create adds one")
        if style == "json":
            click.echo(json.dumps([document_of(each) for each in found], indent=2))
            return
        click.echo(_LINE.format("POLICY", "TYPE", "STATUS", "DAYS", "AGE", "USES", "MB").rstrip())
        for each in found:
            _print_line(each)


def _print_line(policy: "RotationPolicy") -> None:
    name = in_a_line(policy.policy_name)
    if len(name) > _NAME:
        click.echo(name)
        name = ""
    limits = (
        policy.rotation_interval_days, policy.max_key_age_days, policy.max_operations, policy.max_data_volume_mb
    )  # fmt: skip
    status = "active" if policy.is_active else "disabled"
    line = _LINE.format(name, policy.key_type, status, *("-" if each is None else each for each in limits))
    click.echo(line.rstrip())


@click.command("show", epilog="\b\nExample:\n  kms-schema policies show 'data keys quarterly'")
@name_argument
@where
@style_option
def show_command(*, policy_name: str, database_url: str | None, schema: str, style: str) -> None:
    """Show the policy NAME.

    Exit status: 0 done, 1 no such policy, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.rotations import policies

    with opened(as_session(), database_url, schema) as session:
        document = document_of(policies.find_policy(session, policy_name))
    print_policy(document, style)
