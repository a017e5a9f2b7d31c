"""`kms-schema upgrade`, `downgrade`, `preflight`, `current`, `history`, `stamp` and `sql`: the migrations."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli import interrupts, messages
from kms_schema.cli.arguments import RelativeCommand
from kms_schema.cli.connections import connected, existing_file, print_target, refuse_memory, url_of
from kms_schema.cli.database_errors import CannotConnect
from kms_schema.cli.options import OutputFile, patience, style_option, version_table_option, where
from kms_schema.cli.results import print_json, print_result
from kms_schema.cli.streams import cannot_write, print_unchanged
from kms_schema.database.url import parse_database_url
from kms_schema.files.outputs import FOR_OTHERS, replaced_file

if TYPE_CHECKING:
    from kms_schema.migrate.options import MigrationOptions

_BY_EXIT_STATUS = {1: click.ClickException, 2: click.UsageError, 3: CannotConnect}
_INTERRUPTED = {
    "postgresql": "Interrupted. Run the same command again: it continues the unfinished revision.",
    "sqlite": "Interrupted, and rolled back: unless it had ended, the file is as before. Run the same command again.",
}
_WIDTH = 80
"""The columns of a listing."""


def revisions_begun(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the revisions that begin as typed, with `head` and `base`; after `FROM:` the ends of a range."""
    from kms_schema import snapshots

    before, colon, last = begun.rpartition(":")
    return [f"{before}{colon}{name}" for name in ("base", "head", *snapshots.chain()) if name.startswith(last)]


@click.command("upgrade", epilog="\b\nExamples:\n  kms-schema upgrade\n  kms-schema upgrade 004 --lock-wait 60")
@click.argument("revision", default="head", shell_complete=revisions_begun)
@where
@version_table_option
@patience
@style_option
def upgrade(revision: str, database_url: str | None, style: str, **options: Any) -> None:
    """Upgrade the database to REVISION, by default the newest.

    One upgrade runs at a time. The next upgrade completes an interrupted upgrade.
    """
    from kms_schema.migrate import program

    with errors_reported():
        url = url_of(database_url)
        refuse_memory(parse_database_url(url))
        print_target(url)
        with _interruption_reported(url):
            program.upgrade(url, revision, _options(options))
        _print_revision(url, options, style)


@click.command(
    "downgrade", cls=RelativeCommand, epilog="\b\nExamples:\n  kms-schema downgrade 004\n  kms-schema downgrade -1"
)
@click.argument("revision", shell_complete=revisions_begun)
@click.option("--allow-audit-loss", is_flag=True, help="Below 006: destroy the seals; below 004: the audit log.")
@where
@version_table_option
@patience
@style_option
def downgrade(revision: str, database_url: str | None, style: str, **options: Any) -> None:
    """Downgrade the database to REVISION, or by a number of revisions, such as -1; `base` removes everything.

    A downgrade below 006 drops the seals, below 004 all tables. Without --allow-audit-loss it is refused if there are
    seals, or audit entries besides the first.
    """
    from kms_schema.migrate import program

    with errors_reported():
        url = _url_of_existing(database_url)
        print_target(url)
        with _interruption_reported(url):
            program.downgrade(url, revision, _options(options))
        _print_revision(url, options, style)


@click.command(
    "preflight",
    epilog="\b\nExamples:\n  kms-schema preflight\n  kms-schema preflight 005 --format json"
    "\n  kms-schema preflight && kms-schema upgrade",
)
@click.argument("revision", default="head", shell_complete=revisions_begun)
@where
@version_table_option
@patience
@style_option
def preflight_command(revision: str, database_url: str | None, style: str, **options: Any) -> int:
    """Show what an upgrade to REVISION would run, and what prevents it.

    The result has the locks of each table and their approximate duration, rows that violate a new constraint, missing
    privileges, and space on disk. Nothing is changed.

    Exit status: 0 go, 1 no go, 2 usage, 3 no connection.
    """
    from kms_schema import preflight
    from kms_schema.preflight import report

    with errors_reported():
        verdict = preflight.preflight(url_of(database_url), revision, _options(options))
    click.echo(report.as_json(verdict) if style == "json" else report.as_text(verdict))
    return 0 if verdict.go else 1


@click.command("current", epilog="\b\nExample:\n  kms-schema current --format json")
@where
@version_table_option
@style_option
def current(database_url: str | None, style: str, **options: Any) -> None:
    """Show the revision of the database."""
    from kms_schema.migrate import program

    with errors_reported():
        revisions_of_database = program.current(_url_of_existing(database_url), _options(options))
        revisions = [revision.revision for revision in program.history()]
    behind = len(revisions) - max(
        (revisions.index(each) + 1 for each in revisions_of_database if each in revisions), default=0
    )
    status = f"behind by {behind}, the newest is {revisions[-1]}" if behind else "the newest"
    document = {"current": revisions_of_database, "head": revisions[-1], "behind": behind}
    print_result(style, document, f"{', '.join(revisions_of_database) or 'not migrated'} ({status})")


