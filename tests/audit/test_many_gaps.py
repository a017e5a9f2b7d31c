"""Thousands of gaps that rolled back savepoints leave: a seal has few of them, and each entry is sealed once."""

from contextlib import closing

import pytest

from kms_schema.audit.formats.gaps import MOST
from kms_schema.audit.sealing.status import sealing_status
from kms_schema.validator import validate
from tests.audit.totals import assert_exact
from tests.audit.trails import is_whole, open_trail, seal_all, some, verified, write
from tests.support.engines import Database
from tests.support.statements import execute

pytestmark = pytest.mark.only_on("postgresql")

GAPS = 600
FLOOD = f"""DO $$ BEGIN
    FOR number IN 1..{GAPS} LOOP
        INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('X', 'SECURITY', 'kept');
        BEGIN
            INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('X', 'SECURITY', 'back');
            RAISE EXCEPTION 'back';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$"""  # noqa: S608  (a number)


@pytest.mark.parametrize("late", some(["COMMIT", "ROLLBACK"], "COMMIT"))
def test_a_seal_has_few_gaps_and_loses_no_entry(database: Database, late: str) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        write(connection, 1)
        execute(slow, "BEGIN")
        write(slow, 1)
        execute(connection, FLOOD)
        write(slow, 2)
        write(connection, 1)
        first = seal_all(connection)[-1]
        assert len(first.open_gaps) == MOST
        assert sum(gap.last - gap.first + 1 for gap in first.open_gaps) > GAPS
        execute(connection, FLOOD)
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


def unsealed(connection: object, count: int) -> None:
    """The view, the status, and the verification count the same entries."""
    assert execute(connection, "SELECT count(*) FROM key_audit_unsealed").fetchone() == (count,)  # type: ignore[arg-type]
    with open_trail(connection).reading() as snapshot:  # type: ignore[arg-type]
        assert sealing_status(snapshot).unsealed == count
    verdict = verified(connection)  # type: ignore[arg-type]
    assert (verdict.faults, verdict.unsealed) == ([], count)
