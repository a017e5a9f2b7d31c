"""Temporary tables and views with the names of the schema's, so that a test chooses the time and every row.

The views have the text of the package's files with the clock replaced; `test_views.py` compares that text with the
deployed views. The tables have the schema's columns without its rules: the database sets the time of an audit entry, so
that a test could not write one at midnight. Some of the entries are sealed, so that views find them in the totals, and
some are not.
"""

import datetime as dt
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from kms_schema.sql import SqlFile, load, paths
from support.engines.database import Connection, Dialect
from support.statements import adapt, execute, with_places
from support.views import oracle
from support.views.oracle import Row, Tables

VIEWS = ("rotations_due", "key_management_dashboard", "key_health_monitor")
TABLES = ("key_masters", "key_versions", "rotation_policies", "key_rotations", "key_audit_logs")
SEALED = ("key_audit_seals", "key_audit_daily_totals", "key_rotation_causes")
"""The tables with the sealed entries, besides the audit log."""

TYPE_FOUND = "key_type = (SELECT key_type FROM key_masters WHERE key_masters.id = key_versions.key_id)"
MOST_USES = (
    "(SELECT CASE WHEN algorithm = 'AES-256-GCM' AND coalesce(max_usage_count, 2147483648) >= 2147483648"
    " THEN 2147483648 ELSE coalesce(max_usage_count, 1000000000000000) END"
    " FROM key_masters WHERE key_masters.id = key_versions.key_id)"
)
INDEX_BOUNDS = (
    f"usage_index_bound = CASE WHEN usage_count * 10 >= {MOST_USES} * 9 THEN 9223372036854775807 ELSE usage_count END,"
    " volume_index_bound = data_volume_bytes",
    "usage_index_bound = 9223372036854775807, volume_index_bound = 9223372036854775807",
)
"""The lowest and the highest index bounds that triggers could set; the temporary tables have no triggers."""

CLOCK = {"postgresql": "now()", "sqlite": "strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'"}
"""The clock of a view; each file has this exactly once."""

NOW = dt.datetime(2025, 3, 9, 10, 30, 15, 250000, dt.UTC)
"""The current time of most tests: a day of 23 hours in `TIME_ZONE`."""

TIME_ZONE = "America/New_York"
"""The sessions' time zone on PostgreSQL, which must change nothing."""

_numbers = count(1)


