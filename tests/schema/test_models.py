"""The models as an application uses them: what goes in comes out, and a refusal is an `IntegrityError`."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from kms_schema.models import (
    HsmConfiguration,
    KeyAuditLog,
    KeyMaster,
    KeyRotation,
    KeyVersion,
    RotationPolicy,
    current_time,
)
from kms_schema.vocabulary import (
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
from support.engines import Engines
from support.rows.model_rows import MOMENT, a_key, a_policy, a_version, an_entry, write_everything
from support.rows.smallest import now

pytestmark = pytest.mark.versions("oldest and newest")


@pytest.fixture
def written(sessions: sessionmaker[Session]) -> str:
    """The `key_id` of a key that has everything a key can have, committed."""
    with sessions() as session:
        return write_everything(session)


@pytest.fixture(scope="module")
def common(engines: Engines, engine_name: str) -> Iterator[tuple[sessionmaker[Session], str]]:
    """Sessions on a database for tests that roll back, and the `key_id` of a key in it that has everything."""
    made = engines[engine_name].create(engines.migrated(engine_name, "template"))
    engine = made.engine()
    with sessionmaker(engine)() as session:
        name = write_everything(session)
    yield sessionmaker(engine), name
    engine.dispose()
    engines[engine_name].drop(made)


def test_the_clock_of_the_database_can_set_an_activation(session: Session) -> None:
    version = a_version(a_key(), activated_at=current_time())
    session.add(version)
    session.commit()
    assert version.is_live
    assert version.activated_at == version.created_at


def test_values_are_read_back_with_their_types(session: Session, written: str) -> None:
    key = session.scalars(sa.select(KeyMaster).filter_by(key_id=written)).one()
    assert (key.key_type, key.status, key.security_level) == (KeyType.DEK, KeyStatus.ACTIVE, KeySecurityLevel.HIGH)
    assert (type(key.key_type), type(key.id)) == (KeyType, uuid.UUID)
    assert key.activated_at is not None
    assert (key.activated_at, key.activated_at.tzinfo) == (MOMENT, dt.UTC)
    assert key.compliance_tags == ["PCI-DSS"]
    assert (key.usage_count, key.hsm_provider, key.hsm_metadata) == (0, None, None)
    old, new = key.versions
    assert (old.entropy_score, old.is_live, new.activated_at) == (99.5, False, None)
    assert isinstance(new.encrypted_key_data, bytes)
    assert new.encryption_metadata == {"format": 1, "algorithm": "AES-256-GCM", "associated_data": written}
    (rotation,) = key.rotations
    assert rotation.status is RotationStatus.SCHEDULED
    assert rotation.trigger is RotationTrigger.SCHEDULED
    assert (rotation.trigger_details, rotation.retry_count, rotation.rollback_available) == ({"days": 90}, 0, True)
    hsm = session.scalars(sa.select(HsmConfiguration)).one()
    assert (hsm.provider, hsm.health_status) == (HsmProvider.THALES_LUNA, HsmHealth.DEGRADED)
    assert hsm.last_health_check == MOMENT
    assert (hsm.supports_key_generation, hsm.require_dual_auth) == (True, False)
    entry = next(each for each in key.audit_entries if each.event_type == "ROTATED")
    assert entry.additional_metadata == {"nested": {"list": [1, None, "ü"]}}
    assert entry.event_category is AuditCategory.LIFECYCLE


def test_relationships_lead_from_each_to_its_others(session: Session, written: str) -> None:
    key = session.scalars(sa.select(KeyMaster).filter_by(key_id=written)).one()
    parent = key.parent
    assert parent is not None
    assert parent.children == [key]
    assert [version.version_number for version in key.versions] == [1, 2]
    (wrapper,) = parent.versions
    assert wrapper.is_live
    assert {version.id for version in wrapper.wraps} == {version.id for version in key.versions}
    assert all(version.wrapped_by is wrapper and version.key is key for version in key.versions)
    (rotation,) = key.rotations
    assert rotation.key is key
    assert rotation.policy is not None
    assert rotation.policy.rotations == [rotation]
    assert "ROTATED" in {entry.event_type for entry in key.audit_entries}
    assert all(entry.key is key for entry in key.audit_entries)


def test_values_that_the_database_sets_can_be_read_after_flush_and_commit(session: Session) -> None:
    first, second, key, policy = an_entry(), an_entry(event_type="SECOND"), a_key(), a_policy()
    session.add_all([first, second, key, policy])
    session.flush()
    assert min(first.sequence, second.sequence) > 1
    assert first.sequence != second.sequence
    assert first.id.version == second.id.version == key.id.version == policy.id.version == 7
    assert first.recorded_by
    assert abs(first.timestamp - now()) < dt.timedelta(minutes=1)
    assert (first.security_level, first.retention_period_days) == (AuditSecurityLevel.LOW, 2555)
    assert (policy.timezone, policy.is_active, key.status) == ("UTC", True, KeyStatus.PENDING)
    seen = (first.id, first.sequence, first.timestamp, first.recorded_by, key.created_at)
    session.commit()
    assert (first.id, first.sequence, first.timestamp, first.recorded_by, key.created_at) == seen


def test_values_that_a_trigger_sets_can_be_read_after_flush(session: Session) -> None:
    key = a_key()
    rotation = KeyRotation(key=key, trigger=RotationTrigger.MANUAL)
    session.add_all([key, rotation])
    session.commit()
    assert (key.activated_at, rotation.started_at) == (None, None)
    key.status = KeyStatus.ACTIVE
    rotation.status, rotation.claimed_by = RotationStatus.RUNNING, "worker-1"
    session.flush()
    assert key.activated_at is not None
    assert rotation.started_at is not None
    assert rotation.claimed_by == "worker-1"
    rotation.status = RotationStatus.FAILED
    session.flush()
    failed_at = rotation.failed_at
    assert failed_at is not None
    rotation.status = RotationStatus.SCHEDULED
    session.flush()
    afresh: tuple[object, ...] = (rotation.retry_count, rotation.started_at, rotation.claimed_by, rotation.failed_at)
    assert afresh == (1, None, None, failed_at)


@pytest.mark.parametrize("made", [a_key, a_policy], ids=lambda made: made.__name__)
def test_a_change_moves_updated_at(session: Session, made: Callable[..., Any]) -> None:
    row = made(updated_at=MOMENT)
    session.add(row)
    session.commit()
    assert row.updated_at == MOMENT
    row.key_type = KeyType.DEK
    session.commit()
    assert row.updated_at == MOMENT, "nothing was changed"
    if isinstance(row, KeyMaster):
        row.status_reason = "for a reason"
    else:
        row.max_operations = 5
    session.flush()
    assert row.updated_at > MOMENT


@pytest.mark.parametrize("column", ["expires_at", "created_at"])
def test_a_time_without_a_zone_is_refused(session: Session, column: str) -> None:
    session.add(a_key(**{column: dt.datetime(2027, 1, 1)}))
    with pytest.raises(sa.exc.StatementError, match="pass an aware datetime"):
        session.flush()


def test_an_unknown_word_is_refused_and_a_known_one_may_be_a_string(session: Session) -> None:
    key = a_key(key_type="tls")
    session.add(key)
    session.commit()
    assert key.key_type is KeyType.TLS
    session.add(a_key(key_type="rsa"))
    with pytest.raises(sa.exc.StatementError, match="rsa"):
        session.flush()


def test_none_is_sql_null_in_json(session: Session) -> None:
    session.add_all([a_key(compliance_tags=None, hsm_metadata=None), a_key(compliance_tags=[])])
    session.flush()
    counted = sa.select(sa.func.count()).where(KeyMaster.compliance_tags.is_(None), KeyMaster.hsm_metadata.is_(None))
    assert session.scalar(counted) == 1


def test_rotations_outlive_a_policy_and_versions_are_deleted_with_their_key(session: Session) -> None:
    key, policy = a_key(), a_policy()
    rotation = KeyRotation(key=key, policy=policy, trigger=RotationTrigger.COMPLIANCE)
    session.add_all([rotation, a_version(key)])
    session.commit()
    session.delete(policy)
    session.commit()
    assert (rotation.policy_id, rotation.policy) == (None, None)
    session.delete(rotation)
    session.commit()
    session.delete(key)
    session.commit()
    assert session.scalars(sa.select(KeyVersion)).all() == []


def _first(session: Session, model: type[Any]) -> Any:
    return session.scalars(sa.select(model)).one()


REFUSED: dict[str, Callable[[Session, KeyMaster], object]] = {
    "fk_key_rotations_key_id_key_masters|fk_key_audit_logs_key_id_key_masters": lambda s, key: s.delete(key),
    "prevent_key_version_delete": lambda s, key: s.delete(key.versions[1]),
    "prevent_key_audit_log_delete": lambda s, key: s.delete(key.audit_entries[0]),
    "prevent_key_audit_log_update": lambda _, key: setattr(key.audit_entries[0], "risk_score", 0),
    "guard_key_audit_log_insert": lambda s, _: s.add(an_entry(timestamp=MOMENT)),
    "enforce_key_lifecycle_consistency": lambda _, key: setattr(key, "status", KeyStatus.PENDING),
    "enforce_key_rotation_lifecycle": lambda _, key: setattr(key.rotations[0], "status", RotationStatus.COMPLETED),
    "validate_rotation_policy_triggers": lambda s, _: setattr(
        _first(s, RotationPolicy), "rotation_interval_days", None
    ),
    "ck_rotation_policies_rotation_window_in_pairs": lambda s, _: s.add(a_policy(rotation_window_start="10:00")),
    "uq_hsm_configurations_configuration_name": lambda s, _: s.add(
        HsmConfiguration(provider=HsmProvider.PKCS11, configuration_name="luna")
    ),
    "uq_key_rotations_open": lambda s, key: s.add(KeyRotation(key=key, trigger=RotationTrigger.MANUAL)),
    "protect_key_master_identity": lambda _, key: setattr(key, "algorithm", "ROT13"),
    "prevent_key_master_counter_decrease": lambda _, key: setattr(key, "usage_count", -1),
    "uq_key_masters_key_id": lambda s, key: s.add(a_key(key_id=key.key_id)),
    "fk_key_rotations_policy_id_rotation_policies": lambda _, key: setattr(
        key.rotations[0], "policy_id", uuid.UUID(int=7)
    ),
    "fk_key_rotations_key_id_new_version_key_versions": lambda _, key: setattr(key.rotations[0], "new_version", 9),
    "policy_name": lambda s, _: s.add(a_policy(policy_name=None)),
}


@pytest.mark.versions("oldest and newest")
@pytest.mark.parametrize("rule", REFUSED)
def test_every_refusal_is_an_integrity_error_that_names_the_rule(
    common: tuple[sessionmaker[Session], str], rule: str
) -> None:
    sessions, written = common
    with sessions() as session:
        refuse(session, written, rule)


def refuse(session: Session, written: str, rule: str) -> None:
    key = session.scalars(sa.select(KeyMaster).filter_by(key_id=written)).one()
    entries = sa.select(sa.func.count()).select_from(KeyAuditLog)
    before = session.scalar(entries)
    with session.no_autoflush:
        REFUSED[rule](session, key)
    with pytest.raises(sa.exc.IntegrityError, match=rule):
        session.flush()
    session.rollback()
    assert session.scalar(entries) == before
    assert len(key.versions) == 2
