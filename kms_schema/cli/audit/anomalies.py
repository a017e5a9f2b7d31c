"""`kms-schema audit anomalies`: what the audit log has that ordinary use of keys does not write."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from kms_schema.audit.anomalies import finding
from kms_schema.audit.anomalies.rules import RULES, RuleName
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, style_option, time_since, where, with_common
from kms_schema.cli.results import print_result

if TYPE_CHECKING:
    from kms_schema.audit.anomalies.anomaly import Anomaly


@click.command(
    "anomalies",
    epilog="\b\nExamples:\n  kms-schema audit anomalies\n  kms-schema audit anomalies --since 7d --rule key-sweep"
    "\n  kms-schema audit anomalies --since 2027-01-01 --format json"
    "\n\nExit status: 0 no anomaly, 1 at least one anomaly, 2 usage, 3 no connection or missing privilege.",
)
@click.option(
    "--since", default="24h", show_default=True, metavar="TIME", callback=time_since,
    help="Report anomalies since a time, or since a duration before now: 90m, 24h, 7d, 2w.",
)  # fmt: skip
@click.option(
    "--rule", "rules", multiple=True, type=click.Choice([rule.value for rule in RuleName]), metavar="NAME",
    help=f"Apply this rule only; repeatable. Rules: {', '.join(RULES)}.",
)  # fmt: skip
@with_common(where, style_option)
def anomalies_command(*, since: dt.datetime, rules: tuple[str, ...], common: Common) -> int:
    """List anomalies in the audit log, with the entries that prove them.

    The command reads the audit log and writes nothing; on PostgreSQL the login needs the role kms_auditor. The page
    "anomalies" of the documentation has the rules, their false alarms, and what they cannot find.
    """
    only = tuple(map(RuleName, rules)) or tuple(RuleName)
    with opened(as_connection(), common) as connection:
        found = finding.find_anomalies(connection, since, schema=common.schema, only=only)
    document = {"since": since.isoformat(), "anomalies": [_document(each) for each in found]}
    print_result(common.style, document, _lines(since, found))
    return int(bool(found))


def _document(anomaly: "Anomaly") -> dict[str, object]:
    return {
        "fingerprint": anomaly.fingerprint,
        "rule": anomaly.rule,
        "severity": anomaly.severity,
        "day": anomaly.day.isoformat(),
        "actor": anomaly.actor,
        "key_id": anomaly.key_id,
        "summary": anomaly.summary,
        "first_at": anomaly.first_at.isoformat(),
        "last_at": anomaly.last_at.isoformat(),
        "entry_count": anomaly.entry_count,
        "entries": [
            {
                "id": str(entry.id),
                "sequence": entry.sequence,
                "at": entry.at.isoformat(),
                "event_type": entry.event_type,
                "key_id": entry.key_id,
            }
            for entry in anomaly.entries
        ],
    }


def _lines(since: dt.datetime, found: "Sequence[Anomaly]") -> Iterator[str]:
    for each in found:
        yield f"{each.day} {each.severity} {each.rule}: {each.summary}"
        listed = ", ".join(str(entry.sequence) for entry in each.entries)
        more = f", and {each.entry_count - len(each.entries)} more" if each.entry_count > len(each.entries) else ""
        yield f"  entries by sequence: {listed}{more}"
    yield f"anomalies since {since:%Y-%m-%d %H:%M} UTC: {len(found)}"
