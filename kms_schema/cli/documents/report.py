"""`kms-schema report`: evidence about a standard and a period."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms_schema.audit.storage.errors import TrailError
from kms_schema.cli import messages, progress
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import STANDARD_OUTPUT, Common, OutputFile, force_option, waivers_option, where, with_common
from kms_schema.cli.streams import cannot_write, print_unchanged
from kms_schema.reports import STANDARDS, Period, ReportError, Written, write_report
from kms_schema.reports.reading import no_progress
from kms_schema.reports.writing import FORMATS, SUFFIXES
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.validator.waivers import Waiver

_EXAMPLES = """
\b
Examples:
  kms-schema report --standard pci-dss-4.0.1 --period 2026-Q3
  kms-schema report --standard sox --period 2026 --format json
  kms-schema report --standard gdpr --period 2026-07-01..2026-09-30 \\
    --format oscal
  python -m kms_schema.audit.standalone.check_audit proofs *.jsonl.gz \\
    --trust keys.txt

Exit status: 0 no control is "not satisfied", 1 some are, 2 usage, 3 no connection, missing privilege, or no
consistent read.
"""


def _period(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    try:
        return Period.parse(text).name
    except ReportError as error:
        raise click.BadParameter(str(error)) from None


@click.command("report", epilog=_EXAMPLES)
@click.option(
    "--standard", type=click.Choice(list(STANDARDS)), required=True, help="The standard that the report is about."
)
@click.option(
    "--period", required=True, metavar="PERIOD", callback=_period,
    help="The period, in UTC: 2026, 2026-Q3, 2026-07, or first and last day: 2026-07-01..2026-09-30.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(list(FORMATS)), default="html", show_default=True,
    help="html: to read and print. json: for programs. oscal: assessment results of OSCAL 1.2.1.",
)  # fmt: skip
@click.option(
    "--output", type=OutputFile(standard=STANDARD_OUTPUT), metavar="FILE",
    help="The new file; default: STANDARD-PERIOD.html, .json or .oscal.json in this folder. Proofs are written beside"
    " it.",
)  # fmt: skip
@force_option
@waivers_option
@click.option("--no-record", is_flag=True, help="Write no entry with the SHA-256 of the report; the report says so.")
@with_common(where)
def report_command(
    *,
    standard: str,
    period: str,
    output: Path | None,
    force: bool,
    waivers: "Sequence[Waiver]",
    no_record: bool,
    common: Common,
) -> int:
    """Write a report about a standard and a period.

    The report has controls by number, the claims that answer them, queries, figures and entries, from one read-only
    snapshot. Quoted entries that are sealed have proofs to one checkpoint, in a file beside the report. The report says
    which claims the database shows, and never that a standard is met.
    """
    path = output or Path(f"{standard}-{period}.{SUFFIXES[common.style]}")
    with opened(as_connection(), common, writing=not no_record, refusals=(TrailError,)) as connection:
        try:
            written = write_report(
                connection,
                standard,
                period,
                None if path == STANDARD_OUTPUT else path,
                style=common.style,
                schema=common.schema,
                record=not no_record,
                replace=force,
                waivers=waivers,
                progress=progress.show_count if progress.on_terminal() else no_progress,
            )
        except ReportError as error:
            if error.reason != "period":
                raise
            raise click.BadParameter(str(error), param_hint="--period") from None
        except OSError as error:
            raise cannot_write(Path(error.filename or path), error) from None
    progress.clear()
    _show(written)
    return int(bool(written.not_satisfied))


def _show(written: Written) -> None:
    if written.path is None:
        print_unchanged(written.content.decode())
    for file in (written.path, *written.attachments):
        if file is not None:
            click.echo(in_a_line(str(file)))
    states = [each["state"] for each in written.document["controls"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    entry = written.entry
    recorded = "no entry" if entry is None else f"entry {entry['id']}, sequence {entry['sequence']}"
    messages.note(f"SHA-256 {written.sha256}; {recorded}\ncontrols: {counts}")
    if written.not_satisfied:
        messages.note(in_a_line(f"not satisfied: {', '.join(written.not_satisfied)}"))
    if written.document["without_proofs"]:
        click.echo(in_a_line(f"warning: no entry has a proof: {written.document['without_proofs']}"), err=True)
