"""Whom an application acts for: the claim that entries carry which the database writes itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

MOST_CHARACTERS = 100
"""Of `key_audit_logs.user_id`, where the claim ends up."""


@contextmanager
def acting_for(connection: sa.Connection, actor: str) -> Iterator[None]:
    """Have the changes that are made inside recorded as made for `actor`, in the transaction that is open.

    With a session: `with acting_for(session.connection(), "alice"): …; session.flush()`; what is flushed behind the
    block is not covered by it. Blocks may be nested; the inner one's actor counts.

    It is a claim, as `user_id` is: `recorded_by` is who the server says it was. On PostgreSQL it is the setting
    `kms.actor`, which any client can `SET LOCAL`; on SQLite the row of `key_audit_actor`, without which a transaction
    has to commit. Raises `ValueError` for a name that no entry could carry.
    """
    if not actor.strip() or len(actor) > MOST_CHARACTERS or "\0" in actor:
        raise ValueError(f"an actor has 1 to {MOST_CHARACTERS} characters, not all blank, and no NUL: {actor[:120]!r}")
    before = _claimed(connection)
    _claim(connection, actor)
    try:
        yield
    except BaseException:
        # A transaction that failed takes no statement; its claim ends with it.
        with suppress(sa.exc.SQLAlchemyError):
            _claim(connection, before)
        raise
    _claim(connection, before)


def _claimed(connection: sa.Connection) -> str | None:
    on_sqlite = connection.dialect.name == "sqlite"
    asked = "actor FROM main.key_audit_actor" if on_sqlite else "nullif(current_setting('kms.actor', true), '')"
    actor: str | None = connection.scalar(sa.text(f"SELECT {asked}"))
    return actor


def _claim(connection: sa.Connection, actor: str | None) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(sa.text("SELECT set_config('kms.actor', :actor, true)"), {"actor": actor or ""})
        return
    connection.execute(sa.text("DELETE FROM main.key_audit_actor"))
    if actor is not None:
        connection.execute(sa.text("INSERT INTO main.key_audit_actor (actor) VALUES (:actor)"), {"actor": actor})
