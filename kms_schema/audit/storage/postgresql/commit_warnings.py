"""Warnings of the server about a commit: it can have committed a seal that its standby did not receive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kms_schema.audit.storage.errors import TrailError

if TYPE_CHECKING:
    import psycopg


@contextmanager
def complete_commit(connection: "psycopg.Connection[Any]") -> Iterator[Callable[[], None]]:
    """Give a function to call just before the commit of a seal: later warnings are about that commit.

    Raises `TrailError` if there are any. If the wait for a synchronous standby is cancelled, the transaction stays
    committed here and COMMIT succeeds: its checkpoint could be ahead of the standby that takes over.
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
            f"the seal is committed, but perhaps not on the standby ({warnings[0]}): when the standby has caught up,"
            " publish the output of kms-schema audit checkpoint"
        )
