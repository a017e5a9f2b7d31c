"""Indexes that a host application adds to the audit log."""

from support.engines.database import Connection
from support.statements import dialect_of, execute

WANTED = {
    ("timestamp",),
    ("action_type", "timestamp"),
    ("user_id", "timestamp"),
    ("status", "timestamp"),
}


def indexed(connection: Connection) -> set[tuple[str, ...]]:
    """Return the columns of each index of `audit_logs` other than its primary key."""
    if dialect_of(connection) == "sqlite":
        rows = execute(
            connection,
            """SELECT i.name, c.name FROM pragma_index_list('audit_logs') AS i, pragma_index_info(i.name) AS c
            WHERE i.origin = 'c' ORDER BY c.seqno""",
        )
    else:
        rows = execute(
            connection,
            """SELECT indexrelid, attname FROM pg_index JOIN pg_attribute ON attrelid = indexrelid
            WHERE indrelid = 'audit_logs'::regclass AND NOT indisprimary AND indisvalid ORDER BY attnum""",
        )
    columns: dict[object, tuple[str, ...]] = {}
    for index, column in rows:
        columns[index] = (*columns.get(index, ()), column)
    return set(columns.values())
