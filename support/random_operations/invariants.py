"""Which states the schema forbids, in plain Python and from its description: none of it comes from the SQL."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from kms_schema.vocabulary import (
    KEY_LIFECYCLE,
    KEY_STATUS_TIME,
    AuditCategory,
    AuditSecurityLevel,
    HsmHealth,
    HsmProvider,
    KeySecurityLevel,
    KeyStatus,
    KeyType,
    RotationStatus,
    RotationTrigger,
)
from support.rows.smallest import Row
from support.rows.table_dump import TableDump

OPEN = ("SCHEDULED", "RUNNING")
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
SHA256 = re.compile(r"[0-9a-f]{64}")


def forbidden_states(dump: TableDump) -> list[str]:
    """Return a sentence for each thing in `contents` that must not be; an empty list is what tests want."""
    checks = (_masters, _versions, _wrapping, _policies, _rotations, _hsm_configurations, _audit_entries)
    return [fault for check in checks for fault in check(dump)]


def is_live(version: Row) -> bool:
    """Return True if a version is the live one of its key."""
    return version["activated_at"] is not None and version["deactivated_at"] is None


def _masters(dump: TableDump) -> Iterator[str]:
    masters = dump["key_masters"]
    by_key_id = {master["key_id"]: master for master in masters}
    yield from _repeated(masters, "id")
    yield from _repeated(masters, "key_id")
    for master in masters:
        name = f"key {master['key_id']}"
        yield from _unknown(name, master, key_type=KeyType, status=KeyStatus, security_level=KeySecurityLevel)
        yield from _unknown(name, master, hsm_provider=HsmProvider)
        yield from _blank(name, master, key_id=64, algorithm=50, hsm_key_id=255, derivation_path=255)
        yield from _below(1, name, master, "key_size_bits", "max_usage_count")
        yield from _below(0, name, master, "usage_count")
        yield from _status_times(name, master)
        if master["expires_at"] is not None and master["expires_at"] <= master["created_at"]:
            yield f"{name} expires before it is created"
        if (master["hsm_provider"] is None) != (master["hsm_key_id"] is None):
            yield f"{name} has half an HSM handle"
        if master["key_type"] == "hsm" and master["hsm_provider"] is None:
            yield f"{name} is of type hsm and not held by one"
        if master["parent_key_id"] is not None:
            parent = by_key_id.get(master["parent_key_id"])
            if parent is None or parent["key_type"] not in ("kek", "hsm"):
                yield f"{name} has a parent that is missing or can wrap nothing"
            if _is_in_circle(master["key_id"], lambda key_id: by_key_id.get(key_id, {}).get("parent_key_id")):
                yield f"{name} is in a circle of parents"


def _status_times(name: str, master: Row) -> Iterator[str]:
    status = KeyStatus(master["status"])
    if status in KEY_STATUS_TIME and master[KEY_STATUS_TIME[status]] is None:
        yield f"{name} is {status} without its time"
    for later, time in KEY_STATUS_TIME.items():
        if later == status or master[time] is None or (status, later) == (KeyStatus.ACTIVE, KeyStatus.ROTATED):
            continue
        if status not in _reachable_from(later):
            yield f"{name} is {status} and has {time}, of a status that it cannot have seen"


def _reachable_from(status: KeyStatus) -> set[KeyStatus]:
    return {reached for after in KEY_LIFECYCLE[status] for reached in (after, *_reachable_from(after))}


def _versions(dump: TableDump) -> Iterator[str]:
    versions = dump["key_versions"]
    masters = {master["id"]: master for master in dump["key_masters"]}
    yield from _repeated(versions, "id")
    yield from _repeated(versions, "key_id", "version_number")
    yield from _repeated([version for version in versions if is_live(version)], "key_id", what="live versions")
    for version in versions:
        master = masters.get(version["key_id"])
        name = f"version {version['version_number']} of {master and master['key_id']}"
        yield from _below(1, name, version, "version_number")
        yield from _below(0, name, version, "usage_count", "data_volume_bytes", "generation_time_ms", "entropy_score")
        if version["entropy_score"] is not None and version["entropy_score"] > 100:
            yield f"{name} has more than all the entropy"
        if version["key_checksum"] is not None and not SHA256.fullmatch(version["key_checksum"]):
            yield f"{name} has a checksum that is none"
        if master is None:
            yield f"{name} has no key"
            continue
        if is_live(version) and master["status"] == "revoked":
            yield f"{name} is live, and its key is revoked"
        yield from _chronology(name, version)
        yield from _material(name, version, master)


def _chronology(name: str, version: Row) -> Iterator[str]:
    order = ("created_at", "activated_at", "deactivated_at", "destroyed_at")
    times = [version[time] for time in order if version[time] is not None]
    if times != sorted(times):
        yield f"{name} has times that run backwards"
    if version["deactivated_at"] is not None and version["activated_at"] is None:
        yield f"{name} was deactivated and never activated"
    if version["destroyed_at"] is not None and is_live(version):
        yield f"{name} is live and destroyed"


def _material(name: str, version: Row, master: Row) -> Iterator[str]:
    blob = version["encrypted_key_data"]
    destroyed = version["destroyed_at"] is not None
    places = [blob is not None, destroyed, version["hsm_key_id"] is not None]
    if version["hsm_key_id"] is not None and master["hsm_key_id"] is None:
        yield f"{name} has an HSM handle, and its key has none"
    if sum(places) != 1:
        yield f"{name} has its material in {sum(places)} places"
    wrappers = [version["wrapped_by_version_id"], version["wrapping_key_ref"]].count(None)
    if blob is not None:
        if wrappers != 1:
            yield f"{name} is wrapped by none or by two"
        size = (master["key_size_bits"] + 7) // 8
        lengths = {1: 1 + 12 + size + 16, 2: 1 + 8 + (size + 7) // 8 * 8}
        if len(blob) != lengths.get(blob[0] if blob else 0):
            yield f"{name} has material that may be plaintext"
        if version["key_checksum"] is None:
            yield f"{name} has material without a checksum"
        if not {"format", "algorithm", "associated_data"} <= (version["encryption_metadata"] or {}).keys():
            yield f"{name} does not say how its material is encrypted"
    elif not destroyed and wrappers != 2:
        yield f"{name} has nothing to wrap, and a wrapper"


def _wrapping(dump: TableDump) -> Iterator[str]:
    """A key that cannot be unwrapped is lost, whatever the state of its row."""
    versions = {version["id"]: version for version in dump["key_versions"]}
    types = {master["id"]: master["key_type"] for master in dump["key_masters"]}
    for version in versions.values():
        if version["wrapped_by_version_id"] is None:
            continue
        name = f"version {version['id']}"
        wrapper = versions.get(version["wrapped_by_version_id"])
        if wrapper is None:
            yield f"{name} is wrapped by a version that is gone"
            continue
        if types.get(wrapper["key_id"]) != "kek" or wrapper["key_id"] == version["key_id"]:
            yield f"{name} is wrapped by a version that may not wrap it"
        # An HSM-held KEK has no blob and wraps all the same, as long as it is not destroyed.
        if version["encrypted_key_data"] is not None and wrapper["destroyed_at"] is not None:
            yield f"{name} is lost: its wrapper is destroyed"
        if _is_in_circle(version["id"], lambda id_: versions.get(id_, {}).get("wrapped_by_version_id")):
            yield f"{name} is lost: it is in a circle of wrappers"


def _policies(dump: TableDump) -> Iterator[str]:
    policies = dump["rotation_policies"]
    yield from _repeated(policies, "id")
    yield from _repeated(policies, "policy_name")
    triggers = ("rotation_interval_days", "max_key_age_days", "max_operations", "max_data_volume_mb")
    for policy in policies:
        name = f"policy {policy['policy_name']}"
        yield from _unknown(name, policy, key_type=KeyType)
        yield from _blank(name, policy, policy_name=100, timezone=64)
        yield from _below(1, name, policy, *triggers, "notify_before_rotation_hours")
        if not policy["rotate_on_compliance_requirement"] and all(policy[trigger] is None for trigger in triggers):
            yield f"{name} makes nothing due"
        window = [policy["rotation_window_start"], policy["rotation_window_end"]]
        if window.count(None) == 1 or not all(time is None or CLOCK.fullmatch(time) for time in window):
            yield f"{name} has a window that never opens or never closes: {window}"


def _rotations(dump: TableDump) -> Iterator[str]:
    rotations = dump["key_rotations"]
    policies = {policy["id"] for policy in dump["rotation_policies"]}
    masters = {master["id"] for master in dump["key_masters"]}
    versions = {(version["key_id"], version["version_number"]) for version in dump["key_versions"]}
    yield from _repeated(rotations, "id")
    yield from _repeated([row for row in rotations if row["status"] in OPEN], "key_id", what="open rotations")
    for rotation in rotations:
        name = f"rotation {rotation['id']}"
        yield from _unknown(name, rotation, status=RotationStatus, trigger=RotationTrigger)
        yield from _blank(name, rotation, claimed_by=100)
        yield from _below(0, name, rotation, "retry_count", "execution_time_ms", "affected_records")
        if rotation["key_id"] not in masters or rotation["policy_id"] not in {None, *policies}:
            yield f"{name} is of a key or policy that is gone"
        old, new = rotation["old_version"], rotation["new_version"]
        if not {(rotation["key_id"], number) for number in (old, new) if number is not None} <= versions:
            yield f"{name} is between versions that its key does not have"
        if old is not None and new is not None and new <= old:
            yield f"{name} goes back, from {old} to {new}"
        if rotation["retry_count"] > rotation["max_retries"]:
            yield f"{name} was retried too often"
        yield from _rotation_times(name, rotation)


def _rotation_times(name: str, rotation: Row) -> Iterator[str]:
    started, completed, failed = (rotation[time] is not None for time in ("started_at", "completed_at", "failed_at"))
    agree = {
        "SCHEDULED": not started and not completed,
        "RUNNING": started and not completed,
        "COMPLETED": started and completed,
        "FAILED": started and failed and not completed,
    }
    if not agree[rotation["status"]]:
        yield f"{name} is {rotation['status']}, and its times say otherwise"
    if started and completed and rotation["completed_at"] < rotation["started_at"]:
        yield f"{name} was completed before it started"


def _hsm_configurations(dump: TableDump) -> Iterator[str]:
    configurations = dump["hsm_configurations"]
    yield from _repeated(configurations, "id")
    yield from _repeated(configurations, "configuration_name")
    for row in configurations:
        name = f"HSM {row['configuration_name']}"
        yield from _unknown(name, row, provider=HsmProvider, health_status=HsmHealth)
        yield from _blank(name, row, configuration_name=100, endpoint_url=255)
        secret = row["authentication_config"]
        if secret is not None and (secret[:1] != b"\x01" or len(secret) <= 1 + 12 + 16):
            yield f"{name} has credentials that may be plaintext"


def _audit_entries(dump: TableDump) -> Iterator[str]:
    entries = dump["key_audit_logs"]
    masters = {master["id"] for master in dump["key_masters"]}
    yield from _repeated(entries, "id")
    yield from _repeated(entries, "sequence")
    for entry in entries:
        name = f"entry {entry['sequence']}"
        yield from _unknown(name, entry, event_category=AuditCategory, security_level=AuditSecurityLevel)
        yield from _blank(name, entry, event_type=50)
        yield from _below(1, name, entry, "sequence", "retention_period_days")
        yield from _below(0, name, entry, "risk_score", "duration_ms")
        if (entry["risk_score"] or 0) > 100 or entry["retention_period_days"] > 36500:
            yield f"{name} has a risk or a retention out of range"
        if entry["key_id"] not in {None, *masters}:
            yield f"{name} is about a key that is gone"


def _repeated(rows: list[Row], *columns: str, what: str = "rows") -> Iterator[str]:
    for values, times in Counter(tuple(row[column] for column in columns) for row in rows).items():
        if times > 1:
            yield f"{times} {what} with {dict(zip(columns, values, strict=True))}"


def _unknown(name: str, row: Row, **vocabularies: Any) -> Iterator[str]:
    for column, words in vocabularies.items():
        if row[column] is not None and row[column] not in set(words):
            yield f"{name} has an unknown {column}: {row[column]!r}"


def _blank(name: str, row: Row, **lengths: int) -> Iterator[str]:
    for column, length in lengths.items():
        if row[column] is not None and not (row[column].strip() and len(row[column]) <= length):
            yield f"{name} has a {column} that is blank or too long"


def _below(least: int, name: str, row: Row, *columns: str) -> Iterator[str]:
    for column in columns:
        if row[column] is not None and row[column] < least:
            yield f"{name} has {column} {row[column]}"


def _is_in_circle(start: Any, following: Callable[[Any], Any]) -> bool:
    seen = set()
    link = following(start)
    while link is not None and link not in seen:
        if link == start:
            return True
        seen.add(link)
        link = following(link)
    return False
