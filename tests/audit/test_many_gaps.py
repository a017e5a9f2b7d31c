"""Thousands of gaps that rolled back savepoints leave: a seal has few of them, and each entry is sealed once."""

from contextlib import closing
from typing import Any

import pytest

from kms_schema.audit.formats.gaps import MOST
from kms_schema.audit.sealing.status import sealing_status
from kms_schema.audit.storage.postgresql.entries import PostgresqlEntries
from kms_schema.validator import validate
from support.engines import Database
from support.statements import execute
from tests.audit.totals import assert_exact
from tests.audit.trails import is_whole, open_trail, seal_all, some, verified, write

pytestmark = pytest.mark.only_on("postgresql")

GAPS = 600


def flood(gaps: int = GAPS, kept: int = 1) -> str:
    """Return the statement that writes `gaps` times some entries, and one that is rolled back."""
    return f"""DO $$ BEGIN
    FOR number IN 1..{gaps} LOOP
        INSERT INTO key_audit_logs (event_type, event_category, event_description)
        SELECT 'X', 'SECURITY', 'kept' FROM generate_series(1, {kept});
        BEGIN
            INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('X', 'SECURITY', 'back');
            RAISE EXCEPTION 'back';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$"""  # noqa: S608  (numbers)


@pytest.mark.parametrize("late", some(["COMMIT", "ROLLBACK"], "COMMIT"))
def test_a_seal_has_few_gaps_and_loses_no_entry(database: Database, late: str) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        write(connection, 1)
        execute(slow, "BEGIN")
        write(slow, 1)
        execute(connection, flood())
        write(slow, 2)
        write(connection, 1)
        first = seal_all(connection)[-1]
        assert len(first.open_gaps) == MOST
        assert sum(gap.last - gap.first + 1 for gap in first.open_gaps) > GAPS
        execute(connection, flood())
        second = seal_all(connection, batch=500)
        assert all(len(each.open_gaps) <= MOST for each in second)
        assert len(str(second[-1].row())) < 20_000
        unsealed(connection, 0)
        execute(slow, late)
        late_entries = 3 if late == "COMMIT" else 0
        unsealed(connection, late_entries)
        write(connection, 1)
        last = seal_all(connection)[-1]
        assert last.tree_size == second[-1].tree_size + late_entries + 1
        write(connection, 1)
        assert seal_all(connection)[-1].open_gaps == ()
        assert_exact(connection)
        assert not [each.code for each in validate(connection, level="data").findings if each.severity == "error"]
    is_whole(database)


def read_from(plan: dict[str, Any], table: str) -> int:
    """Return the rows that the scans of a table returned or filtered."""
    here = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    below = sum(read_from(each, table) for each in plan.get("Plans", ()))
    return below + (round(here) if plan.get("Relation Name") == table else 0)


def test_sealed_entries_in_joined_gaps_are_not_read_again(database: Database) -> None:
    """400 rollbacks beside a transaction that may be of another database: each seal read thousands of entries."""
    rollbacks, kept = 400, 20
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        execute(slow, "BEGIN")
        execute(slow, "SELECT pg_current_xact_id()")
        execute(connection, flood(rollbacks, kept))
        (made,) = seal_all(connection)
        assert len(made.open_gaps) == MOST
        assert made.tree_size > rollbacks * kept
        assert sum(gap.last - gap.first + 1 for gap in made.open_gaps) > kept * (rollbacks - MOST)
        write(connection, 1)
        execute(connection, "ANALYZE")
        with open_trail(connection).reading() as snapshot:
            assert isinstance(snapshot.entries, PostgresqlEntries)
            text = snapshot.entries.not_sealed("sequence", made.last_sequence, made.open_gaps)
        for query in (text, "SELECT * FROM key_audit_unsealed"):
            ((plan,),) = execute(connection, f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {query}").fetchone()
            assert read_from(plan["Plan"], "key_audit_logs") <= 10, query
            assert read_from(plan["Plan"], "key_audit_leaves") <= 2 * rollbacks, query
        unsealed(connection, 1)
        assert len(seal_all(connection)) == 1


def unsealed(connection: object, count: int) -> None:
    """The view, the status, and the verification count the same entries."""
    assert execute(connection, "SELECT count(*) FROM key_audit_unsealed").fetchone() == (count,)  # type: ignore[arg-type]
    with open_trail(connection).reading() as snapshot:  # type: ignore[arg-type]
        assert sealing_status(snapshot).unsealed == count
    verdict = verified(connection)  # type: ignore[arg-type]
    assert (verdict.faults, verdict.unsealed) == ([], count)
