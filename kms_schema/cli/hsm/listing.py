"""`kms-schema hsm list`."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli import messages
from kms_schema.cli.openers import as_session, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_json, print_row

if TYPE_CHECKING:
    from kms_schema.hsm import configurations

_NAME = 20
"""The width of names in the table."""
_LINE = "{:<8} {:<8} {:>6} {:<20} {}"


@click.command("list", epilog="\b\nExample:\n  kms-schema hsm list --format json")
@with_common(where, style_option)
def list_command(common: Common) -> None:
    """List the HSMs by their names, with the result of the last health check. No credentials are read.

    Exit status: 0 done, 2 usage, 3 no connection or missing privilege.
    """
    from kms_schema.hsm import configurations

    with opened(as_session(), common) as session:
        found = configurations.listed_hsms(session)
    if not found:
        messages.note("no HSMs; kms-schema hsm add adds one")
    if common.style == "json":
        print_json([document_of(each) for each in found])
        return
    print_row("HSM", _NAME, _LINE.format("STATUS", "HEALTH", "MS", "CHECKED", "PROVIDER"))
    for each in found:
        _print_line(each)


def _print_line(each: "configurations.ListedHsm") -> None:
    status = "active" if each.is_active else "disabled"
    checked = "-" if each.last_health_check is None else _spelled(each.last_health_check)
    time = "-" if each.response_time_ms is None else each.response_time_ms
    print_row(each.name, _NAME, _LINE.format(status, each.health_status or "-", time, checked, each.provider))


def document_of(each: "configurations.ListedHsm") -> dict[str, Any]:
    """Return an HSM as JSON has it. Raises nothing. Example: `json.dumps(document_of(find_hsm(session, "luna-1")))`."""
    document = dataclasses.asdict(each)
    time = each.last_health_check
    return document | {"last_health_check": None if time is None else _spelled(time)}


def _spelled(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
