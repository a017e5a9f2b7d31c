"""The program `kms-schema`: each command is a few lines over a library call, in a module that is imported on use.

Exit status: 0 success, 1 findings or refused, 2 usage, 3 no connection, no privilege, no lock in time, or no output, 4
sealed but not published, 130 interrupted. The page "operations" of the documentation has the table.
"""

import gc
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

import click

from kms_schema._version import __version__
from kms_schema.cli import interrupts, messages, streams
from kms_schema.cli.arguments import for_people
from kms_schema.cli.command_groups import Commands
from kms_schema.cli.lazy_group import Lazy, LazyGroup

_KERNEL = {
    "audit": Lazy("kms_schema.cli.audit:audit", "Seal, verify and prove the audit trail"),
    "current": Lazy("kms_schema.cli.migrations:current", "Show the revision of the database"),
    "downgrade": Lazy("kms_schema.cli.migrations:downgrade", "Downgrade the database to a revision"),
    "harden": Lazy("kms_schema.cli.harden:harden", "Refuse DDL on the schema by event triggers"),
    "history": Lazy("kms_schema.cli.migrations:history", "List the revisions of the package"),
    "preflight": Lazy("kms_schema.cli.migrations:preflight_command", "Check whether an upgrade can run"),
    "roles": Lazy("kms_schema.cli.roles:roles", "Print or apply the SQL of the group roles"),
    "snapshot": Lazy("kms_schema.cli.snapshot:snapshot_command", "Write the schema of a database to a file"),
    "sql": Lazy("kms_schema.cli.migrations:sql", "Write the SQL of an upgrade or downgrade"),
    "stamp": Lazy("kms_schema.cli.migrations:stamp", "Record a revision without running it"),
    "upgrade": Lazy("kms_schema.cli.migrations:upgrade", "Upgrade the database to a revision"),
    "validate": Lazy("kms_schema.cli.validate:validate_command", "Compare the database with the expected schema"),
}


@click.group(cls=LazyGroup, lazy=Commands(_KERNEL), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kms-schema")
def program() -> None:
    """Create, validate and operate the database of a key-management system.

    Begin with `upgrade`, which creates the tables, and `validate`, which compares them with the expected schema. Then
    `keys create` creates keys. The page "quickstart" of the documentation shows the first steps, and the page
    "operations" lists all exit statuses.
    """


def main(arguments: Sequence[str] | None = None, name: str = "kms-schema") -> NoReturn:
    """Run the program and exit.

    `arguments` default to those of the command line; `name` is the program in messages. Exit status: see the module.
    """
    # Imported modules are never garbage: a collection at the end takes a fifth of the time of a short command.
    gc.set_threshold(50_000)
    try:
        status = run(arguments, name)
        gc.freeze()
        status = streams.flushed(status)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is over
    except KeyboardInterrupt:
        status = interrupts.STATUS
    sys.exit(status)


def _variables() -> Iterator[str]:
    """Yield the values of the variables that stand for options, each after pieces that name no option.

    They come without the user of a URL: every message with that word would be hidden, though nothing is wrong there.
    """
    for name, value in os.environ.items():
        if name.startswith("KMS_") and name != "KMS_DATABASE_URL":
            yield from ("", "", re.sub("(?<=://)[^:@/%]+(?=[:@])", "", value))


def run(arguments: Sequence[str] | None = None, name: str = "kms-schema") -> int:
    """Run the program and return its exit status.

    `arguments` default to those of the command line; `name` is the program in messages. An interrupted command returns
    130: click's own status, 1, stands for findings.

        assert run(["validate", "--database-url", "sqlite:///kms.db"]) == 0
    """
    streams.prepare()
    messages.reset()
    with interrupts.noted() as interrupt:
        try:
            result = program.main(arguments, prog_name=name, standalone_mode=False)
            status = result if isinstance(result, int) else 0
        except click.ClickException as error:
            status = error.exit_code
            if not interrupt.received:
                given = [*(sys.argv[1:] if arguments is None else arguments), *_variables()]
                for_people(error, given).show()
        except click.Abort:
            interrupt.received, status = True, 1
        except OSError as error:
            status = streams.failed(error)
        except SystemExit:  # of click, where the reader of a pipe has gone
            status = streams.NOT_WRITTEN
        except Exception:
            if not interrupt.received:
                raise
            status = 1
    if not interrupt.received:
        return status
    if status != interrupts.STATUS:  # otherwise the command has said so
        click.echo("Interrupted.", err=True)
    return interrupts.STATUS
