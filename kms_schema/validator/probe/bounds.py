"""The attempts at the bounds of texts and documents: one too long, too deep, or with a number that prints too long."""

from collections.abc import Iterator
from typing import Any

from kms_schema.validator.probe.attempt import Attempt, Row, Statement, adding
from kms_schema.validator.probe.rows import EARLIEST, active_key, entry, hsm, key, policy, rotation, version
from kms_schema.validator.probe.shapes import SINGULAR, Case, inserted, updated

ENTRIES = "guard_key_audit_log_insert_values"
LARGE_NUMBER = '{"n": 1e401}'


def attempts() -> Iterator[Attempt]:
    """Yield the attempts."""
    cases: list[Case] = [
        (ENTRIES, "an entry has a description of 33000 bytes", {"event_description": "x" * 33_000}),
        (ENTRIES, "the tags of an entry are nested in 33 levels", {"compliance_tags": _nested(33)}),
        (
            ENTRIES,
            "the metadata of an entry has a number that no double can hold",
            {"additional_metadata": LARGE_NUMBER},
        ),
        (ENTRIES, "the metadata of an entry has 66000 bytes", {"additional_metadata": {"text": "x" * 66_000}}),
    ]
    yield from inserted("key_audit_logs", entry(), cases)
    name = "ck_key_audit_logs_event_type_is_name"
    look_alikes: list[Case] = [
        (name, f"the type of an entry is {kind!a}", {"event_type": kind})
        for kind in ("KEY_REVOKED\v", "KEY_REVOKED\f", " ")
    ]
    yield from inserted("key_audit_logs", entry(), look_alikes)
    yield from inserted("key_audit_logs", entry(), look_alikes, checks_ignored=True, engine="sqlite")
    of = active_key()
    given = (adding("key_masters", of),)
    yield from _of_row("key_masters", key(), {"status_reason": "x" * 5_000}, {"max_usage_count": 7})
    yield from _of_row("key_masters", key(), {"compliance_tags": _nested(17)}, {"max_usage_count": 7})
    yield from _of_row("key_masters", key(), {"hsm_metadata": LARGE_NUMBER}, {"max_usage_count": 7})
    columns: Row = {"encrypted_columns": [{"table": "x" * 9_000, "column": "c"}]}
    yield from _of_row("key_masters", key(), columns, {"max_usage_count": 7})
    metadata: Row = {"encryption_metadata": {"text": "x" * 66_000}}
    yield from _of_row("key_versions", version(of), metadata, {"generation_time_ms": 7}, given)
    channels: Row = {"notification_channels": _nested(17)}
    yield from _of_row("rotation_policies", policy(), channels, {"max_operations": 7})
    details: Row = {"trigger_details": LARGE_NUMBER}
    yield from _of_row("key_rotations", rotation(of), details, {"max_retries": 7}, given)
    algorithms: Row = {"supported_algorithms": ["x" * 5_000]}
    yield from _of_row("hsm_configurations", hsm(), algorithms, {"last_health_check": EARLIEST})


def _of_row(table: str, row: Row, change: Row, permitted: Row, given: tuple[Statement, ...] = ()) -> Iterator[Attempt]:
    (column,) = change
    case: Case = (f"guard_{SINGULAR[table]}_bounds", f"{column} of {table} is out of bounds", change)
    yield from inserted(table, row, [case], given)
    yield from updated(table, row, [case], permitted=permitted, given=given)


def _nested(levels: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(levels - 1):
        inner = [inner]
    return inner
