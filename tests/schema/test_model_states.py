"""States of the models, in Python and in queries, and what their `repr` shows."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from kms_schema.models import KeyMaster, KeyRotation, KeyVersion, versions
from kms_schema.vocabulary import KeyStatus, RotationStatus, RotationTrigger
from support.rows.model_rows import MOMENT, a_key, a_version, write_everything

pytestmark = pytest.mark.versions("oldest and newest")


def test_states_are_the_same_in_python_and_in_queries(session: Session) -> None:
    later = {"activated_at": MOMENT, "created_at": MOMENT, "deactivated_at": MOMENT}
    gone = {"destroyed_at": MOMENT, "encrypted_key_data": None, "wrapping_key_ref": None}
    states: list[dict[str, Any]] = [{}, {"activated_at": MOMENT, "created_at": MOMENT}, later, later | gone]
    key = a_key(status=KeyStatus.ACTIVE, activated_at=MOMENT, created_at=MOMENT)
    for number, times in enumerate(states, 1):
        a_version(key, version_number=number, **times)
    failed = KeyRotation(key=key, trigger=RotationTrigger.MANUAL)
    schema = {"schema": "public"} if session.get_bind().dialect.name == "postgresql" else {}
    columns = [schema | {"table": 'a*"', "column": '"*"'}]
    planned = KeyRotation(key=a_key(encrypted_columns=columns), trigger=RotationTrigger.MANUAL)
    anywhere = a_key(encrypted_columns=[*columns, dict.fromkeys([*schema, "table", "column"], "*")])
    session.add(anywhere)
    session.add_all([key, failed, planned])
    session.commit()
    for status in (RotationStatus.RUNNING, RotationStatus.FAILED):
        failed.status = status
        session.commit()
    for model, names in {
        KeyVersion: ("is_live", "has_ended", "is_destroyed", "state"),
        KeyMaster: ("is_active", "is_decrypting", "encrypts_elsewhere"),
        KeyRotation: ("is_open",),
    }.items():
        query = sa.select(model, *(getattr(model, name).label(f"in_{name}") for name in names))
        for row in session.execute(query):
            assert tuple(row[1:]) == tuple(getattr(row[0], name) for name in names)
    found = session.scalars(sa.select(KeyVersion.state).filter_by(key=key).order_by(KeyVersion.version_number)).all()
    assert found == ["waiting", "live", "ended", "destroyed"]
    assert session.scalars(sa.select(KeyMaster).where(KeyMaster.is_active, ~KeyMaster.is_decrypting)).all() == []
    assert session.scalars(sa.select(KeyRotation).where(KeyRotation.is_open)).all() == [planned]
    assert session.scalars(sa.select(KeyMaster).where(KeyMaster.encrypts_elsewhere)).all() == [anywhere]
    assert (a_key().is_active, a_version(a_key()).state) == (False, "waiting")


def test_the_condition_of_the_live_version_is_that_of_its_index() -> None:
    assert str(KeyVersion.is_live.expression).replace("key_versions.", "") == versions.LIVE


def test_what_names_a_row_is_shown_without_a_query_and_no_material(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        key_id = write_everything(session)
        key = session.scalars(sa.select(KeyMaster).filter_by(key_id=key_id)).one()
        old, new = key.versions
        assert repr(key) == f"<KeyMaster key_id='{key_id}' key_type=dek status=active>"
        shown = [repr(old), repr(new)]
        assert shown == [f"<KeyVersion 1 of '{key_id}' ended>", f"<KeyVersion 2 of '{key_id}' waiting>"]
        session.expire_all()
        assert [repr(key), repr(old)] == ["<KeyMaster>", "<KeyVersion>"]
    for mapper in KeyMaster.registry.mappers:
        columns = {each.key: each.columns[0].type for each in mapper.column_attrs}
        given: dict[str, Any] = {
            name: b"material" for name, kind in columns.items() if isinstance(kind, sa.LargeBinary)
        }
        given |= {name: "material" for name, kind in columns.items() if isinstance(kind, sa.Text)}
        given |= {name: {"material": 1} for name, kind in columns.items() if isinstance(kind, sa.JSON)}
        shown = repr(mapper.class_(**given))
        assert shown.startswith(f"<{mapper.class_.__name__}")
        assert "material" not in shown
