"""Changes of a database that turn claims of reports to "not satisfied", each with the claims that it turns."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.engines.database import Connection
from support.rows.smallest import (
    active_key_master,
    insert,
    key_master,
    key_rotation,
    live_key_version,
)
from support.statements import execute
from tests.reports.populated import not_satisfied, now

Undo = Callable[[], object]


@dataclass(frozen=True)
class Wrong:
    """One change, and the claims that are not satisfied after it."""

    name: str
    claims: set[str]
    change: Callable[[Connection], Undo]


def updated(update: str, back: str) -> Callable[[Connection], Undo]:
    def change(connection: Connection) -> Undo:
        assert execute(connection, f"UPDATE {update}").rowcount == 1
        return lambda: execute(connection, f"UPDATE {back}")

    return change


def expired(connection: Connection) -> Undo:
    ((created,),) = execute(connection, "SELECT created_at FROM key_masters WHERE key_id = 'orders'").fetchall()
    at = dt.datetime.fromisoformat(str(created).replace("Z", "+00:00")) + dt.timedelta(milliseconds=1)
    execute(connection, "UPDATE key_masters SET expires_at = :at WHERE key_id = 'orders'", {"at": at})
    return lambda: execute(connection, "UPDATE key_masters SET expires_at = NULL WHERE key_id = 'orders'")


def used_up(connection: Connection) -> Undo:
    of = "(SELECT id FROM key_masters WHERE key_id = 'orders')"
    execute(connection, f"UPDATE key_versions SET usage_count = usage_count + 5 WHERE key_id = {of}")
    where = "WHERE key_type = 'dek'"
    execute(connection, f"UPDATE rotation_policies SET max_operations = 5 {where}")
    return lambda: execute(connection, f"UPDATE rotation_policies SET max_operations = NULL {where}")


def failed(connection: Connection, *, by_version: bool = False) -> Undo:
    ((key_id,),) = execute(connection, "SELECT id FROM key_masters WHERE key_id = 'invoices'").fetchall()

    def rotate(last: str) -> None:
        rotation = insert(connection, "key_rotations", **key_rotation({"id": key_id}, max_retries=0))
        for change in ("'RUNNING', claimed_by = 'worker', started_at = :at", last):
            statement = f"UPDATE key_rotations SET status = {change} WHERE id = :id"
            execute(connection, statement, {"at": now(), "id": rotation["id"]})

    def replace() -> None:
        execute(connection, f"UPDATE key_versions SET deactivated_at = :at {live}", {"at": now(), "id": key_id})
        insert(connection, "key_versions", **live_key_version(of, version_number=2))

    rotate("'FAILED', failed_at = :at, error_message = 'secret'")
    live = "WHERE key_id = :id AND deactivated_at IS NULL"
    of = {"id": key_id, "key_id": "invoices", "key_size_bits": 256}
    return replace if by_version else lambda: rotate("'COMPLETED', completed_at = :at")


def failed_before_a_version(connection: Connection) -> Undo:
    return failed(connection, by_version=True)


def dropped(connection: Connection) -> Undo:
    if isinstance(connection, sqlite3.Connection):
        query = "SELECT sql FROM sqlite_master WHERE name = 'prevent_key_audit_log_delete'"
    else:
        query = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'prevent_key_audit_log_delete'"
    ((definition,),) = execute(connection, query).fetchall()
    on = "" if isinstance(connection, sqlite3.Connection) else " ON key_audit_logs"
    execute(connection, f"DROP TRIGGER prevent_key_audit_log_delete{on}")

    def undo() -> None:
        execute(connection, definition)
        if not isinstance(connection, sqlite3.Connection):
            execute(connection, "ALTER TABLE key_audit_logs ENABLE ALWAYS TRIGGER prevent_key_audit_log_delete")

    return undo


def replaced(connection: Connection, where: str, change: str, values: dict[str, object]) -> Undo:
    """Change or delete one entry, and put it back as it was."""
    execute(connection, f"CREATE TABLE kept AS SELECT * FROM key_audit_logs WHERE {where}")
    assert execute(connection, change, values).rowcount == 1

    def undo() -> None:
        execute(connection, "DELETE FROM key_audit_logs WHERE sequence IN (SELECT sequence FROM kept)")
        execute(connection, "INSERT INTO key_audit_logs SELECT * FROM kept")
        execute(connection, "DROP TABLE kept")

    return undo


def removed(connection: Connection) -> Undo:
    where = "event_type = 'KEY_REVOKED' AND event_description LIKE '%lost%'"
    return replaced(connection, where, f"DELETE FROM key_audit_logs WHERE {where}", {})


def weak(connection: Connection) -> Undo:
    key = insert(connection, "key_masters", **key_master(algorithm="RSA-1024", key_size_bits=1024))
    change = "UPDATE key_masters SET status = 'revoked', status_reason = 'weak' WHERE id = :id"
    return lambda: execute(connection, change, {"id": key["id"]})


def revoked_without_reason(connection: Connection) -> Undo:
    key = insert(connection, "key_masters", **active_key_master())
    execute(connection, "UPDATE key_masters SET status = 'revoked' WHERE id = :id", {"id": key["id"]})
    change = "UPDATE key_masters SET status_reason = 'leaked' WHERE id = :id"
    return lambda: execute(connection, change, {"id": key["id"]})


def used_after_retirement(connection: Connection) -> Undo:
    change = "UPDATE key_masters SET revoked_at = :at WHERE key_id = 'lost'"
    execute(connection, change, {"at": now() - dt.timedelta(hours=3)})
    return lambda: execute(connection, change, {"at": now()})


def entry_changed(of_type: str, **values: object) -> Callable[[Connection], Undo]:
    """Change the oldest entry of a type."""
    names = ", ".join(f'"{name}" = :{name}' for name in values)
    where = f"sequence = (SELECT min(sequence) FROM key_audit_logs WHERE event_type = '{of_type}')"
    return lambda connection: replaced(
        connection, where, f"UPDATE key_audit_logs SET {names} WHERE {where}", dict(values)
    )


def only_decrypted_after_retirement(connection: Connection) -> Undo:
    used = entry_changed("KEY_USED", additional_metadata='{"encryptions": 0, "decryptions": 5}')(connection)
    revoked = used_after_retirement(connection)
    return lambda: (revoked(), used())


def archived(connection: Connection) -> Undo:
    """Archive a revoked key without a reason: its use after the revocation stays one."""
    change = "UPDATE key_masters SET status = 'archived', archived_at = :at, status_reason = NULL WHERE key_id = 'lost'"
    used = used_after_retirement(connection)
    execute(connection, change, {"at": now()})
    back = "status = 'revoked', archived_at = NULL, status_reason = 'lost'"
    return lambda: (used(), execute(connection, f"UPDATE key_masters SET {back} WHERE key_id = 'lost'"))


ENTRY = "WHERE event_type = 'DENIED'"
UNRECORDED_DESTRUCTION = {"destructions", "recorded", "entries-unchanged"}
OLD = "WHERE key_id = (SELECT id FROM key_masters WHERE key_id = 'old')"

BY_CLIENTS = (
    Wrong("an expired key is active", {"not-expired", "rotated-in-time"}, expired),
    Wrong("a rotation is overdue", {"rotated-in-time"}, used_up),
    Wrong(
        "a type of keys has no policy", {"cryptoperiod"},
        updated(
            "rotation_policies SET is_active = false WHERE key_type = 'hsm'",
            "rotation_policies SET is_active = true WHERE key_type = 'hsm'",
        ),
    ),
    Wrong("a rotation has failed", {"rotations-succeed"}, failed),
    Wrong("a rotation has failed before a new version", {"rotations-succeed"}, failed_before_a_version),
    Wrong("a trigger was dropped", {"no-drift"}, dropped),
    Wrong("a key is weak", {"strength"}, weak),
    Wrong("a key was revoked without a reason", {"revocations"}, revoked_without_reason),
    Wrong(
        "a key of level MAXIMUM is in no HSM", {"custody"},
        updated(
            "key_masters SET security_level = 'MAXIMUM' WHERE key_id = 'orders'",
            "key_masters SET security_level = 'HIGH' WHERE key_id = 'orders'",
        ),
    ),
    Wrong(
        "an HSM is offline", {"hsm-health"},
        updated("hsm_configurations SET health_status = 'OFFLINE'", "hsm_configurations SET health_status = 'HEALTHY'"),
    ),
)  # fmt: skip


BY_OWNER = (
    Wrong("an entry was removed", {"entries-unchanged", "recorded"}, removed),
    Wrong(
        "an entry was changed", {"entries-unchanged"},
        updated(f"key_audit_logs SET user_id = 'x' {ENTRY}", f"key_audit_logs SET user_id = '<b>' {ENTRY}"),
    ),
    Wrong(
        "a wrapper is weak", {"wrapping"},
        updated(
            "key_masters SET key_size_bits = 128 WHERE key_id = 'kek'",
            "key_masters SET key_size_bits = 256 WHERE key_id = 'kek'",
        ),
    ),
    Wrong(
        "a destroyed version has a handle", {"destructions"},
        updated(f"key_versions SET hsm_key_id = 'x' {OLD}", f"key_versions SET hsm_key_id = NULL {OLD}"),
    ),
    Wrong(
        "an entry of a revocation is of another type", {"recorded", "entries-unchanged"},
        entry_changed("KEY_REVOKED", event_type="VERSION_DESTROYED"),
    ),
    Wrong(
        "an entry of a revocation is of another time", {"recorded", "entries-unchanged"},
        entry_changed("KEY_REVOKED", timestamp=now() - dt.timedelta(days=2)),
    ),
    Wrong(
        "an entry of a destruction is about another version", UNRECORDED_DESTRUCTION,
        entry_changed("VERSION_DESTROYED", additional_metadata='{"id": "another"}'),
    ),
    Wrong(
        "an entry of a destruction is of another type", UNRECORDED_DESTRUCTION,
        entry_changed("VERSION_DESTROYED", event_type="KEY_REVOKED"),
    ),
    Wrong(
        "an entry of a destruction is of another time", UNRECORDED_DESTRUCTION,
        entry_changed("VERSION_DESTROYED", timestamp=now() - dt.timedelta(days=2)),
    ),
    Wrong("a revoked key was used", {"retired-not-used"}, used_after_retirement),
    Wrong("a revoked key only decrypted", {"entries-unchanged"}, only_decrypted_after_retirement),
    Wrong("a revoked key was used and archived", {"retired-not-used", "revocations"}, archived),
    Wrong(
        "an entry names no login", {"who", "entries-unchanged"},
        updated(f"key_audit_logs SET recorded_by = '' {ENTRY}", f"key_audit_logs SET recorded_by = 'x' {ENTRY}"),
    ),
)  # fmt: skip


@contextmanager
def undone(wrong: Wrong, connection: Connection) -> Iterator[None]:
    undo = wrong.change(connection)
    try:
        yield
    finally:
        undo()


def check_each(connection: Connection, folder: Path, *wrongs: Wrong) -> None:
    before = not_satisfied(connection, folder)
    for wrong in wrongs:
        with undone(wrong, connection):
            found = not_satisfied(connection, folder)
        assert found - before == wrong.claims, wrong.name
        assert before <= found, wrong.name
