"""Below 006 the evidence goes, and the entries stay: refused while anything is sealed, unless that is said."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from alembic.util import CommandError

from support.catalog import catalog, differences
from support.engines import Database
from support.engines.database import Connection
from support.rows.evidence import whole_seal
from support.rows.population import all_rows
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.audit.totals import assert_exact, kept
from tests.audit.trails import seal_all, write
from tests.migrations.scripts import ScriptFailedError, run

COUNT = "SELECT count(*) FROM key_audit_seals"
ALLOWED = ("-x", "allow-audit-loss=yes")
SAID = r"below 006 would destroy the seals of the audit trail: 1 seal; keep a checkpoint .*-x allow-audit-loss=yes"


@pytest.fixture
def sealed(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as connection:
        whole_seal(connection)
        yield connection


@pytest.mark.parametrize("target", ["005", "004", "base"])
def test_a_downgrade_refuses_before_it_changes_anything(database: Database, sealed: Connection, target: str) -> None:
    before = catalog(sealed)
    for options in ((), ("-x", "allow-audit-loss=no")):
        with pytest.raises(CommandError, match=SAID):
            database.alembic(*options, "downgrade", target)
    assert differences(before, catalog(sealed)) == {}
    assert execute(sealed, COUNT).fetchone() == (1,)


def test_a_permitted_downgrade_leaves_the_entries_and_no_trace_of_seals(database: Database, sealed: Connection) -> None:
    insert(sealed, "key_audit_logs", **audit_entry())
    before, entries = catalog(sealed), all_rows(sealed)["key_audit_logs"]
    database.alembic(*ALLOWED, "downgrade", "005")
    assert [name for name in catalog(sealed) if "key_audit_seals" in name or "key_audit_trail" in name] == []
    assert all_rows(sealed)["key_audit_logs"] == entries
    database.alembic("upgrade", "head")
    assert differences(before, catalog(sealed)) == {}
    assert execute(sealed, COUNT).fetchone() == (0,)


def test_no_entry_is_counted_twice_where_there_are_no_seals_any_more(database: Database) -> None:
    """The dashboard reads the sums of what is sealed, and what is not sealed: below 006 that is all of it."""
    with closing(database.connect()) as connection:
        write(connection, 3, event_category="SECURITY", security_level="CRITICAL")
        seal_all(connection)
        assert kept(connection).total() == 4
        database.alembic(*ALLOWED, "downgrade", "005")
        assert_exact(connection)
        database.alembic("upgrade", "head")
        write(connection, 2)
        assert_exact(connection)
        seal_all(connection)
        assert_exact(connection)
        assert kept(connection).total() == 6


def test_nothing_needs_to_be_permitted_while_nothing_is_sealed(database: Database) -> None:
    with closing(database.connect()) as connection:
        insert(connection, "key_audit_logs", **audit_entry())
        database.alembic("downgrade", "005")
        assert len(all_rows(connection)["key_audit_logs"]) == 2


@pytest.mark.parametrize("target", ["005", "base"])
def test_a_script_stops_there_too(database: Database, sealed: Connection, target: str) -> None:
    before = catalog(sealed)
    script = database.alembic("downgrade", f"head:{target}", "--sql")
    assert "-x allow-audit-loss=yes" in script
    with pytest.raises(ScriptFailedError, match=r"would.destroy.the.seals.of.the.audit.trail") as raised:
        run(database, script)
    if database.dialect == "postgresql":
        assert "audit trail: 1 seal; keep" in str(raised.value)
    assert differences(before, catalog(sealed)) == {}
    assert execute(sealed, COUNT).fetchone() == (1,)


def test_a_permitted_script_goes_on(database: Database, sealed: Connection) -> None:
    run(database, database.alembic(*ALLOWED, "downgrade", "head:005", "--sql"))
    assert [name for name in catalog(sealed) if "key_audit_seals" in name] == []
    assert "005" in database.alembic("current")
