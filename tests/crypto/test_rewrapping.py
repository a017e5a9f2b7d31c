"""Everything moved from one wrapper to another: nothing is lost, nothing is left, and what cannot be moved is named."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import CryptoError, EnvelopeFormat, KeyWrapping, WrappingKeyError, plan, rewrap
from kms_schema.crypto import dependents as dependents_module
from kms_schema.models import HsmConfiguration, KeyAuditLog, KeyMaster, KeyVersion, current_time
from kms_schema.vocabulary import KeyStatus, KeyType
from support.engines import Database
from tests.crypto.wrapped_trees import CREDENTIALS, NEXT_ROOT, ROOT, Tree, a_key, an_hsm, held, kept, spoil, wrappers


def test_everything_under_a_version_moves_to_another_and_opens_as_before(
    sql_engine: sa.Engine, session: Session, tree: Tree
) -> None:
    told: list[tuple[int, int]] = []
    outcome = rewrap(
        sql_engine, tree.wrapping, tree.first, tree.second, batch=2, actor="alice", progress=lambda *n: told.append(n)
    )
    assert (outcome.versions, outcome.configurations, outcome.remaining, outcome.left) == (5, 0, 0, {})
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert wrappers(session) == {tree.second: 5, ROOT: 3}
    assert held(session, tree.wrapping) == tree.keys
    entries = session.scalars(sa.select(KeyAuditLog).where(KeyAuditLog.event_type == "VERSION_REWRAPPED")).all()
    assert [entry.user_id for entry in entries] == ["alice"] * 5
    again = rewrap(sql_engine, tree.wrapping, tree.first, tree.second)
    assert (again.rows, again.remaining) == (0, 0)


def test_a_root_key_is_left_by_versions_and_credentials(sql_engine: sa.Engine, session: Session, tree: Tree) -> None:
    outcome = rewrap(sql_engine, tree.wrapping, ROOT, NEXT_ROOT)
    assert (outcome.versions, outcome.configurations, outcome.remaining) == (2, 1, 0)
    assert wrappers(session) == {tree.first: 5, NEXT_ROOT: 3}
    assert held(session, tree.wrapping) == tree.keys


def test_format_02_stays_format_02(sql_engine: sa.Engine, session: Session, wrapping: KeyWrapping) -> None:
    version = kept(session, wrapping, a_key(), form=EnvelopeFormat.AES_256_KWP)
    rewrap(sql_engine, wrapping, ROOT, NEXT_ROOT)
    session.expire_all()
    assert (version.wrapping_key_ref, (version.encrypted_key_data or b"")[0]) == (NEXT_ROOT, 2)


def test_credentials_that_do_not_say_what_they_are_under_are_tried(
    sql_engine: sa.Engine, session: Session, wrapping: KeyWrapping
) -> None:
    mine, others = an_hsm(), an_hsm()
    for hsm, reference in ((mine, ROOT), (others, NEXT_ROOT)):
        wrapping.encrypt_credentials(hsm, CREDENTIALS, under=reference)
        hsm.wrapping_key_ref = None
        session.add(hsm)
    session.commit()
    assert plan(sql_engine, wrapping, ROOT, NEXT_ROOT, verify=True).configurations == 1
    outcome = rewrap(sql_engine, wrapping, ROOT, NEXT_ROOT)
    assert (outcome.configurations, outcome.left, outcome.remaining) == (1, {}, 0)
    assert [each.row for each in outcome.unsaid.values()] == [f"the credentials of {others.configuration_name!r}"]
    session.expire_all()
    assert (mine.wrapping_key_ref, others.wrapping_key_ref) == (NEXT_ROOT, None)
    assert wrapping.decrypt_credentials(others, NEXT_ROOT) == CREDENTIALS


def test_a_dry_run_counts_and_opens_and_writes_nothing(
    sql_engine: sa.Engine, session: Session, tree: Tree, database: Database
) -> None:
    before = session.execute(sa.select(KeyVersion.id, KeyVersion.encrypted_key_data)).all()
    session.commit()
    for verify in (False, True):
        outcome = plan(sql_engine, tree.wrapping, tree.first, tree.second, verify=verify)
        assert (outcome.versions, outcome.remaining, outcome.left) == (5, 5, {})
    assert session.execute(sa.select(KeyVersion.id, KeyVersion.encrypted_key_data)).all() == before
    session.commit()
    broken = some_dependent(session)
    spoil(database, broken)
    assert plan(sql_engine, tree.wrapping, tree.first, tree.second).left == {}
    outcome = plan(sql_engine, tree.wrapping, tree.first, tree.second, verify=True)
    assert (outcome.versions, list(outcome.left)) == (4, [broken])


def some_dependent(session: Session) -> Any:
    query = sa.select(KeyVersion.id).where(KeyVersion.wrapping_key_ref.is_(None)).order_by(KeyVersion.id).limit(1)
    found = session.scalars(query).one()
    session.commit()
    return found


def test_a_row_that_does_not_open_is_named_and_stays_and_the_others_move(
    sql_engine: sa.Engine, session: Session, tree: Tree, database: Database
) -> None:
    broken = some_dependent(session)
    spoil(database, broken)
    outcome = rewrap(sql_engine, tree.wrapping, tree.first, tree.second, batch=2)
    assert (outcome.versions, outcome.remaining, list(outcome.left)) == (4, 1, [broken])
    assert outcome.left[broken].row.startswith("version 1 of key ")
    assert "does not open" in outcome.left[broken].why
    session.expire_all()
    assert wrappers(session) == {tree.first: 1, tree.second: 4, ROOT: 3}


def test_a_row_that_a_rule_keeps_is_named_and_the_others_move(
    sql_engine: sa.Engine, session: Session, wrapping: KeyWrapping, database: Database
) -> None:
    """Nobody foresaw this rule: the batch is tried row by row."""
    tree = Tree(session, wrapping)
    kept_back = some_dependent(session)
    guard(session, database, kept_back)
    outcome = rewrap(sql_engine, wrapping, tree.first, tree.second)
    assert (outcome.versions, outcome.remaining, list(outcome.left)) == (4, 1, [kept_back])
    assert "not this one" in outcome.left[kept_back].why


def guard(session: Session, database: Database, version: Any) -> None:
    """Add a rule that does not let one row change."""
    if database.dialect == "sqlite":
        session.execute(
            sa.text(
                "CREATE TRIGGER more BEFORE UPDATE OF encrypted_key_data ON key_versions"
                f" WHEN OLD.id = '{version.hex}' BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            )
        )
    else:
        session.execute(
            sa.text(
                "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation'; END $$"
            )
        )
        session.execute(
            sa.text(
                "CREATE TRIGGER more BEFORE UPDATE OF encrypted_key_data ON key_versions FOR EACH ROW"
                f" WHEN (OLD.id = '{version}') EXECUTE FUNCTION more()"
            )
        )
    session.commit()


def test_another_version_of_the_new_wrappers_key_stays(sql_engine: sa.Engine, session: Session, tree: Tree) -> None:
    """No version of a key may be wrapped by another of it."""
    other = Tree(session, tree.wrapping, deks=1)
    moved = session.scalars(sa.select(KeyVersion).where(KeyVersion.key_id == tree.kek.id)).first()
    assert moved is not None
    live = session.scalars(
        sa.select(KeyVersion).where(KeyVersion.key_id == other.kek.id, KeyVersion.deactivated_at.is_(None))
    ).one()
    tree.wrapping.rewrap(moved, under=live)
    session.commit()
    outcome = rewrap(sql_engine, tree.wrapping, other.second, tree.second)
    assert (outcome.versions, outcome.remaining, list(outcome.left)) == (0, 1, [moved.id])
    assert "of the same key" in outcome.left[moved.id].why


def test_what_is_wrapped_meanwhile_moves_as_well(sql_engine: sa.Engine, session: Session, tree: Tree) -> None:
    late: list[Any] = []

    def add_once(_done: int, _of: int) -> None:
        if not late:
            with Session(sql_engine) as other:
                first = other.scalars(
                    sa.select(KeyVersion).where(KeyVersion.key_id == tree.kek.id, KeyVersion.version_number == 1)
                ).one()
                late.append(kept(other, tree.wrapping, a_key(), under=first).id)

    outcome = rewrap(sql_engine, tree.wrapping, tree.first, tree.second, batch=2, progress=add_once)
    assert (outcome.versions, outcome.remaining) == (6, 0)
    assert late[0] in held(session, tree.wrapping)


def test_what_was_written_wrong_is_never_committed(
    sql_engine: sa.Engine, session: Session, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is read back and opened under its new wrapper, before its batch is committed."""
    right = dependents_module.Versions.change
    calls: list[int] = []

    def wrong(self: Any, row: Any) -> dict[str, Any]:
        calls.append(1)
        change = right(self, row)
        return change if len(calls) < 4 else change | {"encrypted_key_data": b"\x01" + bytes(60)}

    monkeypatch.setattr(dependents_module.Versions, "change", wrong)
    with pytest.raises(CryptoError, match="does not open"):
        rewrap(sql_engine, tree.wrapping, tree.first, tree.second, batch=2)
    assert wrappers(session) == {tree.first: 3, tree.second: 2, ROOT: 3}
    assert held(session, tree.wrapping) == tree.keys


