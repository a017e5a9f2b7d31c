"""Counters of versions as they are after years of use: no statement may add so much at once."""

from support.engines.database import Connection
from support.statements import dialect_of, execute

_TRIGGER = "prevent_key_version_counter_decrease"


def set_counters(connection: Connection, **counters: int) -> None:
    """Set counters of all versions, without the trigger that bounds what a statement adds."""
    on_sqlite = dialect_of(connection) == "sqlite"
    if on_sqlite:
        query = "SELECT sql FROM sqlite_master WHERE name = :name"
        (made,) = execute(connection, query, {"name": _TRIGGER}).fetchone()
        execute(connection, f"DROP TRIGGER {_TRIGGER}")
    else:
        execute(connection, "SET CONSTRAINTS ALL IMMEDIATE")  # notices that wait for COMMIT refuse ALTER TABLE
        execute(connection, f"ALTER TABLE key_versions DISABLE TRIGGER {_TRIGGER}")
    execute(connection, f"UPDATE key_versions SET {', '.join(f'{name} = :{name}' for name in counters)}", counters)  # noqa: S608
    execute(connection, made if on_sqlite else f"ALTER TABLE key_versions ENABLE ALWAYS TRIGGER {_TRIGGER}")