class ViewFixture:
    """Temporary tables and views in one connection, until its transaction ends."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        """Create empty tables, and the views over them."""
        self.connection = connection
        self.dialect = dialect
        real, empty = ("main", "WHERE 0") if dialect == "sqlite" else ("public", "WITH NO DATA")
        for table in (*TABLES, *SEALED):
            execute(connection, f"CREATE TEMP TABLE {table} AS SELECT * FROM {real}.{table} {empty}")  # noqa: S608
        time = "text" if dialect == "sqlite" else "timestamptz"
        execute(connection, f"CREATE TEMP TABLE pinned_clock (at {time})")
        execute(connection, "INSERT INTO pinned_clock VALUES (NULL)")
        execute(connection, self._temporary(newest(dialect, "key_audit_unsealed").text))
        for view in VIEWS:
            execute(connection, self._pinned(view))
        if dialect == "postgresql":
            execute(connection, f"SET LOCAL TIME ZONE '{TIME_ZONE}'")

    def _pinned(self, view: str) -> str:
        text = newest(self.dialect, view).text
        assert text.count(CLOCK[self.dialect]) == 1
        return self._temporary(text.replace(CLOCK[self.dialect], "(SELECT at FROM pinned_clock)"))

    def _temporary(self, text: str) -> str:
        text = text.replace("{schema}.", "")
        return re.sub(r"^CREATE (MATERIALIZED )?VIEW ", "CREATE TEMP VIEW ", text, flags=re.MULTILINE)

    def show(self, view: str, tables: Tables, at: dt.datetime) -> list[Row]:
        """Return the rows of `view` at a time, for tables with these rows."""
        entries = [row | {"sequence": number} for number, row in enumerate(tables.get("key_audit_logs", ()), 1)]
        tables = {**tables, "key_audit_logs": entries, **self._sealed(entries)}
        for table in (*TABLES, *SEALED):
            execute(self.connection, f"DELETE FROM {table}")  # noqa: S608
            if tables.get(table):
                self._insert(table, tables[table])
        execute(self.connection, "UPDATE pinned_clock SET at = :at", {"at": at})
        return read(self.connection, self.dialect, view)

    def _sealed(self, entries: list[Row]) -> Tables:
        """Seal two of three entries; on PostgreSQL the first came too late, into a gap that is open."""
        last = len(entries) * 2 // 3
        late = 1 if self.dialect == "postgresql" else 0
        sealed = [entry for entry in entries if late < entry["sequence"] <= last]
        if not sealed:
            return {}
        counts = Counter((*_day_and_kind(entry), entry["risk_score"]) for entry in sealed)
        names = ("day", "event_category", "security_level", "risk_score")
        gaps = json.dumps([[1, 1, 1]] if late else [])
        return {
            "key_audit_seals": [{"seal_number": 1, "last_sequence": last, "open_gaps": gaps}],
            "key_audit_daily_totals": [
                dict(zip(names, alike, strict=True))
                | {"risk_score": -1 if alike[-1] is None else alike[-1], "event_count": number}
                for alike, number in counts.items()
            ],
            "key_rotation_causes": [
                {
                    "key_id": entry["key_id"],
                    "sequence": entry["sequence"],
                    "reason": reason,
                    "occurred_at": entry["timestamp"],
                }
                for entry in sealed
                if entry["key_id"] and (reason := _cause(entry))
            ],
        }

    def look(self, view: str, at: dt.datetime = NOW, /, **tables: list[Row]) -> list[Row]:
        """Return the rows of `view`, after a comparison with the oracle.

        The comparison is made without index bounds of versions, with the lowest and with the highest.
        """
        shown = self.show(view, tables, at)
        assert exactly(shown) == exactly(expected(view, tables, at))
        for index_bounds in INDEX_BOUNDS:
            execute(self.connection, f"UPDATE key_versions SET {TYPE_FOUND}, {index_bounds}")  # noqa: S608
            assert exactly(read(self.connection, self.dialect, view)) == exactly(shown)
        return shown

    def _insert(self, table: str, rows: list[Row]) -> None:
        columns = list(rows[0])
        names = ", ".join(f'"{column}"' for column in columns)
        statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{column}' for column in columns)})"  # noqa: S608
        statement = with_places(statement, columns, self.dialect)
        values = [{column: adapt(row[column], self.dialect) for column in columns} for row in rows]
        self.connection.cursor().executemany(statement, values)


def _day_and_kind(entry: Row) -> tuple[Any, ...]:
    return f"{entry['timestamp'].astimezone(dt.UTC):%Y-%m-%d}", entry["event_category"], entry["security_level"]


def _cause(entry: Row) -> str | None:
    if (entry["event_category"], entry["security_level"]) == ("SECURITY", "CRITICAL"):
        return "incident"
    required = (entry["event_category"], entry["event_type"]) == ("COMPLIANCE", "ROTATION_REQUIRED")
    return "compliance" if required else None


def newest(dialect: str, name: str) -> SqlFile:
    """Return the newest version of the file of a view or function."""
    return load(dialect, max(each for each in paths(dialect) if re.fullmatch(rf"{name}_v\d+", each)))


def expected(view: str, tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the rows that the oracle computes for `view`; a missing table is empty."""
    rows: list[Row] = getattr(oracle, view)({table: tables.get(table, []) for table in TABLES}, at)
    return rows


def exactly(rows: list[Row]) -> list[str]:
    """Return rows in a form in which 1, 1.0 and True differ, and neither order nor time zone matters."""

    def spelled(value: Any) -> Any:
        return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else value

    return sorted(repr(sorted((name, spelled(value)) for name, value in row.items())) for row in rows)


