"""Policies as the commands of `kms-schema policies` name and print them."""

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli.options import Decorator, name_of
from kms_schema.reading.times import time_to_text
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema import models

COLUMNS = {
    "interval_days": "rotation_interval_days",
    "max_age_days": "max_key_age_days",
    "max_uses": "max_operations",
    "max_volume_mb": "max_data_volume_mb",
    "on_incident": "rotate_on_security_incident",
    "on_compliance": "rotate_on_compliance_requirement",
    "timezone": "timezone",
    "notify_hours": "notify_before_rotation_hours",
    "channels": "notification_channels",
}
"""The columns of the options; `window` has two."""
_WORDS = {column: option.replace("_", "-") for option, column in COLUMNS.items()} | {
    "policy_name": "name", "key_type": "type", "rotation_window_start": "window",
}  # fmt: skip
"""The words of the options for columns."""
name_argument: Decorator = click.argument("policy_name", metavar="NAME", callback=name_of("a policy", 100))
"""The name of a policy."""


def document_of(policy: "models.RotationPolicy") -> dict[str, Any]:
    """Return the columns of a policy for JSON."""
    from kms_schema import models

    return {column.key: _spelled(getattr(policy, column.key)) for column in models.RotationPolicy.__table__.columns}


def print_policy(document: dict[str, Any], style: str) -> None:
    """Print a policy: a value a line in the words of the options, without empty ones; or the columns as JSON."""
    if style == "json":
        click.echo(json.dumps(document, indent=2))
        return
    status = "active" if document["is_active"] else "disabled"
    for name, value in document.items():
        if value is None or name in ("id", "rotation_window_end"):
            continue
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if name == "rotation_window_start":
            shown = f"{value}-{document['rotation_window_end']}"
        line = f"status: {status}" if name == "is_active" else f"{_WORDS.get(name, name)}: {shown}"
        click.echo(in_a_line(line))


def _spelled(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return time_to_text(value)
    return value if isinstance(value, int | str | list | dict) or value is None else str(value)
