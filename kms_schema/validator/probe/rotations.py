"""The attempts at rotations."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from kms_schema.validator.probe.attempt import (
    Attempt,
    Promise,
    Row,
    SqlState,
    Statement,
    adding,
    by_trigger,
    changing,
    deleting,
    plain,
    truncation,
)
from kms_schema.validator.probe.rows import (
    EARLIEST,
    FIRST,
    SECOND,
    THIRD,
    active_key,
    policy,
    rotation,
    rotation_in,
    version,
)
from kms_schema.validator.probe.shapes import (
    Case,
    displacing,
    identity,
    inserted,
    nulls_replaced,
    of_check,
    of_rule,
    unique,
    updated,
)
from kms_schema.vocabulary import ROTATION_LIFECYCLE, RotationStatus

TABLE = "key_rotations"
LIFECYCLE = "enforce_key_rotation_lifecycle"
TIMES = "ck_key_rotations_times_agree_with_status"
TOUCHED: Row = {"affected_records": 7}


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    of = active_key()
    versions = [version(of, version_number=number) for number in (1, 2)]
    given = (adding("key_masters", of), *(adding("key_versions", each) for each in versions))
    row = rotation(of, old_version=1, new_version=2)
    case = partial(of_check, TABLE)
    values = [
        case("new_version_is_later", "a rotation goes to an earlier version", old_version=2, new_version=1),
        case("retry_count_range", "retry_count is above max_retries", retry_count=4),
        case("retry_count_range", "retry_count is negative", retry_count=-1),
    ]
    yield from inserted(TABLE, row, values, given)
    yield from _times(of, given)
    yield from unique(TABLE, f"pk_{TABLE}", rotation_in("FAILED", of, id=row["id"]), {"id": row["id"]}, given=given)
    yield from unique(TABLE, "uq_key_rotations_open", row, {"key_id": of["id"]}, given=given)
    retried = rotation_in("FAILED", of)
    again: Row = {"status": "SCHEDULED", "started_at": None, "retry_count": 1}
    yield from displacing(TABLE, "uq_key_rotations_open", retried, row, again, given=given)
    yield from nulls_replaced(TABLE, row, "rollback_available", given=given)
    other = active_key()
    stored = (*given, adding("key_masters", other))
    more: Row = {"id": uuid.uuid4(), "key_id": other["id"]}
    yield from identity(TABLE, rotation(of), permitted=TOUCHED, given=stored, **more)
    yield from _lifecycle(of, given)
    yield from _retries(of, given)
    yield from _claims(of, given)
    yield from _references(of, given)
    yield from _promises(of, given)
    yield truncation("prevent_key_rotation_truncate", TABLE, "all rotations are truncated")


def _times(of: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    wrong: dict[str, list[tuple[str, Row]]] = {
        "SCHEDULED": [("has started", {"started_at": FIRST}), ("was completed", {"completed_at": FIRST})],
        "RUNNING": [("has not started", {"started_at": None}), ("was completed", {"completed_at": SECOND})],
        "COMPLETED": [
            ("has not started", {"started_at": None}),
            ("was never completed", {"completed_at": None}),
            ("was completed before it started", {"completed_at": EARLIEST}),
        ],
        "FAILED": [
            ("has not started", {"started_at": None}),
            ("never failed", {"failed_at": None}),
            ("failed before it started", {"failed_at": EARLIEST}),
            ("was completed", {"completed_at": SECOND}),
        ],
    }
    for status, changes in wrong.items():
        row = rotation_in(status, of)
        cases: list[Case] = [(TIMES, f"a rotation that is {status} {how}", change) for how, change in changes]
        yield from inserted(TABLE, row, cases, given)
        protection = f"trigger {TABLE}.{LIFECYCLE}_fill"
        yield from updated(TABLE, row, cases, permitted=TOUCHED, given=given, protection=protection)


def _lifecycle(of: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    for before, allowed in ROTATION_LIFECYCLE.items():
        permitted: Row = {"status": str(allowed[0])} if allowed else TOUCHED
        cases: list[Case] = [
            (LIFECYCLE, f"a rotation goes from {before} to {after}", {"status": str(after)})
            for after in RotationStatus
            if after not in (before, *allowed)
        ]
        yield from updated(TABLE, rotation_in(before, of), cases, permitted=permitted, given=given)


def _retries(of: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    case = partial(of_rule, LIFECYCLE)
    spent = case("a rotation is retried above max_retries", status="SCHEDULED")
    row = rotation_in("FAILED", of, retry_count=3)
    yield from updated(TABLE, row, [spent], permitted={"status": "SCHEDULED", "max_retries": 4}, given=given)
    failed = [
        case("a retry changes the time of the last failure", status="SCHEDULED", failed_at=THIRD),
        case("a retry counts as two", status="SCHEDULED", retry_count=2),
        case("a retry clears started_at and does not count", status="SCHEDULED", started_at=None),
        case("retries are counted without a retry", retry_count=1),
    ]
    yield from updated(TABLE, rotation_in("FAILED", of), failed, permitted={"status": "SCHEDULED"}, given=given)
    again = rotation(of, failed_at=SECOND, retry_count=1)
    forgotten = [
        case("the time of the last failure is cleared", failed_at=None),
        case("retries are taken back", retry_count=0),
    ]
    yield from updated(TABLE, again, forgotten, permitted={"status": "RUNNING"}, given=given)


def _claims(of: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    case = partial(of_rule, LIFECYCLE, claimed_by="another worker")
    running = [
        case("a rotation is claimed before the lease of another claim expires"),
        case("a rotation is completed by another claimant", status="COMPLETED"),
        case("a rotation is failed by another claimant", status="FAILED"),
    ]
    yield from updated(TABLE, rotation_in("RUNNING", of), running, permitted={"status": "COMPLETED"}, given=given)
    forever = rotation_in("RUNNING", of, lease_expires_at=None)
    kept = [case("a rotation with a lease without end is claimed")]
    yield from updated(TABLE, forever, kept, permitted=TOUCHED, given=given)
    for status in ("COMPLETED", "FAILED"):
        ended = [case(f"a rotation that is {status} gets another claimant")]
        yield from updated(TABLE, rotation_in(status, of), ended, permitted=TOUCHED, given=given)


def _references(of: Row, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    row = rotation(of, old_version=1)
    orphans: list[Case] = [("fk_key_rotations_key_id_key_masters", "a rotation of no key", {"key_id": uuid.uuid4()})]
    of_nothing: dict[str, Any] = {"sqlstate": SqlState.FOREIGN_KEY}
    yield from inserted(TABLE, rotation(of), orphans, given, **of_nothing)
    cases: list[Case] = [
        (f"fk_{TABLE}_policy_id_rotation_policies", "a rotation by no policy", {"policy_id": uuid.uuid4()}),
        (f"fk_{TABLE}_key_id_old_version_key_versions", "a rotation from no version", {"old_version": 7}),
        (f"fk_{TABLE}_key_id_new_version_key_versions", "a rotation to no version", {"new_version": 7}),
    ]
    yield from inserted(TABLE, row, cases, given, **of_nothing)
    yield from updated(TABLE, row, cases, permitted={"new_version": 2}, given=given, **of_nothing)


def _promises(of: Row, given: tuple[Statement, ...]) -> Iterator[Promise]:
    fills = by_trigger(f"{TABLE}.{LIFECYCLE}", f"{TABLE}.{LIFECYCLE}_fill")
    for before, after, filled in (
        ("SCHEDULED", "RUNNING", "started_at IS NOT NULL"),
        ("RUNNING", "COMPLETED", "completed_at IS NOT NULL"),
        ("RUNNING", "FAILED", "failed_at IS NOT NULL"),
        ("FAILED", "SCHEDULED", "retry_count = 1 AND started_at IS NULL AND claimed_by IS NULL"),
    ):
        row = rotation_in(before, of)
        question = plain(f"SELECT {filled} FROM {{schema}}.{TABLE} WHERE id = :id", id=row["id"])
        keeps = f"a rotation that goes from {before} to {after}: {filled}"
        yield Promise(fills, keeps, changing(TABLE, row, status=after), question, (*given, adding(TABLE, row)))
    by = policy()
    row = rotation(of, policy_id=by["id"])
    constraint = f"constraint {TABLE}.fk_{TABLE}_policy_id_rotation_policies"
    yield Promise(
        {"postgresql": (constraint,), "sqlite": ("trigger rotation_policies.release_key_rotations", constraint)},
        "a deleted policy leaves its rotations, without it",
        deleting("rotation_policies", by),
        plain(f"SELECT policy_id IS NULL FROM {{schema}}.{TABLE} WHERE id = :id", id=row["id"]),
        (*given, adding("rotation_policies", by), adding(TABLE, row)),
    )
