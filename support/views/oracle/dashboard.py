"""The rows of `key_management_dashboard`."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from support.views.oracle.health import expires_alert
from support.views.oracle.rows import Row, Tables, day_of, tenths, use

FIGURES = (
    *("key_type", "status", "hsm_provider", "key_count", "average_usage", "expiring_within_7_days"),
    *(
        "expiring_within_30_days",
        "oldest_key_at",
        "newest_key_at",
        "day",
        "rotation_count",
        "completed_count",
    ),
    *("failed_count", "success_rate", "average_execution_ms", "worst_execution_ms", "event_category"),
    *("security_level", "event_count", "average_risk_score", "max_risk_score"),
)


def key_management_dashboard(tables: Tables, at: dt.datetime) -> list[Row]:
    """Return the figures about keys, rotations and events; those that a row is not about are `None`."""
    figures = [*_key_figures(tables, at), *_rotation_figures(tables, at), *_event_figures(tables, at)]
    return [dict.fromkeys(FIGURES) | row | {"generated_at": at} for row in figures]


def _key_figures(tables: Tables, at: dt.datetime) -> Iterator[Row]:
    for (key_type, status, provider), keys in _grouped(
        tables["key_masters"], lambda key: (key["key_type"], key["status"], key["hsm_provider"])
    ):
        alerts = Counter(expires_alert(key, at) for key in keys)
        yield {
            "row_key": f"keys/{key_type}/{status}/{provider or '-'}",
            "section": "keys",
            "key_type": key_type,
            "status": status,
            "hsm_provider": provider,
            "key_count": len(keys),
            "average_usage": tenths(sum(use(key, tables) for key in keys), len(keys)),
            "expiring_within_7_days": alerts[1] + alerts[7],
            "expiring_within_30_days": alerts[1] + alerts[7] + alerts[30],
            "oldest_key_at": min(key["created_at"] for key in keys),
            "newest_key_at": max(key["created_at"] for key in keys),
        }


def _rotation_figures(tables: Tables, at: dt.datetime) -> Iterator[Row]:
    for (day,), rotations in _grouped(
        _of_thirty_days(tables["key_rotations"], "scheduled_at", at),
        lambda rotation: (day_of(rotation["scheduled_at"]),),
    ):
        statuses = Counter(rotation["status"] for rotation in rotations)
        times = [r["execution_time_ms"] for r in rotations if r["execution_time_ms"] is not None]
        yield {
            "row_key": f"rotations/{day}",
            "section": "rotations",
            "day": day,
            "rotation_count": len(rotations),
            "completed_count": statuses["COMPLETED"],
            "failed_count": statuses["FAILED"],
            "success_rate": tenths(100 * statuses["COMPLETED"], statuses["COMPLETED"] + statuses["FAILED"]),
            "average_execution_ms": tenths(sum(times), len(times)),
            "worst_execution_ms": max(times, default=None),
        }


def _event_figures(tables: Tables, at: dt.datetime) -> Iterator[Row]:
    for (day, category, level), entries in _grouped(
        _of_thirty_days(tables["key_audit_logs"], "timestamp", at),
        lambda entry: (day_of(entry["timestamp"]), entry["event_category"], entry["security_level"]),
    ):
        risks = [entry["risk_score"] for entry in entries if entry["risk_score"] is not None]
        yield {
            "row_key": f"security_events/{day}/{category}/{level}",
            "section": "security_events",
            "day": day,
            "event_category": category,
            "security_level": level,
            "event_count": len(entries),
            "average_risk_score": tenths(sum(risks), len(risks)),
            "max_risk_score": max(risks, default=None),
        }


def _of_thirty_days(rows: Iterable[Row], time: str, at: dt.datetime) -> list[Row]:
    return [row for row in rows if 0 <= (day_of(at) - day_of(row[time])).days <= 29]


def _grouped(rows: Iterable[Row], by: Callable[[Row], tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], list[Row]]]:
    def sortable(row: Row) -> tuple[str, ...]:
        return tuple(map(str, by(row)))

    for _, group in groupby(sorted(rows, key=sortable), key=sortable):
        together = list(group)
        yield by(together[0]), together
