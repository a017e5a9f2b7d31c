"""`kms-schema audit append` and `status`, and what all of these commands say where there is no trail."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import insert, key_master
from support.statements import execute
from tests.cli.audit_trails import Trail, trail_of

ENTRY = ("--event-type", "BREAK_GLASS", "--category", "SECURITY", "--description", "Root key taken out of the safe")


def test_an_entry_from_the_shell_is_printed_as_the_database_has_it(trail: Trail) -> None:
    with closing(trail.database.connect()) as connection:
        master = insert(connection, "key_masters", **key_master(key_id="orders-2026"))
    given = ("--key-id", "orders-2026", "--user-id", "alice", "--security-level", "HIGH", "--risk-score", 70)
    entry = trail.told("append", *ENTRY, *given, "--metadata", '{"ticket": 4711}', "--compliance-tag", "soc2")
    assert (entry["event_type"], entry["user_id"], entry["security_level"]) == ("BREAK_GLASS", "alice", "HIGH")
    assert json.loads(entry["additional_metadata"]) == {"ticket": 4711}
    assert json.loads(entry["compliance_tags"]) == ["soc2"]
    assert entry["key_id"] == str(master["id"])
    with closing(trail.database.connect()) as connection:
        stored = execute(
            connection, "SELECT sequence, risk_score, event_description FROM key_audit_logs ORDER BY sequence DESC"
        ).fetchone()
    assert stored == (entry["sequence"], 70, "Root key taken out of the safe")


def test_what_is_printed_as_text_cannot_write_over_a_terminal(trail: Trail) -> None:
    done = trail.audit("append", *ENTRY[:-1], "first\nid: forged \x1b[2J", "--user-id", "ü")
    assert done.status == 0
    assert "event_description: first\\nid: forged \\u001b[2J\n" in done.out
    assert "user_id: ü\n" in done.out


def test_the_newest_entries_are_listed_with_the_sequence_that_prove_takes(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(trail.database.connect()) as connection:
        insert(connection, "key_masters", **key_master(key_id="orders-2026"))
    for key in ((), ("--key-id", "orders-2026"), ("--key-id", "orders-2026"), ()):
        last = trail.told("append", *ENTRY, *key)
    trail.seal()
    listed = trail.told("list")
    sequences = [each["sequence"] for each in listed]
    assert sequences == sorted(sequences, reverse=True)
    assert (listed[0]["id"], listed[0]["sequence"], listed[0]["key_id"]) == (last["id"], last["sequence"], None)
    of_key = trail.told("list", "--key", "orders-2026", "--event-type", ENTRY[1])
    assert [each["sequence"] for each in of_key] == sequences[1:3]
    assert {each["key_id"] for each in of_key} == {"orders-2026"}
    assert trail.told("list", "--since", "1h", "--limit", 50) == listed
    at = listed[0]["timestamp"]
    assert [each["sequence"] for each in trail.told("list", "--since", at)] == sequences[:1]
    assert trail.audit("list", "--since", "2999-01-01").err == "no entries since 2999-01-01 00:00:00 UTC\n"
    assert trail.audit("list", "--since", "soon").status == 2
    assert trail.told("list", "--event-type", "NOTHING") == []
    assert trail.audit("list", "--event-type", "NOTHING").err == "no entries of type NOTHING\n"
    close = trail.audit("list", "--key", "orders-2026", "--event-type", "version_activate").err
    assert close.startswith("no entries of type version_activate about key orders-2026; did you mean VERSION_ACTIVATED")
    said = trail.audit("list", "--limit", 2)
    assert (said.status, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()] == ["SEQUENCE", *map(str, sequences[:2])]
    assert [line[54:] for line in said.out.splitlines()] == ["ABOUT", "Root key taken out of the…", "orders-2026"]
    assert max(map(len, said.out.splitlines())) <= 80
    monkeypatch.setattr("kms_schema.cli.streams.width", lambda: 60)
    narrow = trail.audit("list", "--limit", 2).out.splitlines()
    assert (max(map(len, narrow)) <= 60, narrow[-1]) == (True, f"{'':9}orders-2026")
    proof = json.loads(trail.audit("prove", sequences[1]).out)
    assert json.dumps(sequences[1]) in json.dumps(proof)
    missing = trail.audit("list", "--key", "nobody")
    assert (missing.status, "there is no key named 'nobody'" in missing.error) == (1, True)
    assert "audit list shows them" in trail.audit("prove", "KEY_ROTATED").error


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        (("--metadata", "[1]"), 2, "a JSON object"),
        (("--metadata", '{"n": NaN}'), 2, "a JSON object"),
        (("--risk-score", "101"), 2, "101"),
        (("--category", "OTHER"), 2, "OTHER"),
        (("--key-id", "nobody"), 1, "there is no key named 'nobody'; kms-schema keys list shows the names"),
        (("--event-type", "x" * 51), 1, "the database refuses the entry"),
        (("--event-type", " "), 2, "--event-type is empty"),
    ],
    ids=["no object", "no number", "risk", "category", "no key", "long", "blank"],
)
def test_an_entry_that_is_refused_leaves_nothing(trail: Trail, given: tuple[str, str], status: int, says: str) -> None:
    done = trail.audit("append", *ENTRY, *given)
    assert (done.status, done.out) == (status, "")
    assert says in done.error
    with closing(trail.database.connect()) as connection:
        assert execute(connection, "SELECT count(*) FROM key_audit_logs").fetchone() == (1,)


COMMANDS = ("seal", "status", "verify", "checkpoint", "prove 1", "consistency 1 2")


def test_a_database_at_005_is_told_to_be_upgraded_in_one_sentence(database: Database, tmp_path: Path) -> None:
    database.alembic("downgrade", "005")
    trail = trail_of(database, tmp_path)
    for command in COMMANDS:
        done = trail.audit(*command.split())
        assert (done.status, done.out) == (3, "")
        assert "no table" in done.error
        assert "key_audit_seals: bring the database up to date (kms-schema upgrade)" in done.error
    assert trail.audit("append", *ENTRY).status == 0, "entries need no seals"


def test_an_empty_database_has_no_trail_to_write_to(empty_database: Database, tmp_path: Path) -> None:
    trail = trail_of(empty_database, tmp_path)
    with closing(empty_database.connect()) as connection:
        execute(connection, "CREATE TABLE of_others (id integer)")
    done = trail.audit("append", *ENTRY)
    assert done.status == 3
    assert "key_audit_logs: bring the database up to date" in done.error


def test_where_nothing_is_there_to_connect_to_it_exits_3(tmp_path: Path) -> None:
    for command in (*COMMANDS, "append --event-type X --category SECURITY --description X"):
        for url in (f"sqlite:///{tmp_path / 'none.db'}", "postgresql://kms:secret-word@127.0.0.1:1/kms"):
            done = kms_schema("audit", *command.split(), url=url)
            assert done.status == 3
            assert done.error
            assert "secret-word" not in done.all
    assert not list(tmp_path.iterdir())


def test_status_says_what_is_sealed_and_what_is_not(trail: Trail) -> None:
    said = trail.told("status")
    assert (said["last_seal"], said["unsealed"], said["oldest_unsealed"]["sequence"]) == (None, 1, 1)
    kept = trail.seal()
    assert (trail.told("status")["unsealed"], trail.told("status")["oldest_unsealed"]) == (0, None)
    trail.write(3)
    said = trail.told("status")
    assert (said["last_seal"]["number"], said["last_seal"]["entries"], said["unsealed"]) == (1, 1, 3)
    assert said["last_seal"]["checkpoint"] == kept.read_text(encoding="utf-8")
    assert said["last_seal"]["signed_by"] == str(trail.key.verifier)
    assert 0 <= said["oldest_unsealed"]["age_seconds"] < 60
    text = trail.audit("status").out
    assert f"unsealed entries: 3\nthe oldest: {said['oldest_unsealed']['id']}, sequence 2" in text
    assert max(map(len, text.splitlines())) <= 80


def test_status_exits_1_beyond_a_limit(trail: Trail) -> None:
    trail.seal()
    trail.write(3)
    assert trail.audit("status", "--max-lag", 3, "--max-age", 600).status == 0
    done = trail.audit("status", "--max-lag", 2)
    assert (done.status, done.out.splitlines()[-1]) == (1, "unsealed entries: 3, more than --max-lag 2")
    done = trail.audit("status", "--max-age", 0)
    assert done.status == 1
    assert "more than --max-age 0" in done.out
    assert trail.told("status", "--max-age", 0)["limits_passed"]
    trail.seal()
    assert trail.audit("status", "--max-lag", 0, "--max-age", 0).status == 0
