"""`kms-schema roles`: group roles for PostgreSQL and their privileges."""

import click

from kms_schema.cli import messages
from kms_schema.cli.connections import url_of
from kms_schema.cli.openers import as_postgresql, opened
from kms_schema.cli.options import Common, schema_option, style_option, with_common
from kms_schema.cli.results import print_json
from kms_schema.cli.streams import print_unchanged
from kms_schema.database.url import parse_database_url
from kms_schema.roles.definition import Role
from kms_schema.roles.statements import script

_ON_SQLITE = "SQLite has no roles: everyone who can write the file can do anything (restrict its permissions)"


@click.command(
    "roles",
    epilog="\b\nExamples:\n  kms-schema roles --prefix shop_ > roles.sql"
    "\n  kms-schema roles --apply --database-url postgresql://postgres@db.example/kms"
    "\n  kms-schema roles --apply --owner",
)
@click.option("--apply", "applying", is_flag=True, help="Run the SQL, in one transaction.")
@click.option("--owner", is_flag=True, help="Also make kms_owner, a role without LOGIN, the owner of the tables.")
@click.option(
    "--prefix", default="", metavar="P",
    help="A prefix for the names of the roles: with shop_, kms_app is shop_kms_app.",
)  # fmt: skip
@click.option(
    "--database-url", metavar="URL",
    help="The URL of the database, for --apply. Without it: KMS_DATABASE_URL, alembic.ini, pyproject.toml.",
)  # fmt: skip
@schema_option
@with_common(style_option)
def roles(*, applying: bool, owner: bool, prefix: str, common: Common) -> None:
    """Print the SQL of the group roles of least privilege, or run it with --apply.

    The SQL revokes the privileges that these roles should not have, grants the missing privileges, and can be repeated
    at any time. --apply prints the number of changes, with --verbose each changed privilege. A change writes an entry
    of the audit log. PostgreSQL only.

    Exit status: 0 success, 2 usage, 3 no connection, missing privilege, or lock timeout.
    """
    if common.database_url and not applying and parse_database_url(url_of(common.database_url)).engine == "sqlite":
        raise click.UsageError(_ON_SQLITE)
    try:
        statements = f"BEGIN;\n{script(common.schema, prefix, owner=owner)}COMMIT;\n"
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if applying:
        _apply(common, prefix, owner=owner)
    elif common.style == "json":
        print_json({"prefix": prefix, "schema": common.schema, "sql": statements})
    else:
        print_unchanged(statements)


def _apply(common: Common, prefix: str, *, owner: bool) -> None:
    from kms_schema.roles import applying as roles_of

    def report(attempt: int) -> None:
        messages.note(f"a table is in use; attempt {attempt} of {roles_of.ATTEMPTS} released its locks")

    with opened(as_postgresql(_ON_SQLITE), common, writing=True) as connection:
        applied = roles_of.apply(connection, schema=common.schema, prefix=prefix, owner=owner, waiting=report)
    for warning in applied.warnings:
        messages.warn(warning)
    if common.style == "json":
        changes = {"granted": applied.granted, "revoked": applied.revoked, "unchanged": applied.unchanged}
        print_json(changes)
        return
    for sign, lines in (("+", applied.granted), ("-", applied.revoked)):
        for line in lines:
            messages.detail(f"{sign} {line}")
    counts = f"{len(applied.granted)} granted, {len(applied.revoked)} revoked, {applied.unchanged} unchanged"
    click.echo(f"{len(Role)} roles; privileges and policies: {counts}")
    if (applied.granted or applied.revoked) and not messages.details_shown():
        messages.note("the entry in the audit log names each change, and so does --verbose")
