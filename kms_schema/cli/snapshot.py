"""`kms-schema snapshot`: write the objects of a database to a file, as expected objects for others."""

from pathlib import Path

import click

from kms_schema.cli import messages
from kms_schema.cli.expectations import snapshots_in
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, OutputFile, where, with_common
from kms_schema.cli.scope import scope_of, scope_options
from kms_schema.cli.streams import cannot_write
from kms_schema.files.outputs import FOR_OTHERS, replaced_file
from kms_schema.text.printable import in_a_line

_EXAMPLES = """
\b
Examples:
  kms-schema snapshot --output schema.json
  kms-schema snapshot --schemas public,sales --exclude 'tmp_*' \\
    --output schema.json
  kms-schema snapshot --database-url postgresql://ci@db.example/app15 \\
    --add --output schema.json
  kms-schema validate --expect-from schema.json

Exit status: 0 written, 2 usage, 3 no connection or no such schema.
"""


@click.command("snapshot", epilog=_EXAMPLES)
@with_common(where)
@scope_options
@click.option("--output", type=OutputFile(), required=True, help="The file to write; - is standard output.")
@click.option("--add", is_flag=True, help="Keep what the file has for other engines and major versions.")
def snapshot_command(
    *,
    common: Common,
    schemas: tuple[str, ...],
    exclude: tuple[str, ...],
    output: Path | None,
    add: bool,
) -> None:
    """Write the schema of a database to a file, which `validate --expect-from` compares other databases with.

    The file has every object of an application but its rows: tables, constraints, indexes, triggers, functions, views,
    privileges and policies, one attribute a line. Review it like a lock file. The tables of this package and members
    of extensions are left out. The database is only read, and no file is replaced but such a file.
    """
    from kms_schema.validator.host.comparison import snapshot_of
    from kms_schema.validator.host.snapshots import added, written

    if add and output is None:
        raise click.UsageError("--add needs a file that has been written before: give it with --output")
    before = snapshots_in(output) if output is not None and (add or output.exists()) else ()
    with opened(as_connection(), common) as connection:
        snapshot = snapshot_of(connection, scope_of(common.schema, schemas, exclude))
    text = written(added(before if add else (), snapshot))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with replaced_file(output, FOR_OTHERS) as file:
            file.write(text.encode())
    except OSError as error:
        raise cannot_write(output, error) from None
    objects = sum(map(len, snapshot.schemas.values()))
    messages.note(f"{objects} objects of {in_a_line(snapshot.source)} ({snapshot.rendered_by}) are in {output}")
