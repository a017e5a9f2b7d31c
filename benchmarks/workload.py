"""The hot queries of an application, each with the indexes that are there for it."""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.data.events import popularity
from tests.engines import Database
from tests.statements import execute

FEW, MANY = 3, 40
"""How often a query is asked with other values each time: those that read much, and those that find a key's."""

HIGH_RISK = "(risk_score >= 70 OR security_level IN ('HIGH', 'CRITICAL'))"
BY_KEY = "SELECT id FROM key_masters WHERE status <> 'pending' AND key_type <> 'kek' ORDER BY {number}, key_id"
NUMBER = {
    "postgresql": "CAST(split_part(key_id, '-', 2) AS integer)",
    "sqlite": "CAST(substr(key_id, 1 + instr(key_id, '-')) AS integer)",
}


class Sampler:
    """Values to ask with: keys as they are used, times of the data."""

    def __init__(self, database: Database, seed: int) -> None:
        """Read what there is to ask for."""
        self.random = Random(f"{seed} queries")
        self.now = dt.datetime.now(dt.UTC)
        with closing(database.connect()) as connection:
            keys = execute(connection, BY_KEY.format(number=NUMBER[database.dialect])).fetchall()
            handles = "SELECT hsm_provider, hsm_key_id FROM key_masters WHERE hsm_provider IS NOT NULL ORDER BY key_id"
            self.handles = execute(connection, handles).fetchall()
            names = execute(connection, "SELECT id, key_id FROM key_masters").fetchall()
        self.keys = [key for (key,) in keys]
        self.names = dict(names)
        self.weights = popularity(len(self.keys))

    def key(self) -> Any:
        """Return the id of a key, of one that is used much as often as it is."""
        return self.random.choices(self.keys, cum_weights=self.weights)[0]

    def ago(self, *days: float) -> dt.datetime:
        """Return a time between so many days ago."""
        return self.now - dt.timedelta(days=self.random.uniform(*days) if len(days) > 1 else days[0])


@dataclass(frozen=True)
class Query:
    """One of the workload; `since` is the revision that has the indexes for it."""

    what: str
    statement: str
    values: Callable[[Sampler], dict[str, Any]]
    indexes: tuple[str, ...]
    """What the plan has to go by: one of them, or several where they are joined by +."""
    since: int = 4
    is_page: bool = False
    """Whether it wants the first rows of many, which an index has to give in order."""
    times: int = MANY
    only_on: str = ""

    def samples(self, sampler: Sampler) -> Sequence[dict[str, Any]]:
        """Return what to ask with."""
        return [self.values(sampler) for _ in range(self.times)]


