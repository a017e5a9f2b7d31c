"""`kms-schema rotations due`, `schedule` and `backfill`: the rotations to come."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from kms_schema.cli.openers import as_queue, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.progress import clear, show
from kms_schema.cli.results import print_result
from kms_schema.reading.times import time_to_text
from kms_schema.rotations.queue import DEFAULT_ROUND
from kms_schema.text.printable import counted, in_a_line

_LISTS = ("reasons",)


@click.command("due", epilog="\b\nExamples:\n  kms-schema rotations due\n  kms-schema rotations due --format json")
@with_common(where, style_option)
def due_command(common: Common) -> None:
    """List the keys that are due for rotation, or will be within the notice of a policy; overdue keys first.

    Keys with an open rotation or a retry are left out: see `rotations list`. The last line names the key that is due
    next. The login needs the role kms_rotator or kms_auditor.
    """
    with opened(as_queue(), common) as queue:
        with queue.transaction():
            rows, following = queue.due(), queue.next_due()
        found = [_plain(row) for row in rows]
    if common.style == "json":
        document = following and asdict(following) | {"due_at": time_to_text(following.due_at)}
        click.echo(json.dumps({"due": found, "next": document}, indent=2, default=str))
        return
    for row in found:
        since = f" since {row['due_at']}" if row["overdue"] and row["due_at"] else ""
        when = f"overdue{since}" if row["overdue"] else f"due {row['due_at']}"
        policy = "limit of the key" if row["policy_name"] is None else f"policy {row['policy_name']}"
        if not row["overdue"] and row["due_at"] is None:
            when = "near its limit"
        click.echo(in_a_line(f"{row['key_id']}: {', '.join(row['reasons'])}; {when}; {policy}"))
    click.echo(f"{len(found)} due")
    if following is not None:
        by = f"{following.reason}; policy {following.policy_name}"
        click.echo(in_a_line(f"next: {following.key_id} is due at {time_to_text(following.due_at)}, by {by}"))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that is the same on both engines: lists, booleans, and times in UTC."""
    plain = dict(row)
    for name in _LISTS:
        plain[name] = json.loads(row[name]) if isinstance(row[name], str) else row[name]
    plain["overdue"] = bool(row["overdue"])
    if row["due_at"] is not None and not isinstance(row["due_at"], str):
        plain["due_at"] = time_to_text(row["due_at"])
    return plain


@click.command("schedule", epilog="\b\nExample, in a crontab:\n  * * * * *  kms-schema rotations schedule")
@click.option(
    "--round", "limit", type=click.IntRange(1, 1_000_000), default=DEFAULT_ROUND, show_default=True, metavar="KEYS",
    help="The number of keys in a transaction.",
)  # fmt: skip
@with_common(where, style_option)
def schedule_command(*, limit: int, common: Common) -> None:
    """Schedule a rotation for each key that is due, and for each failed rotation whose retry is due.

    Any number of hosts may run this at once: no key is scheduled twice. A key that is due later, within the notice of
    its policy, is scheduled for that time.
    """
    scheduled = retried = 0
    with opened(as_queue(), common, writing=True) as queue:
        while True:
            done = queue.schedule_due(limit)
            scheduled, retried = scheduled + done.scheduled, retried + done.retried
            if done.scheduled < limit and done.retried < limit:
                break
    print_result(
        common.style,
        {"scheduled": scheduled, "retried": retried},
        f"{scheduled} scheduled, {counted(retried, 'retry')}",
    )


@click.command("backfill", epilog="\b\nExample:\n  kms-schema rotations backfill")
@with_common(where, style_option)
def backfill_command(common: Common) -> None:
    """Compute the index bounds of all versions that lack them, once for keys from before 005 or after new limits.

    Without index bounds the results are the same, but the search for due keys reads each of these versions. `rotations
    schedule` computes a thousand each time. The command can be interrupted and repeated.
    """
    done = 0
    with opened(as_queue(), common, writing=True) as queue:
        while found := queue.backfill():
            done += found
            show(counted(done, "version"))
    clear()
    print_result(common.style, {"looked_at": done}, f"{counted(done, 'version')} checked")
