"""Entries that no archive or proof can have: they were written past the guards, and are named."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.audit.proofs.prover import CannotProveError, prove_inclusion
from kms_schema.audit.standalone import check_audit
from support.engines import Database
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from tests.audit.retaining import retaining
from tests.audit.trails import faults, open_trail, seal_all, written_sequences


def test_nothing_is_exported_that_its_own_checker_would_refuse(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with retaining(database) as place:
        with closing(database.connect()) as connection:
            insert(connection, "key_audit_logs", **audit_entry(event_description="x" * 2000))
        place.write()
        with closing(database.connect()) as connection:
            before = written_sequences(connection)
        for longest, what in ((300, r"the proof of seal \d+"), (2000, r"entry \S+ \(sequence \d+\)")):
            monkeypatch.setattr(check_audit, "LONGEST", longest)
            with pytest.raises(CannotProveError, match=f"{what} takes .* has at most {longest}: nothing is exported"):
                place.retain(tmp_path)
        with closing(database.connect()) as connection:
            assert written_sequences(connection) == before
        assert list(tmp_path.iterdir()) == []
        monkeypatch.undo()
        (done,) = place.retain(tmp_path)
        assert done.removed > 0


@pytest.mark.only_on("sqlite")
def test_a_text_that_is_not_utf8_is_named_by_everything_that_reads_it(database: Database, tmp_path: Path) -> None:
    with retaining(database) as place:
        with closing(database.connect()) as connection:
            assert isinstance(connection, sqlite3.Connection)
            (guard,) = execute(
                connection, "SELECT sql FROM sqlite_schema WHERE name = 'guard_key_audit_log_insert_values'"
            ).fetchone()
            execute(connection, "DROP TRIGGER guard_key_audit_log_insert_values")
            execute(
                connection,
                "INSERT INTO key_audit_logs (event_type, event_category, event_description, user_id)"
                " VALUES ('A', 'SECURITY', 'b', CAST(x'61ff' AS TEXT))",
            )
            execute(connection, guard)
            ((entry, sequence),) = execute(
                connection, "SELECT id, sequence FROM key_audit_logs ORDER BY sequence DESC LIMIT 1"
            ).fetchall()
        place.write()
        with closing(database.connect()) as connection:
            seal_all(connection)
            (found,) = faults(connection)
            assert found.sequence == sequence
            assert "has a text that is not UTF-8: it was written past the guard triggers" in found.message
            named = (
                rf"sequence {sequence}\) cannot be written as JSON: user_id: .* it was written past the guard triggers"
            )
            with open_trail(connection).reading() as trail, pytest.raises(CannotProveError, match=named):
                prove_inclusion(trail, sequence)
        with pytest.raises(CannotProveError, match=named):
            place.retain(tmp_path)
        assert list(tmp_path.iterdir()) == []
        assert entry
