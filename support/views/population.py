"""Populations of keys at random, with times at and around the limits that the views know."""

import datetime as dt
from functools import partial
from typing import Any

from hypothesis import strategies as st

from kms_schema.vocabulary import (
    AuditCategory,
    AuditSecurityLevel,
    HsmProvider,
    KeySecurityLevel,
    KeyStatus,
    KeyType,
    RotationStatus,
)
from support.views.oracle import Row, Tables
from support.views.view_fixture import NOW, entry, master, policy, rotation, version

MICROSECONDS = st.sampled_from([-1, 0, 0, 1]).map(lambda number: dt.timedelta(microseconds=number))
HOURS = st.sampled_from([0, 0, 1, 23, 24, 25, 48]).map(lambda number: dt.timedelta(hours=number))
DAYS = st.sampled_from([0, 1, 2, 7, 8, 29, 30, 31, 90]).map(lambda number: dt.timedelta(days=number))

TYPES = st.sampled_from([str(KeyType.DEK), str(KeyType.TLS)])
"""Two are enough to tell whose policy is whose."""


def _words(words: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([str(word) for word in words])


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def _times(draw: st.DrawFn, at: dt.datetime, sign: int) -> dt.datetime:
    """Return a time some days and hours before (-1) or after (1) another, off by a microsecond or not."""
    from_midnight = draw(st.booleans())
    start = at.replace(hour=0, minute=0, second=0, microsecond=0) if from_midnight else at
    return start + sign * draw(DAYS) + draw(st.sampled_from([-1, 1])) * draw(HOURS) + draw(MICROSECONDS)


def _policies(_at: dt.datetime) -> st.SearchStrategy[Row]:
    days = _maybe(st.sampled_from([1, 7, 30, 90, 2**31 - 1]))
    return st.builds(
        policy,
        key_type=TYPES,
        rotation_interval_days=days,
        max_key_age_days=days,
        max_operations=_maybe(st.sampled_from([1, 100])),
        max_data_volume_mb=_maybe(st.sampled_from([1, 2])),
        rotate_on_security_incident=st.booleans(),
        rotate_on_compliance_requirement=st.booleans(),
        notify_before_rotation_hours=st.sampled_from([1, 24, 48, 2**31 - 1]),
        is_active=st.sampled_from([True, True, False]),
    )


def _masters(at: dt.datetime) -> st.SearchStrategy[Row]:
    past, ahead = partial(_times, at, -1), partial(_times, at, 1)
    return st.builds(
        master,
        key_type=TYPES,
        status=st.just("active") | _words(KeyStatus),
        created_at=past(),
        activated_at=_maybe(past()),
        rotated_at=_maybe(past()),
        expires_at=_maybe(ahead() | past()),
        usage_count=st.sampled_from([0, 89, 90, 100, 10**12]),
        max_usage_count=_maybe(st.sampled_from([1, 100, 10**12])),
        algorithm=st.sampled_from(["AES-256", "AES-256-GCM"]),
        hsm_provider=_maybe(_words(HsmProvider)),
        security_level=_words(KeySecurityLevel),
    )


@st.composite
def _versions(draw: st.DrawFn, key: Row, at: dt.datetime) -> list[Row]:
    """Return up to three versions of a key, of which the last may be live."""
    number = draw(st.integers(0, 3))
    past = _times(at, -1)
    return [
        version(
            key,
            version_number=n,
            activated_at=draw(past if n < number else _maybe(past)),
            deactivated_at=draw(past if n < number else _maybe(past)),
            usage_count=draw(st.sampled_from([0, 1, 45, 99, 100])),
            data_volume_bytes=draw(st.sampled_from([0, 2**20 - 1, 2**20, 2**21])),
        )
        for n in range(1, number + 1)
    ]


def _rotations(key: Row, at: dt.datetime) -> st.SearchStrategy[Row]:
    past = _times(at, -1)
    return st.builds(
        partial(rotation, key),
        status=st.sampled_from(["FAILED", "COMPLETED"]) | _words(RotationStatus),
        scheduled_at=past | _times(at, 1),
        completed_at=past,
        failed_at=_maybe(past),
        retry_count=st.integers(0, 3),
        next_retry_at=_maybe(past),
        execution_time_ms=_maybe(st.integers(0, 2**40)),
    ).map(lambda row: row if row["status"] == "COMPLETED" else row | {"completed_at": None})


def _entries(key: Row | None, at: dt.datetime) -> st.SearchStrategy[Row]:
    return st.builds(
        partial(entry, key),
        timestamp=_times(at, -1),
        event_type=st.sampled_from(["KEY_USED", "ROTATION_REQUIRED"]),
        event_category=_words(AuditCategory),
        security_level=_words(AuditSecurityLevel),
        risk_score=_maybe(st.integers(0, 100)),
    )


@st.composite
def looks(draw: st.DrawFn) -> tuple[Tables, dt.datetime]:
    """Return a population and a time to look at it: mid-morning, midnight, or the last microsecond of a day."""
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    at = draw(st.sampled_from([NOW, midnight, midnight - dt.timedelta(microseconds=1)]))
    keys = draw(st.lists(_masters(at), min_size=1, max_size=5))
    entries = [draw(st.lists(_entries(key, at), max_size=12 if key is keys[0] else 3)) for key in keys]
    tables = {
        "key_masters": keys,
        "rotation_policies": draw(st.lists(_policies(at), max_size=4)),
        "key_versions": [row for key in keys for row in draw(_versions(key, at))],
        "key_rotations": [row for key in keys for row in draw(st.lists(_rotations(key, at), max_size=3))],
        "key_audit_logs": [row for rows in entries for row in rows] + draw(st.lists(_entries(None, at), max_size=2)),
    }
    return tables, at
