"""One snapshot, a serial number that follows the content, and the entry in the audit log."""

import errno
import gc
import hashlib
import io
import json
import sqlite3
import sys
from contextlib import closing, suppress

import pytest

from kms_schema.inventory import Form, write_inventory
from support.engines import Database
from support.rows import smallest
from support.rows.smallest import insert
from support.statements import execute
from tests.inventory.written import write, write_json


def test_the_serial_number_follows_the_content(database: Database) -> None:
    before, same = (write_json(database, "cyclonedx-1.6")["serialNumber"] for _ in range(2))
    with closing(database.connect()) as connection:
        insert(connection, "key_masters", **smallest.key_master())
    assert same == before != write_json(database, "cyclonedx-1.6")["serialNumber"]


class Committing(io.BytesIO):
    """A file whose first write has another session register a key; SQLite may make that session wait."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database

    def write(self, data: object, /) -> int:
        if self.tell() == 0:
            with closing(self.database.connect()) as other, suppress(sqlite3.Error):
                if isinstance(other, sqlite3.Connection):
                    other.execute("PRAGMA busy_timeout = 0")
                insert(other, "key_masters", **smallest.key_master(key_id="late"))
        return super().write(data)  # type: ignore[arg-type]


def test_a_key_of_another_session_is_left_out(database: Database) -> None:
    file = Committing(database)
    with closing(database.connect()) as connection:
        written = write_inventory(connection, file, "json", record=False)
    assert (written.totals["keys"], b"late" in file.getvalue()) == (0, False)


def test_the_entry_has_the_hash_and_the_checkpoint(database: Database) -> None:
    text, written = write(database, "csv", record=True, user_id="alice")
    assert written.entry is not None
    said = json.loads(str(written.entry["additional_metadata"]))
    assert said["sha256"] == written.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (said["document"], said["format"], said["scope"]) == ("inventory", "csv", "all keys")
    assert (said["checkpoint"], written.checkpoint, written.entry["user_id"]) == (None, None, "alice")
    with closing(database.connect()) as connection:
        query = "SELECT count(*) FROM key_audit_logs WHERE event_type = 'DOCUMENT_WRITTEN'"
        assert execute(connection, query).fetchone() == (1,)


def test_another_form_is_refused(database: Database) -> None:
    with closing(database.connect()) as connection, pytest.raises(ValueError, match=r"one of cyclonedx-1\.6"):
        write_inventory(connection, io.BytesIO(), "pdf")  # type: ignore[arg-type]


class Full(io.BytesIO):
    """A file on a disk that is full when the first key comes."""

    def write(self, data: object, /) -> int:
        if b"first" in data:  # type: ignore[operator]
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["cyclonedx-1.6", "json", "csv"])
def test_a_full_disk_leaves_no_query_for_a_closed_connection(
    database: Database, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error keeps what was reading the keys; Python would print a traceback when that ends without a connection."""
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: ignored.append(each.exc_value))
    with closing(database.connect()) as connection:
        for name in ("first", "second"):
            insert(connection, "key_masters", **smallest.key_master(key_id=name))
        with pytest.raises(OSError, match="No space left") as caught:
            write_inventory(connection, Full(), form)
    del caught
    gc.collect()
    assert ignored == []
