"""What `kms_schema.audit` offers to programs, and the entry that says that a document was written."""

import json
import pkgutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

import kms_schema.audit
from kms_schema.audit import Document, TrailError, append, open_trail, record_document, seal, sealing_status, verify
from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.texts import to_base64
from kms_schema.models import KeyAuditLog
from support.engines import Database
from support.statements import execute
from tests.audit.trails import seal_all


def test_every_name_is_there_and_documented() -> None:
    assert sorted(kms_schema.audit.__all__) == dir(kms_schema.audit)
    modules = {module.name for module in pkgutil.iter_modules(kms_schema.audit.__path__)}
    assert not modules & set(kms_schema.audit.__all__), "a module that is imported would take the place of the name"
    for name in kms_schema.audit.__all__:
        assert getattr(kms_schema.audit, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kms_schema.audit.nothing


def test_nothing_is_imported_before_it_is_used() -> None:
    loaded = "import sys, kms_schema.audit; print(*sorted(sys.modules))"
    names = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert "kms_schema.audit" in names
    heavy = ("cryptography", "psycopg", "sqlalchemy", "sqlite3", "kms_schema.audit.")
    assert [name for name in names if name.startswith(heavy)] == []


def test_a_program_appends_seals_and_verifies(database: Database) -> None:
    with closing(database.connect()) as connection:
        trail = open_trail(connection)
        entry = append(trail, event_type="TEST", event_category="POLICY", event_description="from a program")
        assert entry["sequence"] == 2
        (made,) = seal(trail)
        with trail.reading() as snapshot:
            verdict = verify(snapshot)
            assert (verdict.sound, verdict.entries, sealing_status(snapshot).last) == (True, 2, made)
        # The connection is as it was: autocommit, and no transaction open.
        execute(connection, "BEGIN")
        with pytest.raises(TrailError, match="in a transaction"):
            open_trail(connection)
        execute(connection, "ROLLBACK")


def test_an_entry_that_is_refused_leaves_the_connection_usable(database: Database) -> None:
    with closing(database.connect()) as connection:
        trail = open_trail(connection)
        with pytest.raises(Exception, match="event_category_known"):
            append(trail, event_type="TEST", event_category="OTHER", event_description="refused")
        with pytest.raises(TrailError, match="no key named 'nobody'"):
            append(trail, event_type="T", event_category="POLICY", event_description="refused", key_id="nobody")
        assert len(list(seal(trail))) == 1


def test_the_connection_of_sqlalchemy_is_asked_for_by_its_name(database: Database) -> None:
    engine = database.engine()
    try:
        with engine.connect() as connection:
            with pytest.raises(TypeError, match=r"\.connection\.driver_connection"):
                open_trail(connection)  # type: ignore[arg-type]
            connection.execute(sa.select(KeyAuditLog.id)).all()
            connection.rollback()
            driver = connection.connection.driver_connection
            assert len(list(seal(open_trail(driver)))) == 1  # type: ignore[arg-type]
    finally:
        engine.dispose()


def test_a_file_without_the_tables_is_refused_when_it_is_read() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        trail = open_trail(connection)
        with pytest.raises(TrailError, match="kms-schema upgrade"), trail.reading():
            pass
        assert not connection.in_transaction


STOPPED = """
import sys
from contextlib import suppress
from kms_schema.audit import open_trail
from kms_schema.cli.connections import connected
with connected(sys.argv[1]) as connection:
    with suppress(KeyboardInterrupt), open_trail(connection).reading() as snapshot:
        entries = snapshot.entries.read(1, 9)
        next(entries)
        raise KeyboardInterrupt
    print(connection.execute("SELECT count(*) FROM key_audit_logs").fetchone())
"""


def test_an_interrupted_read_leaves_the_connection_usable(database: Database) -> None:
    """A process of its own: where the COPY is not ended first, ROLLBACK waits for it for ever."""
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, database.url], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.stdout, done.stderr) == ("(1,)\n", "")


HASH = "0f" * 32


def test_the_entry_names_the_document_and_its_checkpoint(database: Database) -> None:
    with closing(database.connect()) as connection:
        (made,) = seal_all(connection)
        trail = open_trail(connection)
        checkpoint = Checkpoint(made.origin, made.tree_size, made.root_hash)
        entry = record_document(trail, Document("inventory", "csv", HASH, "all keys", checkpoint), user_id="alice")
        seal_all(connection)
        with trail.reading() as snapshot:
            assert verify(snapshot).sound
    assert (entry["event_type"], entry["event_category"]) == ("DOCUMENT_WRITTEN", "COMPLIANCE")
    assert entry["event_description"] == f"inventory written: csv, all keys, SHA-256 {HASH}"
    said: dict[str, Any] = json.loads(str(entry["additional_metadata"]))
    assert said.pop("program").startswith("kms-schema ")
    assert said == {
        "document": "inventory",
        "format": "csv",
        "sha256": HASH,
        "scope": "all keys",
        "checkpoint": {"origin": made.origin, "tree_size": made.tree_size, "root": to_base64(made.root_hash)},
    }


@pytest.mark.parametrize(
    ("changed", "value", "message"),
    [("sha256", HASH.upper(), "64 lower-case"), ("scope", "", "the scope of"), ("kind", "x" * 201, "the kind of")],
)
def test_a_document_that_cannot_be_looked_up_is_refused(changed: str, value: str, message: str) -> None:
    given: dict[str, Any] = {"kind": "report", "form": "html", "sha256": HASH, "scope": "sox", "checkpoint": None}
    with pytest.raises(ValueError, match=message):
        Document(**given | {changed: value})
