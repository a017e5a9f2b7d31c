"""Opens the trail for the commands of `kms-schema audit`."""

from collections.abc import Iterator

import click

from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import SealKeyError
from kms_schema.audit.formats.seals import SealError
from kms_schema.audit.proofs.prover import CannotProveError
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.cli.openers import Opening, as_connection, opener
from kms_schema.database.url import parse_database_url

_REFUSED = ("cannot_start", "entry_refused", "other_signer", "unknown_key")
"""The reasons of errors about what was asked; without one, the trail cannot be read or written."""


@opener
def as_trail(opening: Opening) -> Iterator[OpenTrail]:
    """Open the trail."""
    with as_connection()(opening) as connection:
        immutable = parse_database_url(opening.url).immutable
        yield open_trail(connection, opening.schema, opening.lock_wait, immutable=immutable)
@contextmanager
def opened(
    database_url: str | None, schema: str, *, writing: bool = False, lock_wait: float = LOCK_WAIT_SECONDS
) -> Iterator[OpenTrail]:
    """Open the trail; an error becomes one sentence and an exit status."""
    with opened_with_connection(database_url, schema, writing=writing, lock_wait=lock_wait) as (_connection, trail):
        yield trail


@contextmanager
def opened_with_connection(
    database_url: str | None, schema: str, *, writing: bool = False, lock_wait: float = LOCK_WAIT_SECONDS
) -> "Iterator[tuple[psycopg.Connection[Any] | sqlite3.Connection, OpenTrail]]":
    """Open the trail as `opened` does, and give its connection too, which is idle between the calls."""
    url = url_of(database_url)
    with connected(
        url, writing=writing, application="kms-schema audit", refusals=(TrailError,), lock_wait=lock_wait
    ) as connection:
        if writing and isinstance(connection, sqlite3.Connection):
            only_write_what_is_asked(connection)
        try:
            yield connection, open_trail(connection, schema, lock_wait, immutable=parse_database_url(url).immutable)
        except (CannotProveError, TrailError) as error:
            if isinstance(error, TrailError) and error.reason not in _REFUSED:
                raise  # with another exit status
            raise click.ClickException(in_a_line(str(error))) from None
        except (EncodingError, SealError, SealKeyError) as error:
            raise click.ClickException(
                in_a_line(f"the trail has a row that its constraints do not allow: {error}; run kms-schema validate")
            ) from None
