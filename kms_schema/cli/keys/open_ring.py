"""The key ring of the commands of `kms-schema keys`: its errors become one sentence and an exit status."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import click

from kms_schema.cli import connections
from kms_schema.cli.error_hints import with_hint
from kms_schema.cli.root_keys import root_keys_of
from kms_schema.cli.targets import CannotConnect
from kms_schema.database_url import parse_database_url
from kms_schema.keyring import (
    CachePolicy,
    DatabaseUnavailableError,
    DecryptionError,
    KeyNotPermittedError,
    KeyRing,
    KeyRingError,
)
from kms_schema.keyring.descriptions import KeyDescription
from kms_schema.printable import in_a_line

_LONGEST = 64
"""The length of `key_masters.key_id`."""


def _named(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    if name is None:
        return None
    if not name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise click.BadParameter(f"the name of a key has 1 to {_LONGEST} printable characters, and is not blank")
    return name


key_id_argument = click.argument("key_id", callback=_named)
"""The name of a key."""
key_id_option = partial(click.option, callback=_named, metavar="KEY_ID")
"""An option for the name of a key."""


@contextmanager
def opened(
    database_url: str | None,
    schema: str,
    files: Sequence[str] = (),
    variables: Sequence[str] = (),
    *,
    application: str = "kms-schema keys",
    cache: CachePolicy = CachePolicy(),  # noqa: B008  (immutable)
) -> Iterator[KeyRing]:
    """Open a ring with the root keys of the options; without any, it opens and wraps nothing."""
    url = connections.url_of(database_url)
    with (
        root_keys_of(files, variables) as roots,
        connections.engine_at(url, schema=schema, application=application, pooled=True) as engine,
        _refusals(url),
        KeyRing(engine, roots, schema=schema, cache=cache) as ring,
    ):
        yield ring


@contextmanager
def _refusals(url: str) -> Iterator[None]:
    """Turn the errors of the ring into messages. None contains material, plaintext or associated data."""
    target = parse_database_url(url)
    try:
        yield
    except (DatabaseUnavailableError, KeyNotPermittedError) as error:
        message = " ".join(target.without_secrets(str(error)).split())
        raise CannotConnect(in_a_line(f"{target.shown}: {with_hint(message)}")) from None
    except DecryptionError as error:
        hint = "name the key, the whole file and the --aad that it was encrypted with, and discard what was written"
        raise click.ClickException(in_a_line(f"{error}; {hint}")) from None
    except KeyRingError as error:
        raise click.ClickException(in_a_line(str(error))) from None
    except ValueError as error:  # an invalid actor, reason or time
        raise click.UsageError(in_a_line(str(error))) from None


def print_change(described: KeyDescription, style: str) -> None:
    """Print a key after a change: a line of text, or JSON."""
    if style == "json":
        document = dataclasses.asdict(described)
        del document["next_step"]
        click.echo(json.dumps(document, indent=2))
    else:
        live = "no live version" if described.version is None else f"version {described.version} is live"
        click.echo(in_a_line(f"key {described.key_id!r} is {described.status}; {live}"))
