"""The key ring of the commands of `kms-schema keys`: its errors become one sentence and an exit status."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kms_schema.cli.database_errors import MEMBERSHIP, CannotConnect, at, with_hint
from kms_schema.cli.key_uris import hsms_of, root_keys_of
from kms_schema.cli.openers import Opening, opener
from kms_schema.cli.results import print_result
from kms_schema.database.messages import LOCKED, sqlstate_of
from kms_schema.database.url import parse_database_url
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import KeyStatus

if TYPE_CHECKING:
    import sqlalchemy as sa

    from kms_schema import keyring
    from kms_schema.keyring.descriptions import KeyDescription

_USES: Mapping[str, str] = {
    KeyStatus.ROTATED: "it decrypts only", KeyStatus.EXPIRED: "it decrypts only",
    KeyStatus.ARCHIVED: "it neither encrypts nor decrypts", KeyStatus.REVOKED: "it neither encrypts nor decrypts",
}  # fmt: skip
"""The uses of a key that no longer encrypts, by its status."""


@opener
def as_ring(opening: Opening, cache: "keyring.CachePolicy | None" = None) -> "Iterator[keyring.KeyRing]":
    """Open a ring with the root keys and HSMs of the options; without root keys, it opens and wraps nothing.

    Without `cache`, the ring has its default policy.
    """
    from kms_schema import keyring

    common = opening.common
    policy, uris, schema = cache or keyring.CachePolicy(), hsms_of(common.hsms), common.schema
    with (
        root_keys_of(common.roots) as opened_roots,
        opening.engine(pooled=True) as engine,
        _refusals(opening.url, engine),
        keyring.KeyRing(engine, opened_roots, schema=schema, cache=policy, hsms=uris) as ring,
    ):
        yield ring


@contextmanager
def _refusals(url: str, engine: "sa.Engine") -> Iterator[None]:
    """Turn some errors of the ring into messages that say what to do; the table of `opened` has the others.

    None contains material, plaintext or associated data. The ring has one error for a ciphertext that does not open,
    whatever the reason. Here an unknown name of a key is another one: a login that uses keys may list their names.
    """
    from kms_schema import keyring
    from kms_schema.keyring import descriptions

    target = parse_database_url(url)
    try:
        yield
    except (keyring.DatabaseUnavailableError, keyring.KeyNotPermittedError) as error:
        state = sqlstate_of(error.__context__)  # the driver's error is its context
        if state == LOCKED and error.__context__ is not None:
            raise error.__context__ from None  # the engine names the holder
        message = " ".join(target.without_secrets(str(error)).split())
        permitted = isinstance(error, keyring.DatabaseUnavailableError)
        place = at(target.shown, message)
        message = with_hint(message, state) if permitted else f"{message}; {MEMBERSHIP}"
        raise CannotConnect(in_a_line(f"{place}: {message}")) from None
    except keyring.DecryptionError as error:
        with engine.connect() as connection:
            try:
                descriptions.listed_key(connection, error.key_id or "")
            except keyring.UnknownKeyError as unknown:
                raise _unknown(unknown) from None
        hint = "name the key, the whole file and the --aad that it was encrypted with"
        raise click.ClickException(in_a_line(f"{error}; {hint}")) from None
    except keyring.UnknownKeyError as error:
        raise _unknown(error) from None


def _unknown(error: "keyring.UnknownKeyError") -> click.ClickException:
    """Return the message about an unknown key or version, or about a ciphertext of none."""
    if error.reason == "ciphertext":
        return click.ClickException(in_a_line(str(error)))
    hint = "list shows the names" if error.version is None else f"show {shlex.quote(error.key_id or '')} lists them"
    return click.ClickException(in_a_line(f"{error}; kms-schema keys {hint}"))


def print_change(described: "KeyDescription", style: str) -> None:
    """Print a key after a change: a line of text, or JSON."""
    document = dataclasses.asdict(described)
    del document["next_step"]
    live = "no live version" if described.version is None else f"version {described.version} is live"
    then = _USES.get(described.status, live)
    print_result(style, document, f"key {described.key_id!r} is {described.status}; {then}")
