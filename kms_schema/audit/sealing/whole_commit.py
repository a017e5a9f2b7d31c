"""Whether a commit is all that was asked of it: a server can have made it and not told its standby."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kms_schema.audit.storage.trail import TrailError

if TYPE_CHECKING:
    import psycopg


@contextmanager
def whole_commit(connection: "psycopg.Connection[Any]") -> Iterator[Callable[[], None]]:
    """Give what is to be called just before the commit of a seal: what the server warns of after it is about that.

    Raises `TrailError` where there are any. A wait for a synchronous standby that somebody cancels leaves the
    transaction committed here, and COMMIT succeeds: its checkpoint could be ahead of the standby that takes over.
    """
    warnings: list[str] = []

    def note(diagnostic: "psycopg.errors.Diagnostic") -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warnings.append(str(diagnostic.message_primary))

    connection.add_notice_handler(note)
    try:
        yield warnings.clear
    finally:
        connection.remove_notice_handler(note)
    if warnings:
        raise TrailError(
            f"the seal is committed, and perhaps not on the standby ({warnings[0]}): when that has caught up, hand out"
            " what kms-schema audit checkpoint prints"
        )
