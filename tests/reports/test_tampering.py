"""What was changed so that it looks as before, and what an application chooses, hides nothing from a report."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import sqlite3
from pathlib import Path

import pytest

from kms_schema.audit.formats.encoding import leaf_hash
from kms_schema.reports import outcomes, reading
from support.engines.database import Connection
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.trails import open_trail
from tests.reports.populated import write
from tests.reports.wrongs import ENTRY, Undo, Wrong, check_each, updated

pytestmark = pytest.mark.versions("newest")


def changed_with_its_leaf(connection: Connection) -> Undo:
    """Change an entry and its leaf, but not the root over the leaves, which is signed."""
    ((sequence,),) = execute(connection, f"SELECT sequence FROM key_audit_logs {ENTRY}").fetchall()
    pages = "SELECT first_sequence, hashes FROM key_audit_leaves WHERE first_sequence <= :at ORDER BY 1 DESC"
    first, hashes = execute(connection, pages, {"at": sequence}).fetchall()[0]
    execute(connection, f"UPDATE key_audit_logs SET user_id = 'x' {ENTRY}")
    with open_trail(connection).reading() as snapshot:
        (entry,) = snapshot.entries.read(sequence, sequence)
    place, change = (
        32 * (sequence - first),
        "UPDATE key_audit_leaves SET hashes = :hashes WHERE first_sequence = :first",
    )
    forged = bytes(hashes[:place]) + leaf_hash(entry) + bytes(hashes[place + 32 :])
    execute(connection, change, {"hashes": forged, "first": first})

    def undo() -> None:
        execute(connection, f"UPDATE key_audit_logs SET user_id = '<b>' {ENTRY}")
        execute(connection, change, {"hashes": bytes(hashes), "first": first})

    return undo


def signature_changed(connection: Connection) -> Undo:
    ((signature,),) = execute(connection, "SELECT signature FROM key_audit_seals").fetchall()
    change = "UPDATE key_audit_seals SET signature = :signature"
    execute(connection, change, {"signature": bytes(signature)[:-1] + bytes([bytes(signature)[-1] ^ 1])})
    return lambda: execute(connection, change, {"signature": bytes(signature)})


def origin_changed(connection: Connection) -> Undo:
    ((origin,),) = execute(connection, "SELECT origin FROM key_audit_seals").fetchall()
    change = "UPDATE key_audit_seals SET origin = :origin"
    execute(connection, change, {"origin": "a\x01b"})
    return lambda: execute(connection, change, {"origin": origin})


def test_leaves_and_signatures_are_verified(changed: Connection, tmp_path: Path) -> None:
    wrongs = (
        Wrong("an entry and its leaf were changed", {"entries-unchanged", "sealed"}, changed_with_its_leaf),
        Wrong("the origin of a seal has a control character", {"entries-unchanged", "sealed"}, origin_changed),
        Wrong("the signature of a seal was changed", {"entries-unchanged", "sealed"}, signature_changed),
    )
    with triggers_disabled(changed):
        check_each(changed, tmp_path, *wrongs)


def test_a_short_retention_is_found_behind_many_types(
    changed: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application chooses the types of its entries, and a table lists the first of them."""
    for module in (outcomes, reading):
        monkeypatch.setattr(module, "LISTED", 1)
    with triggers_disabled(changed):
        where = "key_audit_logs SET retention_period_days = {} WHERE event_type = 'VERSION_DESTROYED'"
        change = updated(where.format(30), where.format(2555))
        claims = {"kept-a-year", "kept-seven-years", "entries-unchanged"}
        check_each(changed, tmp_path, Wrong("a short retention", claims, change))


def test_a_view_that_was_replaced_has_no_proofs(changed: Connection, tmp_path: Path) -> None:
    """A report quotes entries from a view, and proves them from the table."""
    if isinstance(changed, sqlite3.Connection):
        query = "SELECT sql FROM sqlite_master WHERE name = 'key_audit_trail'"
        replacing = "DROP VIEW key_audit_trail; {}"
    else:
        query = "SELECT pg_get_viewdef('key_audit_trail')"
        replacing = "CREATE OR REPLACE VIEW key_audit_trail AS {}"
    ((view,),) = execute(changed, query).fetchall()
    harmless = view.replace("entry.user_id", "CAST('nobody' AS varchar(100)) AS user_id")
    try:
        _run(changed, replacing.format(harmless))
        document = write(changed, tmp_path).document
    finally:
        _run(changed, replacing.format(view))
    (risky,) = (each["entries"] for each in document["claims"] if each["name"] == "high-risk")
    assert (risky["unproven"], risky["attachment"]) == (risky["count"], None)
    assert "other values than key_audit_logs" in risky["rows"][0]["without_proof"]


def _run(connection: Connection, statements: str) -> None:
    for each in statements.split(";"):
        if each.strip():
            execute(connection, each)