def read(connection: Connection, dialect: Dialect, table: str) -> list[Row]:
    """Return all rows of a view, or of a table with the same kinds of columns, as Python values."""
    cursor = execute(connection, f"SELECT * FROM {table}")  # noqa: S608
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    if dialect == "postgresql":
        return rows
    return [
        {name: value if value is None else _kind(table, name)(value) for name, value in row.items()} for row in rows
    ]


def _kind(table: str, column: str) -> Callable[[Any], Any]:
    """Return the conversion of a stored value of SQLite to Python."""
    if column in ("id", "policy_id") or (column == "key_id" and table in TABLES[1:]):
        return uuid.UUID
    if column.endswith("_at") or column in ("timestamp", "last_rotation_date"):
        return dt.datetime.fromisoformat
    if column == "day":
        return dt.date.fromisoformat
    if column in ("reasons", "security_warnings"):
        return json.loads
    truth = column in ("overdue", "is_active") or column.startswith("rotate_on_")
    return bool if truth else _unchanged


def _unchanged(value: Any) -> Any:
    return value


def master(**over: Any) -> Row:
    """Return an active key without a warning and not due for rotation."""
    return {
        "id": uuid.uuid4(),
        "key_id": f"key-{next(_numbers)}",
        "key_type": "dek",
        "algorithm": "AES-256",
        "status": "active",
        "created_at": NOW - dt.timedelta(days=400),
        "activated_at": NOW - dt.timedelta(days=1),
        "rotated_at": None,
        "expires_at": None,
        "expired_at": None,
        "revoked_at": None,
        "usage_count": 0,
        "max_usage_count": None,
        "hsm_provider": None,
        "security_level": "HIGH",
        **over,
    }


def version(key: Row, **over: Any) -> Row:
    """Return a live, unused version."""
    return {
        "id": uuid.uuid4(),
        "key_id": key["id"],
        "version_number": 1,
        "activated_at": NOW - dt.timedelta(days=1),
        "deactivated_at": None,
        "usage_count": 0,
        "data_volume_bytes": 0,
        **over,
    }


def policy(**over: Any) -> Row:
    """Return a policy for data encryption keys without limits: only expiry makes a key due."""
    return {
        "id": uuid.uuid4(),
        "policy_name": f"policy-{next(_numbers)}",
        "key_type": "dek",
        "rotation_interval_days": None,
        "max_key_age_days": None,
        "max_operations": None,
        "max_data_volume_mb": None,
        "rotate_on_security_incident": False,
        "rotate_on_compliance_requirement": False,
        "rotation_window_start": None,
        "rotation_window_end": None,
        "timezone": "UTC",
        "notify_before_rotation_hours": 24,
        "is_active": True,
        **over,
    }


def rotation(key: Row, **over: Any) -> Row:
    """Return a rotation that succeeded ten days ago."""
    return {
        "id": uuid.uuid4(),
        "key_id": key["id"],
        "scheduled_at": NOW - dt.timedelta(days=10),
        "completed_at": NOW - dt.timedelta(days=10),
        "failed_at": None,
        "status": "COMPLETED",
        "retry_count": 0,
        "max_retries": 3,
        "next_retry_at": None,
        "execution_time_ms": None,
        **over,
    }


def failure(key: Row, **over: Any) -> Row:
    """Return a rotation that failed an hour ago, without a retry."""
    return rotation(key, **{"status": "FAILED", "completed_at": None, "failed_at": NOW - dt.timedelta(hours=1), **over})


def entry(key: Row | None, **over: Any) -> Row:
    """Return an audit entry of an hour ago that requires no review."""
    return {
        "id": uuid.uuid4(),
        "key_id": key and key["id"],
        "event_type": "KEY_USED",
        "event_category": "LIFECYCLE",
        "timestamp": NOW - dt.timedelta(hours=1),
        "security_level": "LOW",
        "risk_score": None,
        **over,
    }
