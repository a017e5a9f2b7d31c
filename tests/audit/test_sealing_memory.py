"""Sealing and verifying take no more memory for a long trail than for a short one."""

import tracemalloc
from contextlib import closing

import pytest

from kms_schema.audit.verification import verify_entries, verify_leaves
from support.engines import Database
from support.engines.database import Connection
from support.statements import execute
from tests.audit.trails import faults, seal_all

SHORT, LONG, BATCH, PAGES = 1_500, 4_500, 250, 4
WRITE = """WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < :count)
INSERT INTO key_audit_logs (event_type, event_category, event_description)
SELECT 'TEST', 'LIFECYCLE', 'x' FROM counted"""


def peak(connection: Connection, count: int) -> int:
    """Return the most bytes that Python holds while so many entries more are sealed, and all are verified."""
    execute(connection, WRITE, {"count": count})
    tracemalloc.start()
    try:
        seal_all(connection, batch=BATCH)
        assert faults(connection) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_trail(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for walk in (verify_entries, verify_leaves):
        monkeypatch.setattr(walk, "PAGES", PAGES)  # else a trail is short up to 65 536 entries
    with closing(database.connect()) as connection:
        peak(connection, 1)  # what is imported and cached once
        short = peak(connection, SHORT)
        assert peak(connection, LONG) < 1.5 * short
