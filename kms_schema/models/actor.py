"""Whom an application acts for: the claim that entries carry which the database writes itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

MOST_CHARACTERS = 100
"""Of `key_audit_logs.user_id`, where the claim ends up."""
_NESTED = "kms_schema.acting_for"
"""Where a connection keeps the actors of the blocks that it is in, the innermost last."""


@contextmanager
def acting_for(connection: sa.Connection, actor: str) -> Iterator[None]:
    """Have the changes that are made inside recorded as made for `actor`, in the transaction that is open.

    With a session: `with acting_for(session.connection(), "alice"): …; session.flush()`; what is flushed behind the
    block is not covered by it. Blocks may be nested; the inner one's actor counts.

    It is a claim, as `user_id` is: `recorded_by` is who the server says it was. On PostgreSQL it is the setting
    `kms.actor`, which any client can `SET LOCAL`; on SQLite the row of `key_audit_actor`, without which a transaction
    has to commit, and which needs foreign keys on. Raises `ValueError` for a name that no entry could carry, and on a
    connection in AUTOCOMMIT, where a claim would end with its own statement.
    """
    if not actor.strip() or len(actor) > MOST_CHARACTERS or "\0" in actor:
        raise ValueError(f"an actor has 1 to {MOST_CHARACTERS} characters, not all blank, and no NUL: {actor[:120]!r}")
    nested: list[str] = connection.info.setdefault(_NESTED, [])
    nested.append(actor)
    try:
        _claim(connection, actor)
        yield
    except BaseException:
        nested.pop()
        # A transaction that failed takes no statement; its claim ends with it.
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
        connection.execute(sa.text("INSERT INTO main.key_audit_actor (actor) VALUES (:actor)"), {"actor": actor})
