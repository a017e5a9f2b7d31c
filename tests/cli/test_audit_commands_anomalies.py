"""`kms-schema audit anomalies`: what it prints, and its exit status."""

import json
from contextlib import closing

import pytest

from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import active_key_master, audit_entry, insert
from support.statements import execute


@pytest.fixture
def sequence(database: Database) -> int:
    """The entry about a use of a version that does not exist."""
    document = {"version": 7, "encryptions": 1, "decryptions": 0, "process": "h:1"}
    with closing(database.connect()) as connection:
        key = insert(connection, "key_masters", **active_key_master(key_id="orders"))
        entry = audit_entry(event_type="KEY_USED", key_id=key["id"], additional_metadata=document)
        insert(connection, "key_audit_logs", **entry)
        return int(execute(connection, "SELECT max(sequence) FROM key_audit_logs").fetchone()[0])


def test_an_anomaly_is_listed_with_its_entries(database: Database, sequence: int) -> None:
    done = kms_schema("audit", "anomalies", url=database.url)
    assert (done.status, done.err) == (1, "")
    first, entries, count = done.out.splitlines()
    assert " HIGH forged-entry: " in first
    assert first.endswith("writes so: a version that the key does not have")
    assert entries == f"  entries by sequence: {sequence}"
    assert count.endswith(" UTC: 1")
    done = kms_schema("audit", "anomalies", "--since", "2w", "--format", "json", url=database.url)
    (anomaly,) = json.loads(done.out)["anomalies"]
    assert (done.status, anomaly["rule"], anomaly["key_id"], anomaly["entry_count"]) == (1, "forged-entry", "orders", 1)
    assert [entry["sequence"] for entry in anomaly["entries"]] == [sequence]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (("--rule", "key-sweep"), 0),
        (("--since", "9999-01-01"), 0),
        (("--since", "0001-01-01"), 1),
        (("--since", "yesterday"), 2),
        (("--since", "999999w"), 2),
        (("--since", "0001-01-01T00:00:00+14:00"), 2),
        (("--rule", "other"), 2),
        (("--schema", "elsewhere"), 3),
    ],
    ids=["another rule", "the future", "the first day", "a word", "too long", "before every time", "no rule", "no log"],
)
@pytest.mark.usefixtures("sequence")
def test_the_exit_status_says_whether_there_is_one(database: Database, given: tuple[str, str], status: int) -> None:
    if status == 3 and database.dialect == "sqlite":
        url = f"{database.url}-missing"
        given = ()  # type: ignore[assignment]
    else:
        url = database.url
    done = kms_schema("audit", "anomalies", *given, url=url)
    assert done.status == status, done.all
    assert bool(done.err) == (status > 1)
