"""`kms-schema rotations`, as it is typed: from what is due to what is done, and what is said where it cannot be."""

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.engines import Database
from support.engines.database import Connection
from support.programs.commands import Said, kms_schema
from support.rows import smallest
from support.statements import adapt, execute
from tests.rotations.setups import DAY, HOUR, a_key, a_policy, a_rotation, expire, stored


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as opened:
        yield opened


def rotations(database: Database, *arguments: str) -> Said:
    return kms_schema("rotations", *arguments, url=database.url)


def told(database: Database, *arguments: str) -> Any:
    said = rotations(database, *arguments, "--format", "json")
    assert (said.status, said.err) == (0, ""), said
    return json.loads(said.out)


def test_from_what_is_due_to_what_is_done(database: Database, connection: Connection) -> None:
    policy = a_policy(connection)
    key = a_key(connection)
    (due,) = told(database, "due")["due"]
    assert (due["key_id"], due["reasons"], due["overdue"], due["policy_name"]) == (
        key["key_id"], ["time"], True, policy["policy_name"],
    )  # fmt: skip
    assert dt.datetime.fromisoformat(due["due_at"]).utcoffset() == dt.timedelta(0)
    assert rotations(database, "due").out.splitlines() == [
        f"{key['key_id']}: time; overdue since {due['due_at']}; policy {policy['policy_name']}",
        "1 due",
    ]
    assert told(database, "schedule") == {"scheduled": 1, "retried": 0}
    assert rotations(database, "schedule").out == "0 scheduled, 0 retries\n"
    due_again = rotations(database, "due")
    assert (due_again.out, due_again.err) == ("0 due\n", "")
    claim = told(database, "claim", "--worker", "night-1", "--lease", "60")
    assert (claim["key_id"], claim["details"]["reason"], claim["old_version"]) == (key["key_id"], "time", 1)
    mine = (claim["id"], claim["claimed_by"])
    renewed = told(database, "renew", *mine, "--lease", "7200")
    assert dt.datetime.fromisoformat(renewed["lease_expires_at"]) > smallest.now() + HOUR
    assert rotations(database, "complete", *mine).out == f"rotation {claim['id']} is completed\n"
    assert stored(connection, uuid.UUID(claim["id"]), "status") == ("COMPLETED",)


def test_the_next_key_is_the_first_by_date_beyond_the_notice(database: Database, connection: Connection) -> None:
    assert told(database, "due") == {"due": [], "next": None}
    limits = {"rotation_interval_days": 365, "max_key_age_days": 370, "notify_before_rotation_hours": 24}
    a_policy(connection, policy_name="dek", **limits)
    a_policy(connection, policy_name="tls", key_type="tls", rotation_interval_days=None, max_key_age_days=300)
    ages: dict[str, dict[str, Any]] = {
        "near": {"age": 365 * DAY - 2 * HOUR},  # within the notice, so it is listed above
        "by time": {"age": 200 * DAY},
        "by age": {"age": 220 * DAY, "key_type": "tls"},
        "by expiry": {"age": 2 * DAY, "expires_at": smallest.now() + 60 * DAY},
    }
    keys = {name: a_key(connection, **values) for name, values in ages.items()}
    for name, reason, days in (("by expiry", "expiry", 60), ("by age", "age", 80), ("by time", "time", 165)):
        found = told(database, "due")
        assert [each["key_id"] for each in found["due"]] == [keys["near"]["key_id"]]
        following, policy = found["next"], "tls" if name == "by age" else "dek"
        key = keys[name]["key_id"]
        assert (following["key_id"], following["reason"], following["policy_name"]) == (key, reason, policy)
        due_at = dt.datetime.fromisoformat(following["due_at"])
        assert abs(due_at - smallest.now() - days * DAY) < HOUR
        last = rotations(database, "due").out.splitlines()[-1]
        assert last == f"next: {key} is due at {following['due_at']}, by {reason}; policy {policy}"
        revoke = "UPDATE key_masters SET status = 'revoked', revoked_at = :now, status_reason = 'test' WHERE id = :id"
        values = {"now": adapt(smallest.now(), database.dialect), "id": keys[name]["id"]}
        execute(connection, revoke, values)
        connection.commit()


def test_a_failure_is_told_with_its_retry(database: Database, connection: Connection) -> None:
    a_rotation(connection, max_retries=0)
    a_rotation(connection, scheduled_at=smallest.now())
    for left in (False, True):
        claim = told(database, "claim", "--worker", "night-1")
        failed = told(database, "fail", claim["id"], claim["claimed_by"], "--error", "no quorum")
        assert (failed["next_retry_at"] is not None) is left