WORKLOAD = (
    Query(
        "a key by key_id, and its live version",
        "SELECT master.id, version.id, version.encrypted_key_data FROM key_masters AS master"
        " JOIN key_versions AS version ON version.key_id = master.id AND version.activated_at IS NOT NULL"
        " AND version.deactivated_at IS NULL"
        " WHERE master.key_id = :name AND master.status IN ('active', 'rotated')",
        lambda sampler: {"name": sampler.names[sampler.key()]},
        ("uq_key_masters_key_id+uq_key_versions_live",),
    ),
    Query(
        "an old version of a key",
        "SELECT id, encrypted_key_data, wrapped_by_version_id FROM key_versions"
        " WHERE key_id = :key AND version_number = :version",
        lambda sampler: {"key": sampler.key(), "version": sampler.random.randint(1, 10)},
        ("uq_key_versions_key_id_version_number", "idx_key_versions_lifecycle"),
    ),
    Query(
        "when each version of a key lived",
        "SELECT version_number, activated_at, deactivated_at FROM key_versions WHERE key_id = :key"
        " ORDER BY version_number",
        lambda sampler: {"key": sampler.key()},
        ("idx_key_versions_lifecycle", "uq_key_versions_key_id_version_number"),
    ),
    Query(
        "active keys of a type, newest first",
        "SELECT id, key_id, created_at, expires_at FROM key_masters WHERE status = 'active' AND key_type = 'dek'"
        " AND created_at < :before ORDER BY created_at DESC LIMIT 50",
        lambda sampler: {"before": sampler.ago(0, 900)},
        ("idx_key_masters_dashboard_covering", "idx_key_masters_newest"),
        since=5,
        is_page=True,
    ),
    Query(
        "rotations of a key, newest first",
        "SELECT id, status, scheduled_at, completed_at FROM key_rotations WHERE key_id = :key"
        " ORDER BY scheduled_at DESC LIMIT 20",
        lambda sampler: {"key": sampler.key()},
        ("idx_key_rotations_history",),
        since=5,
        is_page=True,
    ),
    Query(
        "the next rotation to claim",
        "SELECT id, key_id FROM key_rotations WHERE status = 'SCHEDULED' AND scheduled_at <= :now"
        " ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED",
        lambda sampler: {"now": sampler.now},
        ("idx_key_rotations_scheduling_covering",),
        since=5,
        times=FEW,
        only_on="postgresql",
        is_page=True,
    ),
    Query(
        "failed rotations of a day",
        "SELECT key_id, failed_at, substr(error_message, 1, 200) FROM key_rotations WHERE status = 'FAILED'"
        " AND failed_at >= :since ORDER BY failed_at DESC",
        lambda sampler: {"since": sampler.ago(1)},
        ("idx_key_rotations_failed_partial",),
        since=5,
        times=FEW,
    ),
    Query(
        "audit of a key, newest first",
        'SELECT id, event_type, event_description, user_id, "timestamp" FROM key_audit_logs'
        ' WHERE key_id = :key AND "timestamp" < :before ORDER BY "timestamp" DESC LIMIT 50',
        lambda sampler: {"key": sampler.key(), "before": sampler.ago(0, 60)},
        ("idx_key_audit_logs_history",),
        is_page=True,
    ),
    Query(
        "audit of a key, by event type",
        'SELECT id, event_description, user_id, "timestamp" FROM key_audit_logs'
        " WHERE key_id = :key AND event_type = 'DECRYPT' AND \"timestamp\" < :before"
        ' ORDER BY "timestamp" DESC LIMIT 50',
        lambda sampler: {"key": sampler.key(), "before": sampler.ago(0, 60)},
        ("idx_key_audit_logs_history",),
        is_page=True,
    ),
    Query(
        "entries of high risk, newest first",
        f'SELECT "timestamp", key_id, event_type, risk_score FROM key_audit_logs WHERE {HIGH_RISK}'
        ' AND "timestamp" < :before ORDER BY "timestamp" DESC LIMIT 50',
        lambda sampler: {"before": sampler.ago(0, 30)},
        ("idx_key_audit_high_risk_partial",),
        since=5,
        times=FEW,
        is_page=True,
    ),
    Query(
        "keys that expire within a week",
        "SELECT key_id, key_type, expires_at FROM key_masters WHERE status = 'active' AND expires_at IS NOT NULL"
        " AND expires_at < :until ORDER BY expires_at",
        lambda sampler: {"until": sampler.ago(-7)},
        ("idx_key_masters_expiring_partial",),
        since=5,
        times=FEW,
    ),
    Query(
        "the key behind a handle of an HSM",
        "SELECT key_id, status FROM key_masters WHERE hsm_provider = :provider AND hsm_key_id = :handle",
        lambda sampler: dict(zip(("provider", "handle"), sampler.random.choice(sampler.handles), strict=True)),
        ("idx_key_masters_hsm_partial",),
        since=5,
        times=FEW,
    ),
    Query(
        "compliance report of a week",
        "SELECT event_type, security_level, count(*) FROM key_audit_logs"
        ' WHERE "timestamp" >= :since AND "timestamp" < :until'
        " AND event_type IN ('APPROVAL', 'EXPORT', 'POLICY_CHANGED') GROUP BY event_type, security_level",
        lambda sampler: {"since": sampler.ago(28), "until": sampler.ago(21)},
        ("idx_key_audit_logs_timestamp",),
        since=5,
        times=FEW,
    ),
)
"""What the plans name may change with a revision: at head, each is to go by what stands here."""
