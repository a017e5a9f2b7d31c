"""`kms-schema roles`: group roles for PostgreSQL and what each may do."""

import json

import click

from kms_schema.cli import connections
from kms_schema.cli.options import schema_option, style_option
from kms_schema.database_url import parse_database_url
from kms_schema.roles.applying import ATTEMPTS, apply
from kms_schema.roles.statements import script

_ON_SQLITE = "there are no roles on SQLite: whoever can write the file can do everything (guard it by its permissions)"


@click.command(
    "roles",
    epilog="\b\nExamples:\n  kms-schema roles --prefix shop_ > roles.sql"
    "\n  kms-schema roles --apply --database-url postgresql://postgres@db.example/kms"
    "\n  kms-schema roles --apply --owner",
)
@click.option("--apply", "applying", is_flag=True, help="Run the SQL, in one transaction.")
@click.option("--owner", is_flag=True, help="Also give everything to kms_owner, which nobody logs in as.")
@click.option("--prefix", default="", metavar="P", help="What stands before kms_app and the other names.")
@click.option("--database-url", metavar="URL", help="Else KMS_DATABASE_URL, alembic.ini; needed for --apply alone.")
@schema_option
@style_option
def roles(*, applying: bool, owner: bool, prefix: str, database_url: str | None, schema: str, style: str) -> None:
    """Print the SQL of the roles of least privilege, or run it with --apply.

    It can be run again at any time: what the roles may do beyond the list of docs/roles.md is taken from them, and what
    is missing is given. What changes is an entry of the audit trail. PostgreSQL alone.

    Exit status: 0 done, 2 usage, 3 no connection, not allowed, or a lock that was not to be had.
    """
    if (applying or database_url) and parse_database_url(connections.url_of(database_url)).engine == "sqlite":
        raise click.UsageError(_ON_SQLITE)
    try:
        statements = f"BEGIN;\n{script(schema, prefix, owner=owner)}COMMIT;\n"
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if applying:
        _apply(connections.url_of(database_url), schema, prefix, owner=owner, style=style)
    elif style == "json":
        click.echo(json.dumps({"prefix": prefix, "schema": schema, "sql": statements}, indent=2))
    else:
        click.echo(statements, nl=False)


def _apply(url: str, schema: str, prefix: str, *, owner: bool, style: str) -> None:
    def say(attempt: int) -> None:
        click.echo(f"a table is in use; attempt {attempt} of {ATTEMPTS} let go of its locks", err=True)

    with connections.connected(url, writing=True, application="kms-schema roles") as connection:
        applied = apply(connection, schema=schema, prefix=prefix, owner=owner, waiting=say)  # type: ignore[arg-type]
    for warning in applied.warnings:
        click.echo(f"Warning: {warning}", err=True)
    if style == "json":
        click.echo(json.dumps({"granted": applied.granted, "revoked": applied.revoked}, indent=2))
        return
    for sign, lines in (("+", applied.granted), ("-", applied.revoked)):
        for line in lines:
            click.echo(f"{sign} {line}")
    if not applied.granted and not applied.revoked:
        click.echo("the roles have their rights already; nothing was changed")