def test_nothing_to_claim_is_status_1(database: Database) -> None:
    said = rotations(database, "claim", "--worker", "night-1")
    assert (said.status, said.out) == (1, "nothing to rotate now\n")
    said = rotations(database, "claim", "--worker", "night-1", "--format", "json")
    assert (said.status, json.loads(said.out)) == (1, {})


@pytest.mark.parametrize(
    "command", [("renew",), ("complete",), ("fail", "--error", "late")], ids=lambda words: words[0]
)
def test_who_lost_the_lease_is_told_and_changes_nothing(
    database: Database, connection: Connection, command: tuple[str, ...]
) -> None:
    rotation = a_rotation(connection)
    claim = told(database, "claim", "--worker", "night-1")
    expire(connection, rotation["id"])
    said = rotations(database, command[0], claim["id"], claim["claimed_by"], *command[1:])
    assert said.status == 1
    assert claim["id"] in said.error
    text = rotations(database, "claim", "--worker", "night-1").out
    assert f"taken over from {claim['claimed_by']}" in text
    said = rotations(database, command[0], claim["id"], claim["claimed_by"], *command[1:])
    assert said.status == 1
    assert stored(connection, rotation["id"], "status") == ("RUNNING",)


def test_a_window_is_kept_unless_any_time_is_asked_for(database: Database, connection: Connection) -> None:
    start, end = (f"{smallest.now() + hours * HOUR:%H:%M}" for hours in (2, 3))
    policy = a_policy(connection, rotation_window_start=start, rotation_window_end=end)
    a_rotation(connection, policy_id=policy["id"])
    assert rotations(database, "claim", "--worker", "night-1").status == 1
    assert rotations(database, "claim", "--worker", "night-1", "--any-time").status == 0


def test_a_list_has_what_waits_and_what_is_tried_again(database: Database, connection: Connection) -> None:
    start, end = (f"{smallest.now() + hours * HOUR:%H:%M}" for hours in (2, 3))
    policy = a_policy(connection, rotation_window_start=start, rotation_window_end=end)
    waiting, failing = a_key(connection), a_key(connection)
    a_rotation(connection, waiting, policy_id=policy["id"])
    a_rotation(connection, failing)
    claim = told(database, "claim", "--worker", "night-1")
    running = rotations(database, "list", "--status", "RUNNING").out
    assert running.startswith(f"{failing['key_id']}: running, claimed by {claim['claimed_by']} until ")
    again = told(database, "fail", claim["id"], claim["claimed_by"], "--error", "no quorum")["next_retry_at"]
    listed = rotations(database, "list").out.splitlines()
    of_window = [line for line in listed if line.startswith(f"{waiting['key_id']}: scheduled for ")]
    assert len(of_window) == 1
    assert of_window[0].endswith(f"UTC, in the window {start}-{end} UTC")
    failed = next(line for line in listed if line.startswith(failing["key_id"]))
    assert f"tried again at {again[:19].replace('T', ' ')} UTC: no quorum" in failed
    (document,) = [each for each in told(database, "list", "--status", "FAILED") if each["id"] == claim["id"]]
    assert (document["next_retry_at"], document["window"], document["status"]) == (again, None, "FAILED")
    assert len(told(database, "list", "--limit", "1", "--status", "SCHEDULED")) == 1


def test_versions_are_caught_up_with(database: Database, connection: Connection) -> None:
    a_key(connection)
    assert told(database, "backfill") == {"looked_at": 0}
    a_policy(connection, max_operations=3)
    assert rotations(database, "backfill").out == "1 version checked\n"


@pytest.mark.parametrize(
    "wrong",
    [
        ("claim",),
        ("claim", "--worker", " "),
        ("claim", "--worker", "w", "--lease", "0"),
        ("complete", "no-id", "w"),
        ("schedule", "--round", "0"),
        ("fail", "01a21599-4aa4-77bb-8384-21d56ee991a0", "w"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(database: Database, wrong: tuple[str, ...]) -> None:
    assert rotations(database, *wrong).status == 2


def test_a_database_that_is_not_there_is_status_3(tmp_path: Path) -> None:
    said = kms_schema("rotations", "due", url=f"sqlite:///{tmp_path}/none.db")
    assert (said.status, "upgrade" in said.error) == (3, True)
