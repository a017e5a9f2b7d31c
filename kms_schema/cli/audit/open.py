"""Opens the trail for the commands of `kms-schema audit`, and turns its errors into messages."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import SealKeyError
from kms_schema.audit.formats.seals import SealError
from kms_schema.audit.proofs.prover import CannotProve
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.cli.connections import connected, url_of
from kms_schema.cli.sqlite_authorizer import only_write_what_is_asked
from kms_schema.database_url import parse_database_url
from kms_schema.printable import in_a_line

Command = TypeVar("Command", bound=Callable[..., Any])

style_option = click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)


def where(command: Command) -> Command:
    """Give a command the options that name the database and schema."""
    command = click.option(
        "--schema", default="public", show_default=True, metavar="NAME", help="The PostgreSQL schema of the tables."
    )(command)
    return click.option(
        "--database-url", metavar="URL", help="Default: KMS_DATABASE_URL, alembic.ini, sqlite:///kms.db."
    )(command)


def print_note(text: str) -> None:
    """Write a note to standard output without changing a byte for the locale: the signature covers its bytes."""
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        click.echo(text, nl=False)
    else:
        binary.write(text.encode())
        binary.flush()


def print_lines(text: str) -> None:
    """Write text to standard output; characters that the locale does not have are escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


@contextmanager
def opened(database_url: str | None, schema: str, *, writing: bool = False) -> Iterator[OpenTrail]:
    """Open the trail; an error becomes one sentence and an exit status."""
    url = url_of(database_url)
    with connected(url, writing=writing, application="kms-schema audit", refusals=(TrailError,)) as connection:
        if writing and isinstance(connection, sqlite3.Connection):
            only_write_what_is_asked(connection)
        try:
            yield open_trail(connection, schema, immutable=parse_database_url(url).immutable)
        except CannotProve as error:
            raise click.ClickException(in_a_line(str(error))) from None
        except (EncodingError, SealError, SealKeyError) as error:
            raise click.ClickException(
                in_a_line(f"the trail has a row that its constraints do not allow: {error}; run kms-schema validate")
            ) from None