REFUSED = {
    "the same": (lambda t: (t.first, t.first), "source and target are both"),
    "an unknown version": (lambda t: (t.first, t.first[:-1] + "9"), "is unknown"),
    "an unknown root key": (lambda t: ("kms://nowhere", t.second), "'kms://nowhere' is unknown"),
    "to what is not live": (lambda t: (t.second, t.first), "not the live version"),
    "to what it wraps itself": (lambda t: (ROOT, t.second), "is wrapped by"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_sense_is_refused(sql_engine: sa.Engine, session: Session, tree: Tree, what: str) -> None:
    make, words = REFUSED[what]
    before = wrappers(session)
    session.commit()
    for command in (rewrap, plan):
        with pytest.raises(WrappingKeyError, match=words):
            command(sql_engine, tree.wrapping, *make(tree))
    assert wrappers(session) == before


def test_a_wrapper_that_is_no_kek_is_retired_or_is_destroyed_is_refused(
    sql_engine: sa.Engine, session: Session, tree: Tree
) -> None:
    dek = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_type == KeyType.DEK).limit(1)).one()
    with pytest.raises(WrappingKeyError, match="only a kek wraps"):
        rewrap(sql_engine, tree.wrapping, tree.first, f"{dek.key_id}:1")
    tree.kek.status = KeyStatus.ROTATED
    session.commit()
    with pytest.raises(WrappingKeyError, match="not the live version of an active key"):
        rewrap(sql_engine, tree.wrapping, tree.first, tree.second)
    assert rewrap(sql_engine, tree.wrapping, tree.first, ROOT).remaining == 0
    version = session.scalars(
        sa.select(KeyVersion).where(KeyVersion.key_id == tree.kek.id, KeyVersion.version_number == 1)
    ).one()
    version.encrypted_key_data, version.destroyed_at = None, current_time()
    session.commit()
    with pytest.raises(WrappingKeyError, match="is destroyed: nothing"):
        rewrap(sql_engine, tree.wrapping, tree.first, ROOT)


