"""The attempts at tombstones and on the policies of retention.

No probe may have a tombstone by right: nothing of its own is past its period. On PostgreSQL the owner can restore one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kms_schema.validator.probe.attempt import (
    Attempt,
    Computed,
    Promise,
    Row,
    SqlState,
    Statement,
    adding,
    plain,
    truncation,
)
from kms_schema.validator.probe.audit_log import RESTORING
from kms_schema.validator.probe.recorded import LAST_ENTRIES, recorded
from kms_schema.validator.probe.rows import FAR_SEQUENCE, HASH
from kms_schema.validator.probe.seals import A_WHOLE_SEAL, LAST_NUMBER, LAST_SIZE
from kms_schema.validator.probe.shapes import Case, inserted
from kms_schema.vocabulary import RecordedEvent

TOMBSTONES, POLICIES = "key_audit_tombstones", "key_audit_retention_policies"
INSERT_TRIGGER = "guard_key_audit_tombstone_insert"

TOMBSTONE: Row = {
    "seal_number": LAST_NUMBER,
    "leaf_count": LAST_SIZE,
    "last_sequence": FAR_SEQUENCE,
    "archive_sha256": HASH,
}
EMPTIED = plain(f"DELETE FROM {{schema}}.{POLICIES}")
POLICY: Row = {"event_category": "SECURITY", "retention_period_days": 365}
_A_POLICY = (EMPTIED, adding(POLICIES, POLICY))


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    yield from _buried()
    yield from _restored()
    yield from _policies()


def _buried() -> Iterator[Attempt]:
    for tries, change in (
        ("a tombstone is for entries that are to be kept", {}),
        ("a tombstone is for an older seal", {"seal_number": Computed(f"{LAST_NUMBER.text} - 1")}),
        ("a tombstone ends amid the leaves", {"leaf_count": Computed(f"{LAST_SIZE.text} + 1")}),
    ):
        yield Attempt(INSERT_TRIGGER, TOMBSTONES, tries, adding(TOMBSTONES, {**TOMBSTONE, **change}), A_WHOLE_SEAL)
    yield truncation("prevent_key_audit_tombstone_delete_truncate", TOMBSTONES, "TRUNCATE of tombstones")


def _restored() -> Iterator[Attempt]:
    owner: dict[str, Any] = {"engine": "postgresql", "by": "owner"}
    restoring = (*A_WHOLE_SEAL, RESTORING)
    cases: list[Case] = [
        (f"ck_{TOMBSTONES}_leaf_count_positive", "a tombstone is for no leaf", {"leaf_count": 0}),
        (f"ck_{TOMBSTONES}_last_sequence_positive", "a tombstone is for no sequence", {"last_sequence": 0}),
        (f"ck_{TOMBSTONES}_archive_sha256_is_sha256", "a hash is a byte short", {"archive_sha256": HASH[1:]}),
    ]
    yield from inserted(TOMBSTONES, TOMBSTONE, cases, restoring, **owner)
    orphans: list[Case] = [
        (f"fk_{TOMBSTONES}_seal_number_key_audit_seals", "a tombstone is of no seal", {"seal_number": FAR_SEQUENCE})
    ]
    yield from inserted(TOMBSTONES, TOMBSTONE, orphans, restoring, sqlstate=SqlState.FOREIGN_KEY, **owner)
    there = (*restoring, adding(TOMBSTONES, TOMBSTONE))
    twice = adding(TOMBSTONES, {**TOMBSTONE, "last_sequence": FAR_SEQUENCE + 1})
    yield Attempt(
        f"pk_{TOMBSTONES}", TOMBSTONES, "a seal has two tombstones", twice, there, sqlstate=SqlState.UNIQUE, **owner
    )
    earlier = {**TOMBSTONE, "seal_number": Computed(f"{LAST_NUMBER.text} - 1")}
    of_one_end = f"uq_{TOMBSTONES}_last_sequence"
    tries = "two tombstones have the same last sequence"
    yield Attempt(of_one_end, TOMBSTONES, tries, adding(TOMBSTONES, earlier), there, sqlstate=SqlState.UNIQUE, **owner)
    row = f"last_sequence = {FAR_SEQUENCE}"
    for rule, tries, text in (
        ("update", "UPDATE of a tombstone", f"UPDATE {{schema}}.{TOMBSTONES} SET leaf_count = 1 WHERE {row}"),
        ("delete", "DELETE of a tombstone", f"DELETE FROM {{schema}}.{TOMBSTONES} WHERE {row}"),
    ):
        name = f"prevent_key_audit_tombstone_{rule}"
        yield Attempt(name, TOMBSTONES, tries, plain(text), there, sqlstate=SqlState.WRITTEN_ONCE, **owner)


def _policies() -> Iterator[Attempt | Promise]:
    again = adding(POLICIES, {**POLICY, "retention_period_days": 1})
    rule = f"pk_{POLICIES}"
    yield Attempt(rule, POLICIES, "a category has two policies", again, _A_POLICY, sqlstate=SqlState.UNIQUE)
    replaced = adding(POLICIES, {**POLICY, "retention_period_days": 1}, "REPLACE")
    yield Attempt(rule, POLICIES, "REPLACE displaces a policy", replaced, _A_POLICY, engine="sqlite")
    other = adding(POLICIES, {**POLICY, "event_category": "POLICY"})
    displacing = plain(
        f"UPDATE OR REPLACE {{schema}}.{POLICIES} SET event_category = 'SECURITY' WHERE event_category = 'POLICY'"
    )
    tries = "UPDATE OR REPLACE displaces a policy"
    yield Attempt(
        rule, POLICIES, tries, displacing, (*_A_POLICY, other),
        protection=f"trigger {POLICIES}.guard_key_audit_retention_policy_update", only_protected=True, engine="sqlite",
    )  # fmt: skip
    tries = f"TRUNCATE of {POLICIES} removes rows without an entry"
    yield truncation("prevent_key_audit_retention_policy_truncate", POLICIES, tries)
    yield from _promises()


def _promises() -> Iterator[Promise]:
    where = "WHERE event_category = 'SECURITY'"
    changed = plain(f"UPDATE {{schema}}.{POLICIES} SET retention_period_days = 366 {where}")
    removed = plain(f"DELETE FROM {{schema}}.{POLICIES} {where}")
    done: dict[str, tuple[RecordedEvent, Statement, tuple[Statement, ...]]] = {
        "insert": (RecordedEvent.RETENTION_POLICY_CREATED, adding(POLICIES, POLICY), (EMPTIED,)),
        "update": (RecordedEvent.RETENTION_POLICY_CHANGED, changed, _A_POLICY),
        "delete": (RecordedEvent.RETENTION_POLICY_DELETED, removed, _A_POLICY),
    }
    for verb, (event, statement, given) in done.items():
        promise = recorded(f"{POLICIES}.audit_key_audit_retention_policy_{verb}", event, "SECURITY", statement, given)
        yield replace(promise, question=_is_newest(event))


def _is_newest(event: RecordedEvent) -> Statement:
    """Return the question if the newest entry about the policy is of `event`: earlier ones may be, too."""
    return plain(
        "SELECT coalesce((SELECT event_type = :event FROM (SELECT sequence, event_type, event_description"
        f" FROM {{schema}}.key_audit_logs ORDER BY sequence DESC LIMIT {LAST_ENTRIES}) AS latest"
        " WHERE event_type LIKE 'RETENTION_POLICY_%' AND event_description LIKE 'retention policy %: SECURITY'"
        " ORDER BY sequence DESC LIMIT 1), 1 = 0)",
        event=str(event),
    )
