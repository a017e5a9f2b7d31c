"""Each query of an application once, with the indexes that are meant for it, and what it asks for as an example."""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from support.engines.database import Dialect
from support.workload.filling import HOT_KEY, NOW, VERSIONS

BOTH: tuple[Dialect, ...] = ("postgresql", "sqlite")


@dataclass(frozen=True)
class Query:
    """A query, and how it should be answered at any size."""

    text: str | Mapping[Dialect, str]
    indexes: tuple[str, ...]
    """The indexes it reads, in any order, and no other."""
    asking: Mapping[str, Any] = field(default_factory=dict)
    """Values for its `:names`."""
    instead: tuple[str, ...] = ()
    """Indexes that begin with the same columns, and do as well: of equals the planner takes one."""
    covered: tuple[Dialect, ...] = ()
    """Where the index has all that it asks for."""
    sorts: bool = False
    """True if the rows may be sorted, as for a report; a page must not need a sort."""
    engine: Dialect | None = None
    """Where what it asks exists, if not on both."""

    def on(self, dialect: Dialect) -> str:
        """Return the query as the engine wants it written."""
        return self.text if isinstance(self.text, str) else self.text[dialect]


def _page(select: str, time: str) -> dict[Dialect, str]:
    """Return a page of 50 that goes back from a time: what is of one instant is never torn apart.

    PostgreSQL ends the page with the last instant. SQLite has no such clause, but its indexes end with the row's id.
    """
    return {
        "postgresql": f"{select} AND {time} < :before ORDER BY {time} DESC FETCH FIRST 50 ROWS WITH TIES",
        "sqlite": f"{select} AND ({time}, id) < (:before, :id) ORDER BY {time} DESC, id DESC LIMIT 50",
    }


