"""Rows of each table as instances of the models."""

import datetime as dt
import secrets
from typing import Any

from sqlalchemy.orm import Session

from kms_schema.models import (
    HsmConfiguration,
    KeyAuditLog,
    KeyMaster,
    KeyRotation,
    KeyVersion,
    RotationPolicy,
)
from kms_schema.vocabulary import (
    AuditCategory,
    HsmHealth,
    HsmProvider,
    KeyStatus,
    KeyType,
    RotationTrigger,
)
from support.rows.smallest import envelope, unique

TOKYO = dt.timezone(dt.timedelta(hours=9))
MOMENT = dt.datetime(2026, 3, 1, 8, 59, 59, 123456, tzinfo=TOKYO)


def a_key(**over: Any) -> KeyMaster:
    return KeyMaster(
        **{"key_id": unique("key"), "key_type": KeyType.DEK, "algorithm": "AES-256", "key_size_bits": 256, **over}
    )


def a_version(key: KeyMaster, **over: Any) -> KeyVersion:
    material = {
        "encrypted_key_data": envelope(256),
        "key_checksum": secrets.token_hex(32),
        "encryption_metadata": {"format": 1, "algorithm": "AES-256-GCM", "associated_data": key.key_id},
    }
    wrapper = {} if over.get("wrapped_by") else {"wrapping_key_ref": "kms://root"}
    return KeyVersion(**{"key": key, "version_number": 1, **material, **wrapper, **over})


def a_policy(**over: Any) -> RotationPolicy:
    return RotationPolicy(
        **{"policy_name": unique("policy"), "key_type": KeyType.DEK, "rotation_interval_days": 90, **over}
    )


def an_entry(**over: Any) -> KeyAuditLog:
    return KeyAuditLog(
        **{
            "event_type": "ROTATED",
            "event_category": AuditCategory.LIFECYCLE,
            "event_description": "a key was rotated",
            **over,
        }
    )


def write_everything(session: Session) -> str:
    times = {"created_at": MOMENT, "activated_at": MOMENT}
    kek = a_key(key_type=KeyType.KEK, status=KeyStatus.ACTIVE, **times)
    wrapper = a_version(kek, **times)
    key = a_key(parent=kek, compliance_tags=["PCI-DSS"], status=KeyStatus.ACTIVE, **times)
    old = a_version(key, wrapped_by=wrapper, deactivated_at=MOMENT, entropy_score=99.5, **times)
    new = a_version(key, version_number=2, wrapped_by=wrapper)
    rotation = KeyRotation(
        key=key,
        policy=a_policy(notification_channels=["mail"], rotation_window_start="22:00", rotation_window_end="04:00"),
        trigger=RotationTrigger.SCHEDULED,
        trigger_details={"days": 90},
        old_version=1,
        new=new,
    )
    hsm = HsmConfiguration(
        provider=HsmProvider.THALES_LUNA,
        configuration_name="luna",
        authentication_config=envelope(512),
        health_status=HsmHealth.DEGRADED,
        last_health_check=MOMENT,
        supported_algorithms=["AES-256"],
    )
    entry = an_entry(key=key, additional_metadata={"nested": {"list": [1, None, "ü"]}}, risk_score=10)
    # In an order that no database would take: the session knows what refers to what.
    session.add_all([entry, rotation, new, old, key, wrapper, kek, hsm])
    session.commit()
    return key.key_id
