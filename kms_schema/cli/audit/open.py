"""Opens the trail for the commands of `kms-schema audit`."""

from collections.abc import Iterator

from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.cli.openers import Opening, as_connection, opener
from kms_schema.database.url import parse_database_url


@opener
def as_trail(opening: Opening) -> Iterator[OpenTrail]:
    """Open the trail."""
    with as_connection()(opening) as connection:
        immutable = parse_database_url(opening.url).immutable
        yield open_trail(connection, opening.schema, opening.lock_wait, immutable=immutable)
