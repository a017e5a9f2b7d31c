"""A database of which each claim of a report holds, or is for review; and what is wrong with one of them."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from kms_schema.reports import STANDARDS, Written, write_report, writing
from kms_schema.reports.claims import CLAIMS
from kms_schema.reports.standards import Control, Standard
from support.engines.database import Connection
from support.rows.smallest import (
    active_key_master,
    audit_entry,
    hsm_configuration,
    hsm_key_master,
    insert,
    key_rotation,
    live_key_version,
    rotation_policy,
)
from support.statements import execute
from tests.audit.trails import KEY, seal_all

TRUST = f"{KEY.verifier}\n"
HOSTILE = "<script>alert('x')</script> & \u202e\x1b[31m"


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def period() -> str:
    """Return the last days and tomorrow: a test may begin before midnight, and entries be two days old."""
    days = (now() + dt.timedelta(days=each) for each in (-3, 1))
    return "..".join(f"{day:%Y-%m-%d}" for day in days)


def populate(connection: Connection) -> None:
    """Write keys, an HSM, a policy, a rotation and what was recorded of them, and seal it."""
    for key_type in ("kek", "dek", "hsm"):
        insert(connection, "rotation_policies", **rotation_policy(policy_name=f"each-{key_type}", key_type=key_type))
    insert(
        connection, "hsm_configurations",
        **hsm_configuration(configuration_name="vault", health_status="HEALTHY", last_health_check=now()),
    )  # fmt: skip
    kek = insert(connection, "key_masters", **active_key_master(key_id="kek", key_type="kek"))
    wrapper = insert(connection, "key_versions", **live_key_version(kek))
    for name in ("orders", "invoices", "lost", "old"):
        key = insert(connection, "key_masters", **active_key_master(key_id=name))
        insert(connection, "key_versions", **live_key_version(key, wrapped_by_version_id=wrapper["id"]))
    at = now()
    held = hsm_key_master(key_id="held", security_level="MAXIMUM", status="active", created_at=at, activated_at=at)
    insert(connection, "key_masters", **held)
    insert(connection, "key_versions", **live_key_version(held))
    execute(connection, "UPDATE key_masters SET status = 'revoked', status_reason = 'lost' WHERE key_id = 'lost'")
    ((lost,),) = execute(connection, "SELECT id FROM key_masters WHERE key_id = 'lost'").fetchall()
    for key_id in (lost, held["id"]):  # a process writes its use up to an hour later
        details = {"version": 1, "encryptions": 7, "decryptions": 3, "bytes": 10}
        used = audit_entry(key_id=key_id, event_type="KEY_USED", additional_metadata=details)
        insert(connection, "key_audit_logs", **used)
    _destroy(connection, "old")
    rotation = insert(connection, "key_rotations", **key_rotation(held))
    for status, more in (("RUNNING", "claimed_by = 'worker', started_at = :at"), ("COMPLETED", "completed_at = :at")):
        change = f"UPDATE key_rotations SET status = '{status}', {more} WHERE id = :id"  # noqa: S608
        execute(connection, change, {"at": now(), "id": rotation["id"]})
    risky = audit_entry(event_category="SECURITY", event_type="DENIED", security_level="HIGH", risk_score=80)
    insert(
        connection, "key_audit_logs", **{**risky, "event_description": HOSTILE.replace("\x1b", ""), "user_id": "<b>"}
    )
    seal_all(connection)


def _destroy(connection: Connection, name: str) -> None:
    for change in ("deactivated_at = :at", "destroyed_at = :at, encrypted_key_data = NULL"):
        execute(
            connection,
            f"UPDATE key_versions SET {change}"  # noqa: S608
            " WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :name)",
            {"at": now(), "name": name},
        )


ALL = Standard("all", "All claims", (Control("1", "Everything.", tuple(CLAIMS), ""),))
"""A standard with every claim."""


def write(connection: Connection, folder: Path, standard: str = "all", **options: Any) -> Written:
    options = {"record": False, "style": "json", "period": period(), "replace": True, **options}
    path = folder / f"report.{options['style']}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "STANDARDS", {**STANDARDS, "all": ALL})
        return write_report(connection, standard, options.pop("period"), path, **options)


def not_satisfied(connection: Connection, folder: Path, **options: Any) -> set[str]:
    """Return the names of the claims that are not satisfied."""
    document = write(connection, folder, **options).document
    return {each["name"] for each in document["claims"] if each["state"] == "not satisfied"}
