"""`kms-schema validate`: compare a database with the expected schema."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms_schema.cli import messages, progress
from kms_schema.cli.arguments import codes
from kms_schema.cli.expectations import expected_from
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, OutputFile, database_url_option, schema_option, waivers_option, with_common
from kms_schema.cli.recording import record
from kms_schema.cli.scope import scope_of, scope_options
from kms_schema.cli.streams import cannot_write, width
from kms_schema.files.outputs import replaced_file
from kms_schema.text.printable import in_a_line
from kms_schema.validator import RULES, Level, Report, Severity, validate
from kms_schema.validator.formats import DOCS_URL, FORMATS, Layout, render
from kms_schema.vocabulary import RecordedOperation

if TYPE_CHECKING:
    from kms_schema.validator.host.scope import Scope
    from kms_schema.validator.waivers import Waiver

_EXAMPLES = """
\b
Examples:
  kms-schema validate
  kms-schema validate --database-url postgresql://auditor@db.example/kms
  kms-schema validate --format json --output report.json
  kms-schema validate --expect-from schema.json --exclude 'tmp_*'
  kms-schema validate --ignore KMS305,KMS306 --fail-on warning
  kms-schema validate --waivers waivers.toml --format html --output it.html

Exit status: 0 no error, 1 errors, 2 usage, 3 no connection, missing privilege, or no consistent read.
"""


def _rule_codes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the codes of the validator that begin as typed; after a comma those that are not in the list yet."""
    before, comma, last = begun.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{code}" for code in RULES if code.startswith(last) and code not in given]


@click.command("validate", epilog=_EXAMPLES)
@database_url_option
@click.option(
    "--format", "style", type=click.Choice(FORMATS), default="text", show_default=True,
    help="The format of the findings.",
)  # fmt: skip
@click.option("--output", type=OutputFile(), help="Write the findings to this file instead of standard output.")
@click.option(
    "--select", multiple=True, metavar="CODES", callback=codes, shell_complete=_rule_codes,
    help="Report only these codes; KMS3 means each code that begins so. Repeatable.",
)  # fmt: skip
@click.option(
    "--ignore", multiple=True, metavar="CODES", callback=codes, shell_complete=_rule_codes,
    help="Leave out these codes; KMS3 means each code that begins so. Repeatable.",
)  # fmt: skip
@waivers_option
@click.option(
    "--fail-on", type=click.Choice(["error", "warning"]), default="error", show_default=True,
    help="The least severity that gives exit status 1.",
)  # fmt: skip
@schema_option
@click.option(
    "--version-table", default="alembic_version", show_default=True, show_envvar=True, metavar="NAME",
    help="The table in which Alembic records the revision; SCHEMA.NAME if it is in another schema.",
)  # fmt: skip
@click.option(
    "--level", type=click.Choice(["catalog", "data"]), default="catalog", show_default=True,
    help="catalog: check the catalog only. data: also check the rows, as the owner of the tables.",
)  # fmt: skip
@click.option(
    "--probe", is_flag=True, help="Also try each forbidden write, and roll it back; requires a role that may write."
)
@click.option(
    "--docs-url", envvar="KMS_DOCS_URL", default=DOCS_URL, metavar="URL",
    help="The address of a copy of the documentation, to which reports link each code.",
)  # fmt: skip
@click.option("--record", "recording", is_flag=True, help="Record the result in the database, for metrics and alerts.")
@click.option("--strict", is_flag=True, help="Also report unmanaged objects in the schema.")
@click.option(
    "--expect-from", metavar="SOURCE",
    help="Compare the tables of an application with a file of `snapshot`, or with the database of a URL.",
)  # fmt: skip
@scope_options
@with_common()
def validate_command(
    *,
    output: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    waivers: "Sequence[Waiver]",
    fail_on: str,
    version_table: str,
    level: Level,
    probe: bool,
    docs_url: str,
    recording: bool,
    strict: bool,
    expect_from: str | None,
    schemas: tuple[str, ...],
    exclude: tuple[str, ...],
    common: Common,
) -> int:
    """Compare a database with the expected schema, and report the differences.

    The command reads the catalog in one snapshot and writes nothing: a role with CONNECT and a hot standby are enough.
    With --level data it reads the rows as well. With --probe it tries each forbidden write in a transaction that is
    rolled back. With --record it writes one row, as a member of kms_auditor. If no consistent read is possible, there
    is no verdict (exit status 3).

    With --expect-from it compares the tables of your application, wherever they come from; `snapshot` writes a file to
    compare with. Tables of this package in the same database are compared with its own definitions.
    """
    for code in (*select, *ignore):
        if not any(known.startswith(code) for known in RULES):
            raise click.UsageError(f"there is no code {code!r}")
    layout = _layout(Severity(fail_on), docs_url)
    if expect_from is not None:
        _refuse_beside_a_host(level, {"--probe": probe, "--strict": strict, "--record": recording})
        scope = scope_of(common.schema, schemas, exclude)
        report = _of_host(common, expect_from, scope, version_table, waivers)
    else:
        if schemas or exclude:
            raise click.UsageError("--schemas and --exclude are for the tables of an application: give --expect-from")
        with opened(as_connection(any_trigger=probe), common, writing=probe) as connection:
            report = validate(
                connection,
                schema=common.schema,
                version_table=version_table,
                strict=strict,
                level=level,
                probe=probe,
                progress=_show_progress if progress.on_terminal() else None,
                waivers=waivers,
            )
            progress.clear()
    _refuse_to_select_nothing(report, select, ignore)
    if recording:
        _record(report, common, level)
    report = report.only(select, ignore)
    _write(report, common.style, output, layout)
    return int(report.fails(Severity(fail_on)))


