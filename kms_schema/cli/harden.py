"""`kms-schema harden`: event triggers that refuse DDL, and the protections of a database."""

import sqlite3
from dataclasses import asdict
from typing import Any

import click

from kms_schema.cli.database_errors import CannotConnect
from kms_schema.cli.openers import as_connection, as_postgresql, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_json, print_result
from kms_schema.cli.streams import print_unchanged
from kms_schema.database.messages import NOT_PERMITTED, sqlstate_of
from kms_schema.hardening.applying import apply, remove
from kms_schema.hardening.definition import REFUSED
from kms_schema.hardening.statements import removal, script
from kms_schema.text.printable import in_a_line
from kms_schema.validator.protections import Protections, protections

_ON_SQLITE = (
    "SQLite has no event triggers: everyone who can write the file can do anything (restrict its permissions);"
    " without --apply and --remove this command lists the protections"
)
_APPLIED = {True: "event triggers now refuse DDL on schema {0}", False: "the event triggers are in force already"}
_REMOVED = {
    True: "the event triggers are removed: DDL of the owner on schema {0} succeeds until kms-schema harden --apply",
    False: "there were no event triggers; nothing was changed",
}


@click.command(
    "harden",
    epilog="\b\nExamples:\n  kms-schema harden"
    "\n  kms-schema harden > harden.sql"
    "\n  kms-schema harden --apply --database-url postgresql://postgres@db/kms"
    "\n  kms-schema harden --remove    # before an upgrade; --apply after it",
)
@click.option("--apply", "applying", is_flag=True, help="Create the event triggers, in one transaction.")
@click.option("--remove", "removing", is_flag=True, help="Remove the event triggers, in one transaction.")
@with_common(where, style_option)
def harden(*, applying: bool, removing: bool, common: Common) -> None:
    """Refuse DDL on the objects of the schema by event triggers, or list the protections and the open attacks.

    Without --apply and --remove, print the protections of this database, the open attacks, and the SQL of the event
    triggers. Event triggers need a superuser, or the administrator role of a managed service (page "hardening" of the
    documentation). --apply and --remove each write an entry of the audit log.

    Exit status: 0 success, 2 usage, 3 no connection or missing privilege.
    """
    if applying and removing:
        raise click.UsageError("--apply and --remove exclude each other")
    if applying or removing:
        _change(common, removing=removing)
    else:
        _report(common)


def _change(common: Common, *, removing: bool) -> None:
    with opened(as_postgresql(_ON_SQLITE), common, writing=True) as connection:
        try:
            changed = (remove if removing else apply)(connection, common.schema)
        except ValueError as error:
            raise click.UsageError(in_a_line(str(error))) from None
        except Exception as error:
            if sqlstate_of(error) != NOT_PERMITTED:
                raise
            raise CannotConnect(_not_allowed(error, removing=removing)) from None
    document = {"schema": common.schema, "hardened": not removing, "changed": changed}
    print_result(common.style, document, (_REMOVED if removing else _APPLIED)[changed].format(common.schema))


def _not_allowed(error: Exception, *, removing: bool) -> str:
    message = in_a_line(str(error).strip().splitlines()[0])
    if removing:
        return f"{message}; the event triggers are in force. Run this as a superuser"
    return (
        f"{message}; nothing was changed. They need a superuser, or the administrator role of a managed service"
        f' (page "hardening" of the documentation). Open to the owner of the tables: {", ".join(REFUSED)}'
    )


def _report(common: Common) -> None:
    try:
        statements = {"sql": script(common.schema), "removal": removal(common.schema)}
    except ValueError as error:
        raise click.UsageError(in_a_line(str(error))) from None
    with opened(as_connection(), common) as connection:
        observed = protections(connection, common.schema)
    on_sqlite = isinstance(connection, sqlite3.Connection)
    if common.style == "json":
        sql: dict[str, Any] = {} if on_sqlite else {key: _whole(each) for key, each in statements.items()}
        print_json(asdict(observed) | {"schema": common.schema} | sql)
        return
    click.echo(_as_comments(observed))
    if not on_sqlite:
        print_unchanged(_whole(statements["sql"]))


def _whole(statements: str) -> str:
    return f"BEGIN;\n{statements}COMMIT;\n"


def _as_comments(observed: Protections) -> str:
    """Return the protections as comments of SQL, so that the whole output can be run."""
    signs = {True: "in force", False: "not     ", None: "unknown "}
    lines = [f"Protections of {in_a_line(observed.database)}:"]
    lines += [f"  {signs[each.in_force]}  {each.name}: {in_a_line(each.because)}" for each in observed.all]
    lines += ['Open attacks; the page "threat-model" of the documentation has what detects each:']
    lines += [f"  {attack}" for attack in observed.open_attacks]
    return "\n".join(f"-- {line}" for line in lines)
