"""`kms-schema rotations run`: rotate the keys that are due."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import click

from kms_schema.cli import interrupts, messages
from kms_schema.cli.key_uris import hsm_option, root_key_options
from kms_schema.cli.keys.open_ring import as_ring
from kms_schema.cli.openers import opened
from kms_schema.cli.options import Common, for_a_change, with_common
from kms_schema.cli.results import print_result
from kms_schema.text.printable import counted, in_a_line

if TYPE_CHECKING:
    from kms_schema import keyring

_MOST_SECONDS = 7 * 86_400
MAX_AGE, LONGEST_AGE = 60.0, 3600.0
"""Of `kms_schema.keyring.CachePolicy`: `--help` does not import it."""
_LINES = (
    ("scheduled", "scheduled"), ("retried", ""), ("completed", "completed"), ("failed", "failed"),
    ("lost", "lost to other workers"), ("waiting", "to be completed later"), ("rewrapped", "rewrapped"),
    ("destroyed", "destroyed"),
)  # fmt: skip
_NOUNS = {"retried": "retry", "rewrapped": "version", "destroyed": "version"}


@click.command(
    "run",
    epilog="\b\nExamples:"
    "\n  kms-schema rotations run --worker $(hostname) --once \\"
    "\n    --root-key kms://root-2026=root-2026.key"
    "\n  kms-schema rotations run --worker $(hostname) --jobs 4 --destroy-after 30",
)
@click.option("--worker", required=True, metavar="NAME", help="The name of this worker in the queue.")
@click.option("--once", is_flag=True, help="Exit when nothing is left to rotate.")
@click.option(
    "--interval", type=click.FloatRange(0, 86_400, min_open=True), default=60, show_default=True, metavar="SECONDS",
    help="Without --once: the time between two searches for due keys.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1, 32), default=1, show_default=True, metavar="N",
    help="The number of keys that are rotated at once.",
)  # fmt: skip
@click.option(
    "--lease", type=click.FloatRange(10, _MOST_SECONDS), default=600, show_default=True,
    metavar="SECONDS",
        help="The duration of a lease, which a working worker extends; after it, others may claim the rotation.",
)  # fmt: skip
@click.option("--any-time", is_flag=True, help="Rotate keys even outside the windows of policies.")
@click.option(
    "--max-age", type=click.FloatRange(0, LONGEST_AGE, min_open=True), default=MAX_AGE, show_default=True,
    metavar="SECONDS", help="The longest max_age of the key rings of applications, which cache keys for this time.",
)  # fmt: skip
@click.option(
    "--destroy-after", type=click.IntRange(1, 100_000), metavar="DAYS",
    help="Destroy versions that ended more than this many days ago and that nothing needs.",
)  # fmt: skip
@with_common(root_key_options, hsm_option, for_a_change)
def run_command(
    *,
    worker: str,
    once: bool,
    interval: float,
    jobs: int,
    lease: float,
    any_time: bool,
    max_age: float,
    destroy_after: int | None,
    common: Common,
) -> int:
    """Rotate the keys that are due by an active policy: schedule, claim, rotate, complete.

    The login needs the role kms_rotator. A data key gets a new version in one transaction. After a rotation of a KEK,
    the versions that it wraps are rewrapped under its new version. SIGTERM and Ctrl-C let the worker finish its key.
    Any number of workers may run at once.

    Exit status: 0 done, or ended by SIGTERM, 1 with --once a rotation failed, 2 usage, 3 no connection or missing
    privilege, 130 interrupted.
    """
    from kms_schema import keyring

    cache = keyring.CachePolicy(max_age=max_age)
    with opened(as_ring(cache=cache), common) as ring, interrupts.stopped_by_signals() as stop:
        done = ring.run_rotations(
            worker=worker,
            once=once,
            actor=common.actor,
            jobs=jobs,
            interval=interval,
            lease=lease,
            at_any_time=any_time,
            destroy_after=None if destroy_after is None else dt.timedelta(days=destroy_after),
            stop=stop.event,
            report=_report,
        )
    _print_counts(done, common.style)
    return interrupts.status_of(stop) or (1 if once and (done.failed or done.errors) else 0)


def _report(sentence: str) -> None:
    messages.note(in_a_line(sentence))


def _print_counts(done: "keyring.RotationRun", style: str) -> None:
    counts = []
    for name, text in _LINES:
        count = getattr(done, name)
        if count or name == "completed":
            counts.append(f"{counted(count, _NOUNS[name]) if name in _NOUNS else count} {text}".rstrip())
    print_result(style, dataclasses.asdict(done), [", ".join(counts), *done.pending])
