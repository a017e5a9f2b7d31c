"""The sources of `validate --expect-from`."""

from pathlib import Path
from typing import TYPE_CHECKING

from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common
from kms_schema.cli.streams import CannotUseFile, cannot_read
from kms_schema.text.printable import in_a_line
from kms_schema.validator.host.scope import Scope

if TYPE_CHECKING:
    from kms_schema.validator.host.snapshots import Snapshot


def expected_from(source: str, scope: Scope) -> "tuple[Snapshot, ...]":
    """Return what a source of `--expect-from` expects: a snapshot file, or the URL of a database, which is only read.

    Raises `CannotUseFile` for a file that is no snapshot, and as `opened` does for a database.
    """
    if "://" in source:
        from kms_schema.validator.host.comparison import snapshot_of

        with opened(as_connection(), Common(source)) as connection:
            return (snapshot_of(connection, scope),)
    return snapshots_in(Path(source))


def snapshots_in(file: Path) -> "tuple[Snapshot, ...]":
    """Return the snapshots of a file; raises `CannotUseFile`."""
    from kms_schema.validator.host.snapshots import SnapshotError, read_snapshots

    try:
        return read_snapshots(file)
    except SnapshotError as error:
        raise CannotUseFile(in_a_line(str(error))) from None
    except OSError as error:
        raise cannot_read(file, error) from None
