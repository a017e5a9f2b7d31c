"""The attempts at the sums of the audit log, and the promise that sealing adds to them."""

from collections.abc import Iterator

from kms_schema.validator.probe.attempt import UNIQUE_VIOLATION, Attempt, Promise, Row, adding, plain
from kms_schema.validator.probe.rows import FIRST, HASH, LAST_PAGE, active_key, entry
from kms_schema.validator.probe.seals import A_SEAL

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


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    row = cause()
    for table, twice in ((TOTALS, TOTAL), (CAUSES, row)):
        again = adding(table, twice)
        tries = f"{table} has a row twice"
        yield Attempt(f"pk_{table}", table, tries, again, (again,), sqlstate=UNIQUE_VIOLATION)
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
        f"SELECT count(*) = 1 FROM {{schema}}.{CAUSES} WHERE key_id = :key AND reason = 'compliance'",
        key=of["id"],
    )
    protection = "trigger key_audit_leaves.summarize_sealed_key_audit_logs"
    return Promise(
        {"postgresql": (protection,), "sqlite": (protection,)},
        "sealing adds the entries to the totals",
        page_of_it,
        noticed,
        (adding("key_masters", of), adding("key_audit_logs", required), *A_SEAL),
    )
