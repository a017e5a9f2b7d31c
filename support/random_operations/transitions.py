"""Which changes of rows the schema forbids, in plain Python and from its description; states are in `invariants.py`."""

from collections.abc import Iterator
from typing import Any

from kms_schema.vocabulary import KEY_LIFECYCLE, ROTATION_LIFECYCLE, KeyStatus, RotationStatus
from support.random_operations.invariants import is_live
from support.rows.smallest import Row
from support.rows.table_dump import TableDump

FIXED = {
    "key_masters": ("key_id", "key_type", "algorithm", "key_size_bits", "created_at"),
    "key_versions": ("key_id", "version_number", "created_at"),
    "rotation_policies": ("created_at",),
    "key_rotations": ("key_id",),
    "hsm_configurations": ("created_at",),
}
COUNTERS = {"key_masters": ("usage_count",), "key_versions": ("usage_count", "data_volume_bytes")}


def forbidden_changes(before: TableDump, after: TableDump) -> list[str]:
    """Return a sentence for each thing that no single statement may do to the rows of `before`."""
    faults = [*_removals(before, after)]
    for table, rows in before.items():
        kept = {row["id"]: row for row in after[table]}
        for row in rows:
            if row["id"] in kept:
                faults += [f"{table} {row['id']}: {fault}" for fault in _changes(table, row, kept[row["id"]], after)]
    return faults


def _removals(before: TableDump, after: TableDump) -> Iterator[str]:
    keys = {key["id"] for key in after["key_masters"]}
    versions = {version["id"] for version in after["key_versions"]}
    for version in before["key_versions"]:
        if version["id"] not in versions and version["key_id"] in keys:
            yield f"version {version['id']} is gone and its key is not"
    entries = {entry["id"]: entry for entry in after["key_audit_logs"]}
    for entry in before["key_audit_logs"]:
        if entries.get(entry["id"]) != entry:
            yield f"audit entry {entry['sequence']} was changed or removed"
    for table in ("key_rotations", "key_audit_logs", "key_versions"):
        about = {row["key_id"] for row in after[table]} - {None}
        if about - keys:
            yield f"keys went and left rows in {table}"


def _changes(table: str, old: Row, new: Row, after: TableDump) -> Iterator[str]:
    for column in FIXED.get(table, ()):
        if old[column] != new[column]:
            yield f"{column} changed"
    for column in COUNTERS.get(table, ()):
        if new[column] < old[column]:
            yield f"{column} fell"
    match table:
        case "key_masters" if new["status"] != old["status"]:
            if new["status"] not in KEY_LIFECYCLE[KeyStatus(old["status"])]:
                yield f"went from {old['status']} to {new['status']}"
        case "key_versions":
            yield from _version_changes(old, new, after)
        case "key_rotations":
            yield from _rotation_changes(old, new)


def _version_changes(old: Row, new: Row, after: TableDump) -> Iterator[str]:
    def changed(*columns: str) -> bool:
        return any(old[column] != new[column] for column in columns)

    for column in ("activated_at", "destroyed_at", "key_checksum"):
        if old[column] is not None and changed(column):
            yield f"{column} changed after it was set"
    if old["destroyed_at"] is not None and changed("activated_at", "deactivated_at", "encrypted_key_data"):
        yield "a destroyed version came back"
    wrapper = ("wrapped_by_version_id", "wrapping_key_ref")
    if changed("encrypted_key_data"):
        if old["encrypted_key_data"] is None:
            yield "material was added"
        elif new["encrypted_key_data"] is None and new["destroyed_at"] is None:
            yield "material was removed without destruction"
        elif new["encrypted_key_data"] is not None and not changed(*wrapper):
            yield "material changed and its wrapper did not"
    elif changed(*wrapper) and new["encrypted_key_data"] is not None:
        yield "the wrapper changed and the material did not"
    status = next(key["status"] for key in after["key_masters"] if key["id"] == new["key_id"])
    if is_live(new) and not is_live(old) and status in {"revoked", "expired", "archived"}:
        yield f"went live, and its key is {status}"


def _rotation_changes(old: Row, new: Row) -> Iterator[str]:
    def went(before: str, *afters: str) -> bool:
        return old["status"] == before and new["status"] in afters

    if new["status"] != old["status"] and new["status"] not in ROTATION_LIFECYCLE[RotationStatus(old["status"])]:
        yield f"went from {old['status']} to {new['status']}"
    retried: Any = went("FAILED", "SCHEDULED")
    if new["retry_count"] != old["retry_count"] + retried:
        yield f"retry_count went from {old['retry_count']} to {new['retry_count']}"
    if retried and new["failed_at"] != old["failed_at"]:
        yield "a retry lost the time of the last failure"
    if went("RUNNING", "COMPLETED", "FAILED") and new["claimed_by"] != old["claimed_by"]:
        yield "somebody else ended it"
    if went("RUNNING", "RUNNING") and old["claimed_by"] not in {None, new["claimed_by"]}:
        lease = old["lease_expires_at"]
        if lease is None or lease.year > 2100:
            yield "it was taken over before its lease ran out"
