"""`kms-schema inventory`: all keys and versions as a cryptography bill of materials, JSON or CSV."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from kms_schema import inventory
from kms_schema.cli import messages
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, OutputFile, actor_option, force_option, where, with_common
from kms_schema.cli.streams import cannot_write
from kms_schema.errors import KmsSchemaError
from kms_schema.files.outputs import recorded_file
from kms_schema.text.printable import counted, in_a_line

if TYPE_CHECKING:
    from kms_schema.inventory import Form

_IN_MEMORY = 16 * 2**20


@click.command(
    "inventory",
    epilog="\b\nExamples:\n  kms-schema inventory --output keys.cdx.json"
    "\n  kms-schema inventory --format csv --output keys.csv\n  kms-schema inventory --format json --no-names"
    "\n\nExit status: 0 written, 2 usage, 3 no connection, missing privilege, or not written.",
)
@click.option(
    "--format", "style", type=click.Choice(["cyclonedx", "json", "csv"]), default="cyclonedx", show_default=True,
    help="cyclonedx: a cryptography bill of materials. json: the same data by name. csv: a table, with ' before a"
    " text that looks like a formula.",
)  # fmt: skip
@click.option(
    "--cyclonedx-version", type=click.Choice(["1.6", "1.7"]), help="The version of CycloneDX.  [default: 1.6]"
)
@click.option("--output", type=OutputFile(), metavar="FILE", help="The new file; default: standard output.")
@force_option
@click.option(
    "--no-record", is_flag=True, help="Write no entry about the document to the audit log; the document says so."
)
@click.option("--no-names", is_flag=True, help="Leave out the names of keys, roots, HSMs and columns.")
@with_common(actor_option, where)
def inventory_command(
    *, cyclonedx_version: str | None, output: Path | None, force: bool, no_record: bool, no_names: bool, common: Common
) -> None:
    """Write an inventory of all keys and versions.

    The inventory has the algorithm, strength, state, times, use, custody and wrapping chain of each version, the HSMs,
    and the algorithms in use, and names the checkpoint of the audit log. Its SHA-256 becomes an entry of the audit log,
    which members of kms_auditor may write. Key material and credentials are not read.
    """
    style = common.style
    if cyclonedx_version is not None and style != "cyclonedx":
        raise click.UsageError(f"--cyclonedx-version is for --format cyclonedx, not {style}")
    form: Form = f"cyclonedx-{cyclonedx_version or '1.6'}" if style == "cyclonedx" else style  # type: ignore[assignment]
    with (
        opened(as_connection(), common, writing=not no_record, refusals=(KmsSchemaError,)) as connection,
        _target(output, force=force) as file,
    ):
        try:
            written = inventory.write_inventory(
                connection,
                file,
                form,
                schema=common.schema,
                names=not no_names,
                record=not no_record,
                user_id=common.actor,
            )
        except Exception as error:
            if getattr(error, "__notes__", None):  # of its entry
                messages.note("nothing was written, since its entry is refused; --no-record writes it without one")
            raise
    keys, versions = (counted(written.totals[f"{noun}s"], noun) for noun in ("key", "version"))
    messages.note(f"{keys}, {versions}; SHA-256 {written.sha256}")
    seen, entry = written.checkpoint, written.entry
    bound = "nothing is sealed" if seen is None else f"checkpoint of {seen.origin}, tree size {seen.size}"
    recorded = "no entry" if entry is None else f"entry {entry['id']}, sequence {entry['sequence']}"
    messages.note(in_a_line(f"{bound}; {recorded}"))


@contextmanager
def _target(output: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    """Yield a file that becomes the output at the end: if the block raises, nothing is written."""
    if output is not None:
        try:
            with recorded_file(output, replace=force) as file:
                yield file
        except OSError as error:
            raise cannot_write(output, error) from None
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        yield file  # type: ignore[misc]
        file.seek(0)
        sys.stdout.flush()
        if (binary := getattr(sys.stdout, "buffer", None)) is None:
            click.echo(file.read().decode(), nl=False)
        else:
            shutil.copyfileobj(file, binary)
            binary.flush()
