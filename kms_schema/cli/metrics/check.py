"""`kms-schema check`: one line for Nagios, Icinga and what has their convention."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite, nan
from typing import IO, Any

import click

from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, where, with_common
from kms_schema.monitoring.collecting import take_snapshot
from kms_schema.monitoring.conditions import CONDITIONS, NAMES, Judged, Status, judge
from kms_schema.monitoring.names import Part
from kms_schema.monitoring.samples import Snapshot
from kms_schema.text.durations import seconds_of
from kms_schema.text.printable import counted, in_a_line

_OFF = "off"
_OF_TABLES = frozenset(Part) - {Part.DATABASE, Part.STATEMENTS}
"""The parts that read tables of the schema."""
_WORST_FIRST = (Status.CRITICAL, Status.UNKNOWN, Status.WARNING, Status.OK)


class UnknownStateError(click.UsageError):
    """A usage error, with exit status 3."""

    exit_code = 3

    def show(self, file: IO[str] | None = None) -> None:
        """Print the line that a monitoring system shows: it shows standard output only."""
        _print_unknown(self.format_message(), file)


def _print_unknown(reason: str, file: IO[str] | None = None) -> None:
    click.echo(in_a_line(f"KMS UNKNOWN - {reason}"), file)


class _Plugin(click.Command):
    """A command whose errors are UNKNOWN: a wrong option must not be taken for CRITICAL, which is 2."""

    usage_error = UnknownStateError

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; a usage error is a line of output and status 3."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise UnknownStateError(error.format_message(), error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error is a line of output and status 3."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            _print_unknown(error.format_message())
        except Exception as error:  # noqa: BLE001  (a traceback would be status 1, which is WARNING)
            _print_unknown(f"internal error: {type(error).__name__}")
        return int(Status.UNKNOWN)


@click.command(
    "check",
    cls=_Plugin,
    epilog="\b\nExamples:\n  kms-schema check --database-url postgresql://monitor@db.example/kms"
    "\n  kms-schema check --warn expiry=14d --crit unsealed=2h --warn high-risk=off"
    '\n\nThe page "monitoring" of the documentation has the conditions and their limits.',
)
@click.option(
    "--warn", multiple=True, metavar="NAME=VALUE",
    help="The limit for WARNING of a condition: a number, a duration such as 15m, 2h or 7d, or `off` for no limit."
    " Repeatable.",
)  # fmt: skip
@click.option(
    "--crit", multiple=True, metavar="NAME=VALUE",
        help="The limit for CRITICAL of a condition, in the same form as --warn. Repeatable."
)  # fmt: skip
@with_common(where)
def check_command(*, warn: Sequence[str], crit: Sequence[str], common: Common) -> int:
    """Check the state once, as a plugin of Nagios or Icinga.

    The command prints one line with performance data. It reads what `metrics` exports; the login needs the role
    kms_auditor.

    Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN: no connection, a part that could not be read, a wrong option.
    If one condition is CRITICAL and another one unknown, the status is CRITICAL.
    """
    limits = {each.name: each.limits for each in CONDITIONS}
    for name, value in _given("--warn", warn):
        limits[name] = replace(limits[name], warn=value)
    for name, value in _given("--crit", crit):
        limits[name] = replace(limits[name], crit=value)
    with opened(as_connection(), common) as connection:
        snapshot = take_snapshot(connection, common.schema)
    judged = judge(snapshot, limits)
    failures = snapshot.failures()
    found = {each.status for each in judged} | ({Status.UNKNOWN} if failures else set())
    status = next(each for each in _WORST_FIRST if each in found)
    click.echo(_line(status, judged, snapshot))
    return int(status)


def _given(option: str, values: Sequence[str]) -> Iterator[tuple[str, float | None]]:
    for each in values:
        name, _, text = each.partition("=")
        if name not in NAMES:
            raise click.UsageError(
                f"{option} {name}: there is no such condition; the conditions are {', '.join(NAMES)}"
            )
        is_time = NAMES[name].unit == "s"
        value = None if text == _OFF else _limit(text, is_time=is_time)
        if value is not None and not isfinite(value):  # nothing reaches it, as with `off`
            form = "a duration, seconds" if is_time else "a number"
            raise click.UsageError(f"{option} {name}: give {form} or {_OFF}, as in {name}={'15m' if is_time else 1}")
        yield name, value


def _limit(text: str, *, is_time: bool) -> float:
    """Return a number, or the seconds of a duration where the value is a time; `nan` for another text."""
    if is_time:
        with suppress(ValueError):
            return seconds_of(text)
    try:
        return float(text)
    except ValueError:
        return nan


def _line(status: Status, judged: Sequence[Judged], snapshot: Snapshot) -> str:
    parts = [
        f"{_number(each)} {_meaning(each)} ({each.condition.name} {each.status.name})"
        for wanted in (Status.CRITICAL, Status.WARNING)
        for each in judged
        if each.status is wanted
    ]
    parts += _unreadable(snapshot.failures())
    text = "; ".join(parts) or f"{counted(sum(each.value is not None for each in judged), 'condition')} met"
    performance = " ".join(_performance(each) for each in judged if each.value is not None)
    return in_a_line(f"KMS {status.name} - {text.replace('|', '/')} | {performance}")


def _unreadable(failures: Mapping[Part, str]) -> list[str]:
    """Return what cannot be read, once for each reason; one reason if nothing can be read."""
    if failures.keys() >= _OF_TABLES:
        hint = "is this the database of the keys, and --schema their schema?"
        return [f"no part can be read: {failures[Part.KEYS]}; {hint}"]
    parts: dict[str, list[str]] = {}
    for part, reason in failures.items():
        parts.setdefault(reason, []).append(part)
    return [f"{', '.join(each)} cannot be read: {reason}" for reason, each in parts.items()]


def _meaning(each: Judged) -> str:
    return each.condition.one if each.value == 1 and each.condition.one else each.condition.text


def _number(each: Judged) -> str:
    assert each.value is not None  # noqa: S101  (what has no value is OK or UNKNOWN)
    if each.condition.unit != "s":
        return f"{each.value:g}"
    for seconds, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if abs(each.value) >= seconds:
            return f"{each.value / seconds:.1f} {unit}"
    return f"{each.value:.0f} seconds"


def _performance(each: Judged) -> str:
    """Return `label=value[unit];warn;crit`, where `@1:` stands for 1 and more, as the convention has it."""
    form = "@~:{:.10g}" if each.condition.below else "@{:.10g}:"
    limits = ("" if limit is None else form.format(limit) for limit in (each.limits.warn, each.limits.crit))
    return f"{each.condition.name}={each.value:.10g}{each.condition.unit};{';'.join(limits)}"