def test_a_target_that_is_retired_meanwhile_ends_it(sql_engine: sa.Engine, session: Session, tree: Tree) -> None:
    def retire(_done: int, _of: int) -> None:
        with Session(sql_engine) as other:
            other.get_one(KeyMaster, tree.kek.id).status = KeyStatus.ROTATED
            other.commit()

    with pytest.raises(WrappingKeyError, match="not the live version"):
        rewrap(sql_engine, tree.wrapping, tree.first, tree.second, batch=2, progress=retire)
    assert wrappers(session) == {tree.first: 3, tree.second: 2, ROOT: 3}
    assert held(session, tree.wrapping) == tree.keys


def test_hsm_configurations_are_of_a_root_key_alone(
    sql_engine: sa.Engine, session: Session, wrapping: KeyWrapping
) -> None:
    kek = a_key(KeyType.KEK, status=KeyStatus.ACTIVE, activated_at=current_time())
    version = kept(session, wrapping, kek, under=NEXT_ROOT)
    version.activated_at = current_time()
    hsm = an_hsm()
    wrapping.encrypt_credentials(hsm, CREDENTIALS, under=ROOT)
    session.add(hsm)
    session.commit()
    outcome = rewrap(sql_engine, wrapping, ROOT, f"{kek.key_id}:1")
    assert (outcome.rows, outcome.remaining) == (0, 1)
    assert [each.why for each in outcome.left.values()] == [
        "credentials are wrapped by a root key, not by a key in the database"
    ]
    session.expire_all()
    assert session.get_one(HsmConfiguration, hsm.id).wrapping_key_ref == ROOT
