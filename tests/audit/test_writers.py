"""Attacks by a role with every privilege on the tables that is not their owner."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from support.engines import Database, Engines
from support.engines.database import Connection
from support.login_roles import login
from support.rows.evidence import inserting, page, seal
from support.statements import execute, refused
from support.violations.refused_rows import refuses
from tests.audit.owners import Owned, owned
from tests.audit.trails import seal_all, verified, write

NO_UPDATE = "prevent_key_audit_log_update"

TABLES = ("key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees")
OWNERS_ALONE = {
    "DISABLE TRIGGER": f"ALTER TABLE key_audit_logs DISABLE TRIGGER {NO_UPDATE}",
    "DROP TRIGGER": f"DROP TRIGGER {NO_UPDATE} ON key_audit_logs",
    "DROP TABLE": "DROP TABLE key_audit_logs CASCADE",
    "a swapped function body": "CREATE OR REPLACE FUNCTION prevent_key_audit_log_change() RETURNS trigger"
    " LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "a function dropped": "DROP FUNCTION prevent_key_audit_log_change() CASCADE",
    "RULE": "CREATE RULE mute AS ON INSERT TO key_audit_logs DO INSTEAD NOTHING",
    "an inheritance child": "CREATE TEMPORARY TABLE child () INHERITS (key_audit_logs)",
    "ALTER TYPE … USING": "ALTER TABLE key_audit_logs ALTER user_id TYPE varchar(100) USING 'nobody'",
    "SET UNLOGGED": "ALTER TABLE key_audit_logs SET UNLOGGED",
    "DROP COLUMN": "ALTER TABLE key_audit_logs DROP COLUMN user_id",
    "ADD COLUMN": "ALTER TABLE key_audit_logs ADD COLUMN note text",
    "a policy": "CREATE POLICY hides ON key_audit_logs USING (false)",
    "session_replication_role": "SET session_replication_role = replica",
    "session_replication_role of the role": "ALTER ROLE CURRENT_USER SET session_replication_role = replica",
    "the catalog": "UPDATE pg_trigger SET tgenabled = 'D'",
    "the sequence set back": "SELECT setval('key_audit_logs_sequence_seq', 1)",
}


@pytest.fixture
def trail(database: Database) -> Iterator[Owned]:
    with owned(database) as opened:
        yield opened


@pytest.fixture(scope="module")
def writer(engines: Engines, engine_name: str) -> Iterator[Connection]:
    """A role with every privilege on the tables except TRIGGER and REFERENCES, which does not own them.

    Everything that it tries is refused, so that the trail stays as it was sealed.
    """
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    privileges = [f"SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table}" for table in TABLES]
    with (
        owned(database),
        login(database, *privileges, f"TEMPORARY ON DATABASE {database.name}") as role,
        closing(role.connect()) as connection,
    ):
        yield connection
    engine.drop(database)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("attack", OWNERS_ALONE)
def test_a_writer_cannot_remove_protections(writer: Connection, attack: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(writer, OWNERS_ALONE[attack])


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_a_writer_is_refused_by_the_guard_triggers(writer: Connection, verb: str) -> None:
    statement = {
        "UPDATE": "UPDATE key_audit_logs SET risk_score = 0",
        "DELETE": "DELETE FROM key_audit_logs",
        "TRUNCATE": "TRUNCATE key_audit_logs",
    }[verb]
    rule = NO_UPDATE if verb == "UPDATE" else "prevent_key_audit_log_delete"
    refuses(writer, "key_audit_logs", statement, rule=rule, sqlstate="23001")


@pytest.mark.only_on("postgresql")
def test_a_trigger_that_discards_entries_needs_a_privilege_that_is_granted_to_no_role(
    database: Database, trail: Owned, writer: Connection
) -> None:
    """A role with TRIGGER on the table can discard its rows without owning it: the privilege is a finding."""
    made = "CREATE TRIGGER aa BEFORE INSERT ON key_audit_logs FOR EACH ROW EXECUTE FUNCTION"
    refused(
        writer, f"{made} suppress_redundant_updates_trigger()", rule="permission denied for table", sqlstate="42501"
    )
    with login(database, "SELECT, TRIGGER ON key_audit_logs"):
        assert "KMS302" in trail.codes()


def test_a_seal_that_a_writer_inserted_is_found(trail: Owned) -> None:
    """The guard triggers check its place and size; the verification checks its content."""
    last, size, sequence = execute(
        trail.connection,
        "SELECT seal_number, tree_size, last_sequence FROM key_audit_seals ORDER BY seal_number DESC LIMIT 1",
    ).fetchone()
    row = seal(last + 1, size + 1, origin=trail.kept.origin, last_sequence=sequence + 1)
    execute(trail.connection, inserting("key_audit_seals", row), row)
    leaf = page(size, sequence + 1, hashes=b"\x5e" * 32)
    execute(trail.connection, inserting("key_audit_leaves", leaf), leaf)
    found = verified(trail.connection).faults
    assert {fault.seal for fault in found} >= {last + 1}
    assert f"sequence {sequence + 1} was sealed and is gone" in found[0].message
    assert {"KMS513", "KMS515"} & trail.codes("data")


def test_what_a_sealer_withholds_is_not_sealed_and_counted(trail: Owned) -> None:
    write(trail.connection, 3)
    assert verified(trail.connection).unsealed == 3
    assert trail.verified() == "sound"
    assert seal_all(trail.connection)
    assert verified(trail.connection).unsealed == 0
