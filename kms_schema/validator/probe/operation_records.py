"""The attempts at what is kept beside the audit log: records of operations, and the sums of the log."""

from collections.abc import Iterator

from kms_schema.validator.probe.attempt import (
    Attempt,
    Computed,
    Promise,
    Row,
    SqlState,
    adding,
    by_trigger,
    plain,
    truncation,
)
from kms_schema.validator.probe.rows import FIRST, HASH, LAST_PAGE, active_key, entry
from kms_schema.validator.probe.seals import A_SEAL
from kms_schema.validator.probe.shapes import Case, inserted

RECORDS = "key_operation_records"
VALIDATION: Row = {
    "operation": "VALIDATION", "subject": "kms-probe", "errors": 0, "warnings": 0, "infos": 0, "unchecked": 0,
}  # fmt: skip
PUBLICATION: Row = {"operation": "PUBLICATION", "subject": "kms-probe", "seal_number": 1}
_ROW = "subject = 'kms-probe'"
_GUARD = "guard_key_operation_record_insert"


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    yield from _of_records()
    yield from _of_totals()


def _of_records() -> Iterator[Attempt]:
    """Yield the attempts at records: values that do not belong to the operation, and changes of a record."""
    rule = f"ck_{RECORDS}_values_of_operation"
    cases: list[Case] = [
        (rule, "a validation has no number of errors", {"errors": None}),
        (rule, "a validation names a seal", {"seal_number": 1}),
    ]
    yield from inserted(RECORDS, VALIDATION, cases)
    yield from inserted(RECORDS, PUBLICATION, [(rule, "a publication names no seal", {"seal_number": None})])
    chosen: list[Case] = [
        (_GUARD, "a record has another time than the present", {"recorded_at": "2026-01-01T00:00:00.000000Z"}),
        (_GUARD, "a record names another role", {"recorded_by": "kms-probe"}),
    ]
    yield from inserted(RECORDS, VALIDATION, chosen, engine="sqlite")
    same_time = Computed(f"(SELECT max(recorded_at) FROM {{schema}}.{RECORDS} WHERE {_ROW})")
    again, given = {**VALIDATION, "recorded_at": same_time}, (adding(RECORDS, VALIDATION),)
    rule, tries = f"pk_{RECORDS}", "a second record has the same operation, subject and time"
    yield Attempt(rule, RECORDS, tries, adding(RECORDS, again), given, sqlstate=SqlState.UNIQUE)
    replaced = adding(RECORDS, again, "REPLACE")
    yield Attempt(rule, RECORDS, "REPLACE displaces a record", replaced, given, engine="sqlite")
    name = f"{{schema}}.{RECORDS}"
    for event, text in (
        ("update", f"UPDATE {name} SET infos = 1 WHERE {_ROW}"),
        ("delete", f"DELETE FROM {name} WHERE {_ROW}"),
    ):
        trigger = f"prevent_key_operation_record_{event}"
        yield Attempt(
            trigger, RECORDS, f"{event.upper()} of a record", plain(text), given, sqlstate=SqlState.WRITTEN_ONCE
        )
    yield truncation("prevent_key_operation_record_delete_truncate", RECORDS)


TOTALS, CAUSES = "key_audit_daily_totals", "key_rotation_causes"

TOTAL: Row = {
    "day": "0001-02-03",
    "event_category": "POLICY",
    "security_level": "LOW",
    "risk_score": 7,
    "event_count": 1,
}


def cause() -> Row:
    """Return a cause about a key that does not exist."""
    return {"key_id": active_key()["id"], "sequence": 1, "reason": "incident", "occurred_at": FIRST}


def _of_totals() -> Iterator[Attempt | Promise]:
    """Yield the attempts at the sums of the log, and the promise that sealing adds to them."""
    row = cause()
    for table, twice in ((TOTALS, TOTAL), (CAUSES, row)):
        again = adding(table, twice)
        tries = f"{table} has a row twice"
        yield Attempt(f"pk_{table}", table, tries, again, (again,), sqlstate=SqlState.UNIQUE)
    yield _sealed()


def _sealed() -> Promise:
    of = active_key()
    required = entry(key_id=of["id"], event_type="ROTATION_REQUIRED", event_category="COMPLIANCE")
    page_of_it = plain(
        "INSERT INTO {schema}.key_audit_leaves (first_leaf, first_sequence, hashes)"
        f" SELECT coalesce((SELECT first_leaf + length(hashes) / 32 {LAST_PAGE}), 0), sequence, :hashes"
        " FROM {schema}.key_audit_logs WHERE key_id = :key AND event_type = 'ROTATION_REQUIRED'",
        key=of["id"],
        hashes=HASH,
    )
    noticed = plain(
        f"SELECT count(*) = 1 FROM {{schema}}.{CAUSES} WHERE key_id = :key AND reason = 'compliance'", key=of["id"]
    )
    return Promise(
        by_trigger("key_audit_leaves.summarize_sealed_key_audit_logs"),
        "sealing adds the entries to the totals",
        page_of_it,
        noticed,
        (adding("key_masters", of), adding("key_audit_logs", required), *A_SEAL),
    )
