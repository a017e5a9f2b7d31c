"""The database of the commands of `kms-schema hsm`: errors become one sentence and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from kms_schema.cli import connections
from kms_schema.cli.on_use import on_use
from kms_schema.cli.options import Decorator
from kms_schema.crypto.errors import CryptoError
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy import orm

    from kms_schema import engine as engines
    from kms_schema import models
else:
    orm = on_use("sqlalchemy.orm")
    engines = on_use("kms_schema.engine")
    models = on_use("kms_schema.models")

_LONGEST = 100
"""The length of `hsm_configurations.configuration_name`."""


def named(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    """Return the name of an HSM, or raise `BadParameter`."""
    if given is not None and (not given.strip() or len(given) > _LONGEST or not given.isprintable() or "/" in given):
        raise click.BadParameter(f"the name of an HSM has 1 to {_LONGEST} printable characters, without /")
    return given


name_argument: Decorator = click.argument("name", callback=named)
"""The name of an HSM."""


@contextmanager
def engine_for(database_url: str | None, schema: str, *, writing: bool) -> "Iterator[sa.Engine]":
    """Open the database; the errors of HSMs become messages. None contains a PIN or the text of a URI."""
    url = connections.url_of(database_url)
    try:
        with connections.engine_at(url, schema=schema, application="kms-schema hsm", writing=writing) as engine:
            yield engine
    except CryptoError as error:
        raise click.ClickException(in_a_line(str(error))) from None
    except ValueError as error:  # an invalid actor
        raise click.UsageError(in_a_line(str(error))) from None


@contextmanager
def opened(
    database_url: str | None, schema: str, *, writing: bool = False, actor: str | None = None
) -> "Iterator[orm.Session]":
    """Open a session, which commits if it writes and no exception ends it."""
    with engine_for(database_url, schema, writing=writing) as engine:
        begins = engine.execution_options(**{engines.BEGIN_OPTION: "BEGIN IMMEDIATE"}) if writing else engine
        with orm.Session(begins) as session:
            with models.acting_for(session.connection(), actor) if actor is not None else nullcontext():
                yield session
            if writing:
                session.commit()