def _id(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


_BEFORE = NOW - dt.timedelta(days=1)
_THIS_KEY = {"key": _id(HOT_KEY)}
_PAGE_OF_KEY = {**_THIS_KEY, "before": _BEFORE, "id": _id(0)}
_RANGE = {"since": NOW - dt.timedelta(days=8), "until": NOW - dt.timedelta(days=1)}

QUERIES: dict[str, Query] = {
    "fetch a key by its name": Query(
        "SELECT * FROM key_masters WHERE key_id = :name AND status IN ('active', 'rotated')",
        ("uq_key_masters_key_id",),
        {"name": f"key-{HOT_KEY}"},
    ),
    "fetch a key and its live version": Query(
        "SELECT master.id, master.key_type, version.* FROM key_masters AS master"
        " JOIN key_versions AS version ON version.key_id = master.id"
        " AND version.activated_at IS NOT NULL AND version.deactivated_at IS NULL WHERE master.key_id = :name",
        ("uq_key_masters_key_id", "uq_key_versions_live"),
        {"name": f"key-{HOT_KEY}"},
    ),
    "decrypt with an old version": Query(
        "SELECT * FROM key_versions WHERE key_id = :key AND version_number = :version",
        ("uq_key_versions_key_id_version_number",),
        {**_THIS_KEY, "version": 3},
        instead=("idx_key_versions_lifecycle",),
    ),
    "the versions of a key, newest first": Query(
        "SELECT version_number, activated_at, deactivated_at FROM key_versions WHERE key_id = :key"
        " ORDER BY version_number DESC",
        ("idx_key_versions_lifecycle",),
        _THIS_KEY,
        covered=BOTH,
    ),
    "count use and bytes": Query(
        "UPDATE key_versions SET usage_count = usage_count + 1, data_volume_bytes = data_volume_bytes + 4096"
        " WHERE id = :version",
        ("pk_key_versions",),
        {"version": _id(777 * 16 + VERSIONS)},
    ),
    "keys of a type and status, newest first, a page": Query(
        "SELECT key_id, created_at FROM key_masters WHERE status = 'active' AND key_type = 'dek'"
        " AND (created_at, key_id) < (:before, :name) ORDER BY created_at DESC, key_id DESC LIMIT 50",
        ("idx_key_masters_newest",),
        {"before": NOW - dt.timedelta(days=400), "name": "key-5000"},
        covered=BOTH,
    ),
    "keys of a status, counted by type": Query(
        "SELECT key_type, count(*), min(created_at), min(expires_at), sum(usage_count) FROM key_masters"
        " WHERE status = 'pending' GROUP BY key_type",
        ("idx_key_masters_dashboard_covering",),
        covered=BOTH,
    ),
    "keys about to expire": Query(
        "SELECT key_id, key_type, expires_at FROM key_masters WHERE status = 'active' AND expires_at < :soon"
        " ORDER BY expires_at",
        ("idx_key_masters_expiring_partial",),
        {"soon": NOW + dt.timedelta(days=7)},
        covered=BOTH,
    ),
    "keys that an HSM holds": Query(
        "SELECT hsm_key_id, status FROM key_masters WHERE hsm_provider = :provider AND hsm_key_id = :handle",
        ("idx_key_masters_hsm_partial",),
        {"provider": "thales_luna", "handle": "slot-150"},
        covered=BOTH,
    ),
    "rotations of a key, newest first, a page": Query(
        _page("SELECT * FROM key_rotations WHERE key_id = :key", "scheduled_at"),
        ("idx_key_rotations_history",),
        _PAGE_OF_KEY,
    ),
    "the next rotation to claim": Query(
        {
            "postgresql": "SELECT id FROM key_rotations WHERE status = 'SCHEDULED' AND scheduled_at <= :now"
            " ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED",
            "sqlite": "SELECT id FROM key_rotations WHERE status = 'SCHEDULED' AND scheduled_at <= :now"
            " ORDER BY scheduled_at LIMIT 1",
        },
        ("idx_key_rotations_scheduling_covering",),
        {"now": NOW},
    ),
    "what is scheduled": Query(
        'SELECT scheduled_at, key_id, "trigger", retry_count FROM key_rotations'
        " WHERE status = 'SCHEDULED' AND scheduled_at <= :now ORDER BY scheduled_at",
        ("idx_key_rotations_scheduling_covering",),
        {"now": NOW},
        covered=BOTH,
    ),
    "the open rotation of a key": Query(
        "SELECT * FROM key_rotations WHERE key_id = :key AND status IN ('SCHEDULED', 'RUNNING')",
        ("uq_key_rotations_open",),
        {"key": _id(111)},
    ),
    "rotations that failed lately": Query(
        "SELECT failed_at, key_id, substr(error_message, 1, 200) FROM key_rotations"
        " WHERE status = 'FAILED' AND failed_at >= :since ORDER BY failed_at DESC LIMIT 100",
        ("idx_key_rotations_failed_partial",),
        {"since": NOW - dt.timedelta(days=61)},
    ),
    "keys whose rotations failed lately": Query(
        "SELECT failed_at, key_id FROM key_rotations WHERE status = 'FAILED' AND failed_at >= :since",
        ("idx_key_rotations_failed_partial",),
        {"since": NOW - dt.timedelta(days=61)},
        covered=BOTH,
    ),
    "entries of a key, newest first, a page": Query(
        _page("SELECT * FROM key_audit_logs WHERE key_id = :key", '"timestamp"'),
        ("idx_key_audit_logs_history",),
        _PAGE_OF_KEY,
    ),
    "entries of a key and type, newest first, a page": Query(
        _page("SELECT * FROM key_audit_logs WHERE key_id = :key AND event_type = 'DECRYPT'", '"timestamp"'),
        ("idx_key_audit_logs_history",),
        _PAGE_OF_KEY,
    ),
    "events of high risk, newest first": Query(
        'SELECT "timestamp", key_id, event_type, risk_score FROM key_audit_logs'
        " WHERE (risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL')) AND \"timestamp\" >= :since"
        ' ORDER BY "timestamp" DESC LIMIT 100',
        ("idx_key_audit_high_risk_partial",),
        {"since": NOW - dt.timedelta(days=1)},
        covered=("postgresql",),
    ),
    "events of a day that the health of keys counts": Query(
        "SELECT key_id, count(*) FROM key_audit_logs WHERE security_level IN ('HIGH', 'CRITICAL')"
        ' AND "timestamp" >= :since AND key_id IS NOT NULL GROUP BY key_id',
        ("idx_key_audit_high_risk_partial",),
        {"since": NOW - dt.timedelta(days=1)},
        sorts=True,
    ),
    "a report on a week": Query(
        'SELECT event_type, count(*) FROM key_audit_logs WHERE "timestamp" >= :since AND "timestamp" < :until'
        " GROUP BY event_type",
        ("idx_key_audit_logs_timestamp",),
        _RANGE,
        sorts=True,
    ),
    "entries of a week and a type": Query(
        'SELECT * FROM key_audit_logs WHERE "timestamp" >= :since AND "timestamp" < :until'
        " AND event_type = 'APPROVAL' ORDER BY \"timestamp\"",
        ("idx_key_audit_logs_timestamp",),
        _RANGE,
        sorts=True,
    ),
    "entries since a number, as sealing reads them": Query(
        "SELECT * FROM key_audit_logs WHERE sequence > :number ORDER BY sequence LIMIT 1000",
        ("uq_key_audit_logs_sequence",),
        {"number": 5000},
    ),
    "whether a version wraps any, before it is destroyed": Query(
        "SELECT id FROM key_versions WHERE wrapped_by_version_id = :wrapper LIMIT 1",
        ("idx_key_versions_wrapped_by_version_id",),
        {"wrapper": _id(16 + VERSIONS - 1)},
    ),
    "what a root key wraps": Query(
        "SELECT id FROM key_versions WHERE wrapping_key_ref = 'kms://root' LIMIT 100",
        ("idx_key_versions_wrapping_key_ref",),
    ),
    "a page of the health of keys": Query(
        "SELECT * FROM key_health_monitor WHERE id > :key ORDER BY id LIMIT 50",
        ("uq_key_health_monitor",),
        _THIS_KEY,
        engine="postgresql",
    ),
    "the keys in the worst health": Query(
        "SELECT * FROM key_health_monitor WHERE health_score < 100 ORDER BY health_score, key_id LIMIT 50",
        ("idx_key_health_monitor_score",),
        engine="postgresql",
    ),
}
"""By what it is for; appending an entry reads no index, and only the primary key of its key."""
