"""`kms-schema harden`: event triggers that refuse DDL, and what protects a database."""

import json
from dataclasses import asdict
from typing import Any

import click

from kms_schema.cli import connections
from kms_schema.cli.options import style_option, where
from kms_schema.cli.targets import CannotConnect
from kms_schema.database_url import parse_database_url
from kms_schema.hardening.applying import apply, remove
from kms_schema.hardening.definition import REFUSED
from kms_schema.hardening.statements import removal, script
from kms_schema.printable import in_a_line
from kms_schema.validator import ValidationError
from kms_schema.validator.protections import Protections, protections

_ON_SQLITE = (
    "there are no event triggers on SQLite: whoever can write the file can do everything (guard it by its permissions);"
    " without --apply and --remove this says what is in their place"
)
_APPLIED = {True: "event triggers refuse DDL on schema {0} from now on", False: "they are there already, and whole"}
_REMOVED = {
    True: "the window is open: the owner's DDL on schema {0} goes through until kms-schema harden --apply",
    False: "there were none; nothing was changed",
}


@click.command(
    "harden",
    epilog="\b\nExamples:\n  kms-schema harden"
    "\n  kms-schema harden > harden.sql"
    "\n  kms-schema harden --apply --database-url postgresql://postgres@db.example/kms"
    "\n  kms-schema harden --remove    # before an upgrade; --apply after it",
)
@click.option("--apply", "applying", is_flag=True, help="Make the event triggers, in one transaction.")
@click.option("--remove", "removing", is_flag=True, help="Take them away, in one transaction.")
@where
@style_option
def harden(*, applying: bool, removing: bool, database_url: str | None, schema: str, style: str) -> None:
    """Refuse DDL on the package's objects by event triggers, or say what protects a database and what is open.

    Without --apply and --remove, prints which protections are in force on this database, which attacks are open, and
    the SQL that would make the event triggers. They need a superuser, or what a managed service has in its place:
    docs/hardening.md. Both are entries of the audit trail.

    Exit status: 0 done, 2 usage, 3 no connection or not allowed.
    """
    if applying and removing:
        raise click.UsageError("--apply and --remove: give one of them")
    url = connections.url_of(database_url)
    changing = applying or removing
    if changing and parse_database_url(url).engine == "sqlite":
        raise click.UsageError(_ON_SQLITE)
    if changing:
        _change(url, schema, removing=removing, style=style)
    else:
        _report(url, schema, style)


def _change(url: str, schema: str, *, removing: bool, style: str) -> None:
    with connections.connected(url, writing=True, application="kms-schema harden") as connection:
        try:
            changed = (remove if removing else apply)(connection, schema)  # type: ignore[arg-type]
        except ValueError as error:
            raise click.UsageError(in_a_line(str(error))) from None
        except Exception as error:
            if getattr(error, "sqlstate", None) != "42501":
                raise
            raise CannotConnect(_not_allowed(error, removing=removing)) from None
    if style == "json":
        click.echo(json.dumps({"schema": schema, "hardened": not removing, "changed": changed}, indent=2))
    else:
        click.echo((_REMOVED if removing else _APPLIED)[changed].format(in_a_line(schema)))


def _not_allowed(error: Exception, *, removing: bool) -> str:
    said = in_a_line(str(error).strip().splitlines()[0])
    if removing:
        return f"{said}; run this as the superuser who made the event triggers, or another. They are in force"
    return (
        f"{said}; nothing was changed. Event triggers need a superuser, or what a managed service has in its place"
        f" (docs/hardening.md). Open to the owner of the tables: {', '.join(REFUSED)}"
    )


def _report(url: str, schema: str, style: str) -> None:
    try:
        statements = {"sql": script(schema), "removal": removal(schema)}
    except ValueError as error:
        raise click.UsageError(in_a_line(str(error))) from None
    with connections.connected(url, application="kms-schema harden", refusals=(ValidationError,)) as connection:
        seen = protections(connection, schema)
    on_sqlite = parse_database_url(url).engine == "sqlite"
    if style == "json":
        sql: dict[str, Any] = {} if on_sqlite else {key: _whole(each) for key, each in statements.items()}
        click.echo(json.dumps(asdict(seen) | {"schema": schema} | sql, indent=2))
        return
    click.echo(_as_comments(seen))
    if not on_sqlite:
        click.echo(_whole(statements["sql"]), nl=False)


def _whole(statements: str) -> str:
    return f"BEGIN;\n{statements}COMMIT;\n"


def _as_comments(seen: Protections) -> str:
    """Return what protects the database as comments in SQL, so that the whole can be run."""
    signs = {True: "in force", False: "not     ", None: "unknown "}
    lines = [f"What protects {in_a_line(seen.database)}:"]
    lines += [f"  {signs[each.in_force]}  {each.name}: {in_a_line(each.because)}" for each in seen.all]
    lines += ["Open, and found as docs/threat-model.md says:"]
    lines += [f"  {attack}" for attack in seen.open_attacks]
    return "\n".join(f"-- {line}" for line in lines)
