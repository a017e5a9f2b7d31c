"""The actor: the user on whose behalf an application claims to act, in entries that the database writes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from kms_schema.text.storable import check_is_text, check_texts

MOST_CHARACTERS = 100
"""The length of `key_audit_logs.user_id`, which stores the actor."""
_NESTED = "kms_schema.acting_for"
"""The key in `Connection.info` of the actors of the open blocks, the innermost last."""


@contextmanager
def acting_for(connection: sa.Connection, actor: str) -> Iterator[None]:
    """Record `actor` as `user_id` in the entries of all changes within the block, in the open transaction.

    Blocks may be nested; the actor of the inner block applies. With a session, flush before the block ends: changes
    that are flushed later are not covered.

    The actor is a claim of the client; `recorded_by` is the login role that the server knows. On PostgreSQL it is the
    setting `kms.actor`, which any client can `SET LOCAL`. On SQLite it is the row of `key_audit_actor`, which must be
    deleted before the transaction commits and requires `PRAGMA foreign_keys = ON`, and SQLite's default
    `PRAGMA trusted_schema = ON`.

    - `connection`: in a transaction
    - `actor`: 1 to 100 characters, not all blank, without NUL and surrogates

    Raises `ValueError` for another actor, for a connection in AUTOCOMMIT, where a claim ends with its statement, and
    for one of SQLite that does not trust the schema.

    ```python
    with acting_for(session.connection(), "alice"):
        key.status = KeyStatus.REVOKED
        session.flush()
    ```
    """
    check_is_text(actor=actor)
    check_texts(actor=actor)
    if not actor.strip() or len(actor) > MOST_CHARACTERS:
        raise ValueError(f"an actor has 1 to {MOST_CHARACTERS} characters, not all blank: {actor[:120]!r}")
    nested: list[str] = connection.info.setdefault(_NESTED, [])
    nested.append(actor)
    try:
        _claim(connection, actor)
        yield
    except BaseException:
        nested.pop()
        # A failed transaction accepts no statement; the claim ends with the transaction.
        with suppress(sa.exc.SQLAlchemyError):
            _claim(connection, nested[-1] if nested else None)
        raise
    nested.pop()
    _claim(connection, nested[-1] if nested else None)


def _claim(connection: sa.Connection, actor: str | None) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(sa.text("SELECT set_config('kms.actor', :actor, true)"), {"actor": actor or ""})
        if connection.scalar(sa.text("SELECT current_setting('kms.actor', true)")) != (actor or ""):
            raise ValueError("the connection is in AUTOCOMMIT, where a claim ends at once: open a transaction first")
        return
    connection.execute(sa.text("DELETE FROM main.key_audit_actor"))
    if actor is not None:
        try:
            connection.execute(sa.text("INSERT INTO main.key_audit_actor (actor) VALUES (:actor)"), {"actor": actor})
        except sa.exc.OperationalError as error:
            if "unsafe use of virtual table" not in str(error.orig):
                raise
            raise ValueError(
                "a claim requires PRAGMA trusted_schema = ON: a trigger asks for PRAGMA foreign_keys, without which a"
                " claim would not end with its transaction"
            ) from None