@click.command("history", epilog="\b\nExample:\n  kms-schema history")
@style_option
def history(style: str) -> None:
    """List the revisions of this package, oldest first."""
    from kms_schema.migrate import program

    with errors_reported():
        revisions = program.history()
    if style == "json":
        print_json([asdict(revision) for revision in revisions])
    else:
        listing = click.HelpFormatter(width=_WIDTH)
        listing.write_dl([(revision.revision, revision.summary) for revision in revisions], col_max=_WIDTH // 2)
        click.echo(listing.getvalue(), nl=False)


@click.command("stamp", epilog="\b\nExample:\n  kms-schema stamp 005")
@click.argument("revision", shell_complete=revisions_begun)
@click.option("--unverified", is_flag=True, help="Record REVISION even if the objects are not those of REVISION.")
@where
@version_table_option
@patience
@style_option
def stamp(revision: str, database_url: str | None, style: str, *, unverified: bool, **options: Any) -> None:
    """Record REVISION as the revision of the database, and change nothing else.

    This is for a database whose tables were created otherwise, such as by a script of `kms-schema sql`. Refused if the
    objects are not those of REVISION, unless --unverified is given. Validate the database afterwards.
    """
    from kms_schema.migrate import program
    from kms_schema.preflight import catalog_check

    with errors_reported():
        url = _url_of_existing(database_url)
        print_target(url)
        whole, checked = program.whole_id(revision), _options(options)
        program.current(url, checked)
        if not unverified:
            with connected(url) as connection:
                objection = catalog_check.objection_to_stamp(connection, whole, checked.schema, checked.version_table)
            if objection:
                raise click.ClickException(f"{objection}; to record it nevertheless, add --unverified")
        program.stamp(url, revision, checked)
        _print_revision(url, options, style)


@click.command(
    "sql",
    epilog="\b\nExamples:\n  kms-schema sql --engine postgresql > upgrade.sql\n  kms-schema sql 004:005"
    "\n  kms-schema sql --down head:004 --output rollback.sql",
)
@click.argument("revisions", default="head", shell_complete=revisions_begun, metavar="[[FROM:]TO]")
@click.option("--down", is_flag=True, help="Write the SQL of the downgrade from FROM to TO.")
@click.option("--allow-audit-loss", is_flag=True, help="Leave out the check for audit entries.")
@click.option(
    "--engine", type=click.Choice(["postgresql", "sqlite"]),
    help="The engine of the SQL; default: the engine of the database URL.",
)  # fmt: skip
@click.option("--output", type=OutputFile(), help="The file to write; default: standard output.")
@where
@version_table_option
@patience
def sql(
    revisions: str, *, down: bool, engine: str | None, output: Path | None, database_url: str | None, **options: Any
) -> None:
    """Write the SQL of an upgrade, without a connection.

    Run the SQL with `psql -v ON_ERROR_STOP=1 -f FILE`, or `sqlite3 -bail FILE.db < FILE`.
    """
    from kms_schema.migrate import program

    with errors_reported():
        url = f"{engine}://" if engine else url_of(database_url)
        script = program.sql(url, revisions, down=down, options=_options(options))
    if output is None:
        print_unchanged(script)
        return
    try:
        with replaced_file(output, FOR_OTHERS) as file:
            file.write(script.encode())
    except OSError as error:
        raise cannot_write(output, error) from None


def _options(given: Mapping[str, Any]) -> "MigrationOptions":
    from kms_schema.migrate.options import MigrationOptions

    return MigrationOptions(**given)


def _url_of_existing(given: str | None) -> str:
    url = url_of(given)
    target = parse_database_url(url)
    if target.engine == "sqlite":
        existing_file(target)
    return url


def _print_revision(url: str, options: dict[str, Any], style: str) -> None:
    from kms_schema.migrate import program

    revisions_of_database = program.current(url, _options(options))
    text = f"the database is at {', '.join(revisions_of_database) or 'base'}"
    print_result(style, {"current": revisions_of_database}, text)


class _Short(logging.Formatter):
    """Alembic's message of a revision without its summary, which `history` has: it fits into 80 columns."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message."""
        message = record.getMessage()
        return message.partition(", ")[0] if message.startswith("Running ") else message


@contextmanager
def errors_reported() -> Iterator[None]:
    """Show Alembic's progress on standard error, and an error as one sentence with its exit status."""
    from kms_schema.migrate import faults

    log = logging.getLogger("alembic.runtime.migration")
    handler = logging.StreamHandler()
    handler.setFormatter(_Short())
    handler.addFilter(lambda record: not record.getMessage().startswith(("Context impl", "Will assume", "Generating")))
    log.addHandler(handler)
    log.setLevel(logging.INFO if messages.notes_shown() else logging.WARNING)
    try:
        yield
    except faults.MigrationError as error:
        message = _as_options(str(error))
        raise _BY_EXIT_STATUS[error.exit_status](message) from None
    finally:
        log.removeHandler(handler)


@contextmanager
def _interruption_reported(url: str) -> Iterator[None]:
    """Say after Ctrl-C what is left of a migration: on SQLite it is one transaction."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(_INTERRUPTED[parse_database_url(url).engine], err=True)
        raise click.exceptions.Exit(interrupts.STATUS) from None


def _as_options(message: str) -> str:
    """Return a message with `-x name=value` of Alembic replaced by the options of this program."""
    message = message.replace("-x allow-audit-loss=yes", "--allow-audit-loss").replace("-x url=", "--database-url ")
    return re.sub(r"-x ([a-z-]+)=", r"--\1 ", message)
