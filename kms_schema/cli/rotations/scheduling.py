"""`kms-schema rotations due`, `schedule` and `backfill`: what is to be done, for cron and for people."""

import json
from collections.abc import Mapping
from typing import Any

import click

from kms_schema.cli.options import style_option, where
from kms_schema.cli.progress import clear, show
from kms_schema.cli.rotations.open_queue import opened, print_result, timestamp
from kms_schema.printable import in_a_line
from kms_schema.rotations.queue import DEFAULT_ROUND

_LISTS = ("reasons",)


@click.command("due", epilog="\b\nExamples:\n  kms-schema rotations due\n  kms-schema rotations due --format json")
@where
@style_option
def due_command(database_url: str | None, schema: str, style: str) -> None:
    """List the keys that are due for rotation, or will be within the notice of a policy; the overdue ones first.

    Keys that have a rotation already, open or to be tried again, are not in it.
    """
    with opened(database_url, schema) as queue:
        found = [_plain(row) for row in queue.due()]
    if style == "json":
        click.echo(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        since = f" since {row['due_at']}" if row["overdue"] and row["due_at"] else ""
        when = f"overdue{since}" if row["overdue"] else f"due {row['due_at']}"
        click.echo(in_a_line(f"{row['key_id']}: {', '.join(row['reasons'])}; {when}; policy {row['policy_name']}"))
    click.echo(f"{len(found)} due")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row alike on both engines: lists, truth values, and times in UTC."""
    plain = dict(row)
    for name in _LISTS:
        plain[name] = json.loads(row[name]) if isinstance(row[name], str) else row[name]
    plain["overdue"] = bool(row["overdue"])
    if row["due_at"] is not None and not isinstance(row["due_at"], str):
        plain["due_at"] = timestamp(row["due_at"])
    return plain


@click.command("schedule", epilog="\b\nExample, in a crontab:\n  * * * * *  kms-schema rotations schedule")
@click.option(
    "--round", "limit", type=click.IntRange(1, 1_000_000), default=DEFAULT_ROUND, show_default=True, metavar="KEYS",
    help="Keys in a transaction.",
)  # fmt: skip
@where
@style_option
def schedule_command(database_url: str | None, schema: str, limit: int, style: str) -> None:
    """Plan a rotation for each key that is due, and for each that failed and is to be tried again now.

    Any number of hosts may do this at once: no key is planned twice. What is due later, within its policy's notice, is
    planned for then.
    """
    scheduled = retried = 0
    with opened(database_url, schema) as queue:
        while True:
            done = queue.schedule_due(limit)
            scheduled, retried = scheduled + done.scheduled, retried + done.retried
            if done.scheduled < limit and done.retried < limit:
                break
    print_result(
        {"scheduled": scheduled, "retried": retried}, f"{scheduled} scheduled, {retried} to be tried again", style
    )


@click.command("backfill", epilog="\b\nExample:\n  kms-schema rotations backfill")
@where
@style_option
def backfill_command(database_url: str | None, schema: str, style: str) -> None:
    """Work out the ceilings of all versions that have none: once for keys from before 005, or after new limits.

    Nothing is wrong before that is done, but looking for what is due reads each of these versions. `schedule` does a
    thousand each time. It can be ended at any time, and run again.
    """
    done = 0
    with opened(database_url, schema) as queue:
        while found := queue.backfill():
            done += found
            show(f"{done} versions")
    clear()
    print_result({"looked_at": done}, f"{done} versions looked at", style)
