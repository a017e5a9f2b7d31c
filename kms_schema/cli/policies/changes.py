"""`kms-schema policies create`, `update`, `enable` and `disable`."""

import json
from typing import Any

import click

from kms_schema.cli.openers import as_session, opened
from kms_schema.cli.options import Common, for_a_change, together, with_common
from kms_schema.cli.policies.reading import COLUMNS, document_of, name_argument, print_policy
from kms_schema.vocabulary import KeyType

_REASONS = ("interval_days", "max_age_days", "max_uses", "max_volume_mb", "on_compliance")
"""The options of which a policy needs one."""
_REMOVABLE = ("interval-days", "max-age-days", "max-uses", "max-volume-mb", "window", "channels")
_DAYS = click.IntRange(1, 699_999)
"""The view `rotations_due` takes a longer time for one that never comes."""
_MANY = click.IntRange(1, 10**15)
_MOST_MEGABYTES = 2**33


def _window(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    start, separator, end = text.partition("-")
    if not separator:
        raise click.BadParameter("give two times of day, such as 22:00-04:00")
    return start, end


def _channels(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict | list):
        raise click.BadParameter('give a JSON array or object, such as ["ops@example.com"]')
    return document


_limits = together(
    click.option("--interval-days", type=_DAYS, metavar="N",
        help="A key is due this many days after its last rotation."),
    click.option("--max-age-days", type=_DAYS, metavar="N",
        help="A key is due when its live version is this many days old."),
    click.option("--max-uses", type=_MANY, metavar="N",
        help="A key is due after this many encryptions with its live version."),
    click.option(
        "--max-volume-mb", type=click.IntRange(1, _MOST_MEGABYTES), metavar="N",
        help="A key is due after this many megabytes with its live version."
    ),
    click.option(
        "--on-incident/--no-on-incident", default=None,
        help="A key is due after a CRITICAL audit entry about its security.  [default: on]"
    ),
    click.option("--on-compliance/--no-on-compliance", default=None,
        help="A key is due after an audit entry ROTATION_REQUIRED."),
    click.option("--window", callback=_window, metavar="HH:MM-HH:MM",
        help="Rotate keys only between these times of day."),
    click.option("--timezone", metavar="NAME",
        help="The time zone of --window, such as Europe/Berlin.  [default: UTC]"),
    click.option(
        "--notify-hours", type=click.IntRange(1, 8_766_000), metavar="N",
        help="List a key as due this many hours before it is.  [default: 24]"
    ),
    click.option("--channels", callback=_channels, metavar="JSON",
        help="The receivers of notices, for programs of yours that send these."),
)  # fmt: skip


@click.command(
    "create",
    epilog="\b\nExamples:"
    "\n  kms-schema policies create 'quarterly' --type dek --interval-days 90"
    "\n  kms-schema policies create 'KEKs yearly' --type kek --interval-days 365 \\"
    "\n    --window 22:00-04:00 --timezone Europe/Berlin",
)
@name_argument
@click.option(
    "--type", "key_type", type=click.Choice([each.value for each in KeyType]), required=True,
    help="The type of keys to which the policy applies.",
)  # fmt: skip
@_limits
@click.option("--created-by", metavar="NAME", help="The creator of the policy; default: the actor.")
@click.option("--disabled", is_flag=True, help="Create the policy disabled, so that it makes no key due.")
@with_common(for_a_change)
def create_command(
    *, policy_name: str, key_type: str, created_by: str | None, disabled: bool, common: Common, **limits: Any
) -> None:
    """Create the policy NAME for all keys of a type. A policy has at least one limit. The login needs the role
    kms_admin.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.rotations import policies

    if not any(limits[each] for each in _REASONS):
        *most, last = (f"--{each.replace('_', '-')}" for each in _REASONS)
        raise click.UsageError(f"the policy makes no key due: give one of {', '.join(most)} or {last}")
    values = _values(limits) | {"is_active": not disabled}
    if created_by or common.actor:
        values["created_by"] = created_by or common.actor
    with opened(as_session(), common, writing=True) as session:
        document = document_of(policies.create_policy(session, policy_name, key_type, values))
    print_policy(document, common.style)


@click.command(
    "update",
    epilog="\b\nExamples:"
    "\n  kms-schema policies update 'data keys quarterly' --max-uses 1000000000"
    "\n  kms-schema policies update 'KEKs yearly' --remove window",
)
@name_argument
@_limits
@click.option(
    "--remove", "removed", type=click.Choice(_REMOVABLE), multiple=True, metavar="OPTION",
    help="Remove the value of this option, such as window. Repeatable.",
)  # fmt: skip
@with_common(for_a_change)
def update_command(*, policy_name: str, removed: tuple[str, ...], common: Common, **limits: Any) -> None:
    """Change the policy NAME; values that are not named stay. The login needs the role kms_admin.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    both = [each for each in removed if limits[each.replace("-", "_")] is not None]
    if both:
        raise click.UsageError(f"--{both[0]} and --remove {both[0]} exclude each other")
    values = _values(limits) | _values(dict.fromkeys(each.replace("-", "_") for each in removed), given=True)
    if not values:
        raise click.UsageError("name what to change, such as --interval-days 90")
    _change(policy_name, values, common)


@click.command("enable", epilog="\b\nExample:\n  kms-schema policies enable 'data keys quarterly'")
@name_argument
@with_common(for_a_change)
def enable_command(*, policy_name: str, common: Common) -> None:
    """Enable the policy NAME, so that it makes keys due. The login needs the role kms_admin.

    Exit status: 0 done, 1 no such policy, 2 usage, 3 no connection or missing privilege.
    """
    _change(policy_name, {"is_active": True}, common)


@click.command("disable", epilog="\b\nExample:\n  kms-schema policies disable 'data keys quarterly'")
@name_argument
@with_common(for_a_change)
def disable_command(*, policy_name: str, common: Common) -> None:
    """Disable the policy NAME: it makes no key due, and rotations that it scheduled and that have not begun fail.

    The login needs the role kms_admin.

    Exit status: 0 done, 1 no such policy, 2 usage, 3 no connection or missing privilege.
    """
    _change(policy_name, {"is_active": False}, common)


def _change(policy_name: str, values: dict[str, Any], common: Common) -> None:
    from kms_schema.rotations import policies

    with opened(as_session(), common, writing=True) as session:
        document = document_of(policies.update_policy(session, policy_name, values))
    print_policy(document, common.style)


def _values(options: dict[str, Any], *, given: bool = False) -> dict[str, Any]:
    """Return the columns of the options that are given; of all of them if `given`."""
    values: dict[str, Any] = {}
    for option, value in options.items():
        if value is None and not given:
            continue
        if option == "window":
            values["rotation_window_start"], values["rotation_window_end"] = value or (None, None)
        else:
            values[COLUMNS[option]] = value
    return values
