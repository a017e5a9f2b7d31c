"""The attempts at records of operations: values that do not belong to the operation, and changes of a record."""

from collections.abc import Iterator

from kms_schema.validator.probe.attempt import (
    IMPATIENT,
    UNIQUE_VIOLATION,
    WRITTEN_ONCE,
    Attempt,
    Computed,
    Row,
    adding,
    plain,
)
from kms_schema.validator.probe.shapes import Case, inserted

RECORDS = "key_operation_records"
VALIDATION: Row = {
    "operation": "VALIDATION", "subject": "kms-probe", "errors": 0, "warnings": 0, "infos": 0, "unchecked": 0,
}  # fmt: skip
PUBLICATION: Row = {"operation": "PUBLICATION", "subject": "kms-probe", "seal_number": 1}
_ROW = "subject = 'kms-probe'"
_GUARD = "guard_key_operation_record_insert"


def attempts() -> Iterator[Attempt]:
    """Yield the attempts."""
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
    yield Attempt(rule, RECORDS, tries, adding(RECORDS, again), given, sqlstate=UNIQUE_VIOLATION)
    replaced = adding(RECORDS, again, "REPLACE")
    yield Attempt(rule, RECORDS, "REPLACE displaces a record", replaced, given, engine="sqlite")
    name = f"{{schema}}.{RECORDS}"
    for event, text in (
        ("update", f"UPDATE {name} SET infos = 1 WHERE {_ROW}"),
        ("delete", f"DELETE FROM {name} WHERE {_ROW}"),
    ):
        trigger = f"prevent_key_operation_record_{event}"
        yield Attempt(trigger, RECORDS, f"{event.upper()} of a record", plain(text), given, sqlstate=WRITTEN_ONCE)
    yield Attempt(
        "prevent_key_operation_record_delete_truncate", RECORDS, f"TRUNCATE of {RECORDS}", plain(f"TRUNCATE {name}"),
        IMPATIENT, sqlstate=WRITTEN_ONCE, engine="postgresql",
    )  # fmt: skip
