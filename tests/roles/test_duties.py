"""Each role does its whole job, logged in as a member of it and nothing else: through the models, too."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from kms_schema import validate
from kms_schema.audit import open_trail, seal, verify
from kms_schema.models import (
    HsmConfiguration,
    KeyAuditLog,
    KeyMaster,
    KeyRotation,
    KeyVersion,
    RotationPolicy,
    acting_for,
)
from kms_schema.roles.definition import Role
from kms_schema.vocabulary import (
    HsmProvider,
    KeyStatus,
    KeyType,
    RotationStatus,
    RotationTrigger,
    UseEvent,
)
from support.programs.commands import kms_schema
from support.reports import found
from support.statements import execute
from tests.roles.granted import Granted
from tests.roles.material import blob, destroyed_version, live_key

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]


@contextmanager
def orm_session(granted: Granted, *roles: Role) -> Iterator[orm.Session]:
    with granted.member(*roles) as seen:
        engine = seen.engine()
        try:
            with orm.Session(engine) as session:
                yield session
        finally:
            engine.dispose()


def test_an_application_fetches_keys_counts_use_and_appends_as_kms_app_alone(granted: Granted) -> None:
    name = live_key(granted.superuser)
    with orm_session(granted, Role.APP) as session:
        key = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == name)).one()
        version = next(version for version in key.versions if version.is_live)
        assert version.encrypted_key_data
        version.usage_count += 1
        version.data_volume_bytes += 4096
        with acting_for(session.connection(), "alice@example.com"):
            entry = KeyAuditLog(
                key=key,
                event_type=UseEvent.KEY_USED,
                event_category=UseEvent.KEY_USED.category,
                event_description="1 file",
            )
            session.add(entry)
            session.flush()
        session.commit()
        assert entry.sequence > 0
        assert entry.recorded_by == session.scalar(sa.text("SELECT session_user"))
        assert [each.event_type for each in session.scalars(sa.select(KeyAuditLog))] == [UseEvent.KEY_USED]
    counted = execute(granted.superuser, "SELECT usage_count, data_volume_bytes FROM key_versions").fetchall()
    assert counted == [(1, 4096)]


def test_an_application_reads_no_destroyed_version_and_only_its_own_entries(granted: Granted) -> None:
    name = destroyed_version(granted.superuser)
    statement = (
        "INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('MINE', 'SECURITY', 'm')"
        " RETURNING event_type"
    )
    with granted.session(Role.APP) as one, granted.session(Role.APP) as other:
        for session in (one, other):
            assert execute(session, statement).fetchall() == [("MINE",)]
            assert execute(session, "SELECT event_type, recorded_by = session_user FROM key_audit_logs").fetchall() == [
                ("MINE", True)
            ]
        query = "SELECT version_number FROM key_versions JOIN key_masters m ON m.id = key_versions.key_id"
        assert execute(one, f"{query} WHERE m.key_id = '{name}' ORDER BY 1").fetchall() == [(2,)]
        assert execute(one, "UPDATE key_versions SET usage_count = usage_count + 1").rowcount == 1
    assert execute(granted.superuser, "SELECT count(*) FROM key_versions").fetchone() == (2,)


def test_an_administrator_registers_keys_and_makes_policies_and_hsm_configurations(granted: Granted) -> None:
    with orm_session(granted, Role.ADMIN) as session:
        key = KeyMaster(key_id="orders", key_type=KeyType.DEK, algorithm="AES-256-GCM", key_size_bits=256)
        policy = RotationPolicy(policy_name="yearly", key_type=KeyType.DEK, rotation_interval_days=365)
        hsm = HsmConfiguration(
            provider=HsmProvider.PKCS11, configuration_name="safe", authentication_config=b"\x01" + bytes(40)
        )
        session.add_all([key, policy, hsm])
        session.commit()
        key.max_usage_count = 1000
        policy.rotation_interval_days = 180
        hsm.is_active = False
        session.commit()
        assert key.status is KeyStatus.PENDING
        session.delete(policy)
        session.delete(hsm)
        session.commit()
    assert execute(granted.superuser, "SELECT max_usage_count FROM key_masters").fetchall() == [(1000,)]


def test_a_rotation_from_schedule_to_destruction_as_kms_rotator_alone(granted: Granted) -> None:
    name, wrapper = live_key(granted.superuser), live_key(granted.superuser, "kek")
    with orm_session(granted, Role.ROTATOR) as session:
        key = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == name)).one()
        old = key.versions[0]
        session.scalars(sa.text("SELECT key_id FROM rotations_due")).all()
        rotation = KeyRotation(key=key, trigger=RotationTrigger.MANUAL, old_version=1)
        session.add(rotation)
        session.commit()
        rotation.status, rotation.claimed_by = RotationStatus.RUNNING, "worker"
        session.commit()
        moment = session.scalars(sa.text("SELECT clock_timestamp()")).one()
        old.deactivated_at = moment
        session.flush()
        session.add(KeyVersion(key=key, version_number=2, activated_at=moment, created_at=moment, **blob()))
        key.rotated_at = moment
        rotation.status, rotation.new_version = RotationStatus.COMPLETED, 2
        session.commit()
        kek = session.scalars(sa.select(KeyVersion).join(KeyVersion.key).where(KeyMaster.key_id == wrapper)).one()
        old.encrypted_key_data, old.wrapping_key_ref, old.wrapped_by = blob()["encrypted_key_data"], None, kek
        session.commit()
        old.encrypted_key_data = None
        old.destroyed_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
        session.commit()
        key.status, key.status_reason = KeyStatus.REVOKED, "leaked"
        session.commit()
    query = (
        "SELECT version_number, destroyed_at IS NOT NULL, deactivated_at IS NOT NULL FROM key_versions"
        " WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :name) ORDER BY 1"
    )
    assert execute(granted.superuser, query, {"name": name}).fetchall() == [(1, True, True), (2, False, True)]


def test_a_sealer_seals_and_refreshes_and_an_auditor_verifies_as_these_alone(granted: Granted) -> None:
    live_key(granted.superuser)
    with granted.session(Role.SEALER) as sealer:
        (made,) = seal(open_trail(sealer, schema="public"), None)
    with granted.session(Role.AUDITOR) as auditor, open_trail(auditor, schema="public").reading() as snapshot:
        verdict = verify(snapshot)
    assert verdict.sound, verdict.faults
    assert (verdict.seals, verdict.unsealed) == (1, 0)
    assert execute(granted.superuser, "SELECT count(*) FROM key_audit_logs").fetchone() == (made.tree_size,)


def test_a_sealer_refreshes_the_views_that_belong_to_an_owner_without_login(common: Granted) -> None:
    with common.session(Role.SEALER) as sealer:
        execute(sealer, "SELECT refresh_key_views()")
    query = "SELECT count(*) FROM key_view_refreshes WHERE refreshed_at > now() - interval '1 minute'"
    assert execute(common.superuser, query).fetchone() == (2,)


def test_a_sealer_or_auditor_to_whom_a_policy_hides_an_entry_is_refused(granted: Granted) -> None:
    """Left out without a word, it would never be sealed."""
    execute(granted.superuser, "CREATE POLICY hides ON key_audit_logs AS RESTRICTIVE USING (event_type <> 'X')")
    for role, use in ((Role.SEALER, "sealing"), (Role.AUDITOR, "reading")):
        with granted.session(role) as session, pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:  # noqa: PT012
            if use == "sealing":
                list(seal(open_trail(session, schema="public"), None))
            with open_trail(session, schema="public").reading() as snapshot:
                verify(snapshot)
        assert "row-level security" in str(caught.value)


def test_an_auditor_reads_what_there_is_but_no_secret_and_validates(granted: Granted) -> None:
    name = live_key(granted.superuser)
    with orm_session(granted, Role.AUDITOR) as session:
        keys = session.scalars(sa.select(KeyMaster).options(orm.selectinload(KeyMaster.audit_entries))).all()
        assert [key.key_id for key in keys] == [name]
        assert {entry.event_type for entry in keys[0].audit_entries} == {"KEY_ACTIVATED", "VERSION_ACTIVATED"}
        facts = sa.select(KeyVersion).options(orm.defer(KeyVersion.encrypted_key_data))
        assert [version.version_number for version in session.scalars(facts)] == [1]
        for view in ("key_audit_trail", "rotations_due", "key_management_dashboard", "key_health_monitor"):
            session.execute(sa.select(sa.table(view, sa.column("*", is_literal=True)))).all()
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied for table key_versions"):
            session.scalars(sa.select(KeyVersion)).all()
    with granted.member(Role.AUDITOR) as seen, closing(seen.connect()) as connection:
        assert found(validate(connection)) == []


def test_the_commands_of_the_trail_work_as_the_roles_that_they_are_for(granted: Granted, tmp_path: Path) -> None:
    entry = ("--event-type", "DATA_ENCRYPTED", "--category", "SECURITY", "--description", "1 file")
    with granted.member(Role.APP) as app:
        assert kms_schema("audit", "append", *entry, url=app.url).status == 0
        assert kms_schema("audit", "verify", url=app.url).status == 3
    with granted.member(Role.SEALER) as sealer:
        said = kms_schema("audit", "seal", url=sealer.url)
        assert said.status == 0, said.all
        assert kms_schema("audit", "status", "--max-lag", "0", url=sealer.url).status == 0
    with granted.member(Role.AUDITOR) as auditor:
        (tmp_path / "checkpoint").write_text(said.out, encoding="utf-8")
        verified = kms_schema("audit", "verify", "--checkpoint", str(tmp_path / "checkpoint"), url=auditor.url)
        assert verified.status == 0, verified.all
        assert kms_schema("audit", "append", *entry, url=auditor.url).status == 3
