"""The option `--waivers` of commands that validate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms_schema.cli.options import Decorator
from kms_schema.cli.streams import CannotUseFile, cannot_read
from kms_schema.text.printable import in_a_line
from kms_schema.validator import WaiverError, on_demand

if TYPE_CHECKING:
    from kms_schema.validator.waivers import Waiver


def _read(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> "tuple[Waiver, ...]":
    """Return the waivers of a file, none without one. Raises `CannotUseFile`."""
    if file is None:
        return ()
    try:
        return on_demand.read_waivers(file)
    except WaiverError as error:
        raise CannotUseFile(in_a_line(str(error))) from None
    except OSError as error:
        raise cannot_read(file, error) from None


_file: Any = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
waivers_option: Decorator = click.option(
    "--waivers", type=_file, callback=_read,
    help="A TOML file of accepted findings, each with a reason and a day on which it expires.",
)  # fmt: skip