def _refuse_beside_a_host(level: Level, options: Mapping[str, bool]) -> None:
    """Refuse what needs the tables of this package; raises `UsageError`."""
    given = [name for name, is_set in options.items() if is_set] + ["--level data"] * (level == "data")
    if given:
        raise click.UsageError(f"{given[0]} is about the tables of this package: run it without --expect-from")


def _of_host(common: Common, source: str, scope: "Scope", version_table: str, waivers: "Sequence[Waiver]") -> Report:
    """Compare the objects of an application with a source; both databases are only read."""
    from kms_schema.validator.host.comparison import validate_host
    from kms_schema.validator.host.snapshots import SnapshotError

    expected = expected_from(source, scope)
    there = {each for snapshot in expected for each in snapshot.schemas if snapshot.engine != "sqlite"}
    if unnamed := sorted(there - {*scope.schemas}):
        names = ",".join(sorted(there))
        raise click.UsageError(f"{source} has the schema {unnamed[0]} as well: compare all with --schemas {names}")
    with opened(as_connection(), common, refusals=(SnapshotError,)) as connection:
        return validate_host(connection, expected, scope, version_table=version_table, waivers=waivers)


def _refuse_to_select_nothing(report: Report, select: tuple[str, ...], ignore: tuple[str, ...]) -> None:
    """Refuse codes of which the run has checked none: it would say that there is no drift."""
    chosen = {code for code in RULES if code.startswith(select or "") and not code.startswith(ignore or "-")}
    if not chosen - report.not_checked:
        raise click.UsageError(
            f"this run checks none of the selected codes ({', '.join(select) or 'all are ignored'}): others need"
            " --probe, --level data or --strict, or PostgreSQL"
        )


def _record(report: Report, common: Common, level: Level) -> None:
    """Record the findings of all codes, whatever the report shows; a record that fails is a warning."""
    errors, warnings, infos = (report.count(each) for each in (Severity.ERROR, Severity.WARNING, Severity.INFO))
    findings = (errors, warnings, infos, report.unchecked)
    with opened(as_connection(), common, writing=True) as connection:
        record(connection, common.schema, RecordedOperation.VALIDATION, str(level), findings=findings)


def _write(report: Report, style: str, output: Path | None, layout: Layout) -> None:
    if output is None:
        click.echo(render(report, style, layout), color=layout.colour or None)  # click takes colours from a pipe
        return
    try:
        with replaced_file(output) as file:
            file.write(f"{render(report, style, replace(layout, colour=False, width=None))}\n".encode())
    except OSError as error:
        raise cannot_write(output, error) from None
    messages.note(f"{in_a_line(report.about)}\n{report.verdict}")


def _layout(fail_on: Severity, docs_url: str) -> Layout:
    """Return the layout for standard output; see https://no-color.org and https://force-color.org."""
    try:
        layout = Layout(fail_on, docs_url=docs_url)
    except ValueError as error:
        raise click.UsageError(f"--docs-url: {error}") from None
    forced, terminal = os.environ.get("FORCE_COLOR", "0") not in ("", "0"), sys.stdout.isatty()
    colour = not os.environ.get("NO_COLOR") and (forced or (terminal and os.environ.get("TERM") != "dumb"))
    return replace(layout, colour=colour, width=width())


def _show_progress(what: str, position: int, of: int) -> None:
    progress.show(f"{position + 1}/{of} {what}")
