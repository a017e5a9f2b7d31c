"""The parts of a snapshot: their values, the series that are there from the start, and what a failed part omits."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.monitoring import Snapshot, take_snapshot
from kms_schema.monitoring.names import BY_NAME, METRICS, Part
from kms_schema.monitoring.parts import keys, trail
from kms_schema.validator import Severity, validate
from kms_schema.vocabulary import KeyType
from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import audit_entry, hsm_configuration, insert, now
from support.statements import execute
from tests.cli.audit_trails import trail_of
from tests.monitoring.states import fill
from tests.rotations.setups import DAY, HOUR, a_key

pytestmark = pytest.mark.versions("oldest and newest")

NEVER_HERE = {"kms_slow_statements", "kms_slowest_statement_average_seconds", "kms_anomaly_timestamp_seconds"}
"""Metrics that have tests of their own."""


def test_every_metric_shows_what_the_database_has(database: Database, tmp_path: Path) -> None:
    log = trail_of(database, tmp_path)
    with closing(database.connect()) as connection:
        state = fill(connection)
        log.seal("--publish", "cat > /dev/null")
        assert log.audit("record", "--witness", "witness.example").status == 0
        assert kms_schema("validate", "--record", "--select", "KMS1", url=database.url).status == 0
        report = validate(connection)
        log.write()
        snapshot = take_snapshot(connection)
    assert snapshot.failures() == {}
    value = snapshot.value
    known = {name: {each.labels for each in samples} for name, samples in snapshot.by_name.items()}
    assert known.keys() | NEVER_HERE >= BY_NAME.keys() - {"kms_collector_skipped_info"}
    assert all(len(labels) == len(BY_NAME[name].labels) for name in known for labels in known[name])

    def of(key: dict[str, object], *more: str) -> tuple[str, ...]:
        return (str(key["id"]), str(key["key_id"]), str(key["key_type"]), *more)

    assert known["kms_key_expiration_timestamp_seconds"] == {of(state.soon), of(state.expired)}
    expires_at = value("kms_key_expiration_timestamp_seconds", *of(state.soon))
    assert expires_at == pytest.approx(state.soon["expires_at"].timestamp())
    assert [value("kms_keys_expiring", kind) for kind in ("dek", "tls")] == [1, 0]
    assert [value("kms_keys_expired_active", kind) for kind in ("dek", "tls")] == [0, 1]
    assert known["kms_key_rotation_overdue"] == {of(state.overdue, "time")}
    assert value("kms_keys_rotation_overdue", "kek", "time") == 1
    assert [value("kms_keys_rotation_due", kind, "time") for kind in ("kek", "dek")] == [1, 0]
    assert value("kms_keys_rotation_due", "dek", "usage") == 1  # the key near its limit
    assert value("kms_key_rotation_failures", *of(state.failing)) == 3
    assert len(known["kms_key_rotation_failures"]) == 1
    assert [value("kms_rotations_open", status) for status in ("SCHEDULED", "RUNNING")] == [1, 1]
    assert [value("kms_rotations_recent", status) for status in ("COMPLETED", "FAILED")] == [1, 3]
    assert value("kms_rotation_duration_average_seconds") == value("kms_rotation_duration_maximum_seconds") == 2.5
    assert value("kms_rotation_leases_expired") == 1
    assert known["kms_key_usage_ratio"] == {of(state.near)}
    assert value("kms_key_usage_ratio", *of(state.near)) == 0.95
    assert value("kms_keys_near_limit", "dek") == 1
    assert value("kms_keys", "kek", "active") == 2
    _hsm_is_shown(snapshot, state.hsm)
    _trail_is_shown(snapshot)
    found = {each: value("kms_validation_findings", "catalog", each) for each in Severity}
    assert found == {each: report.count(each) for each in Severity}, "those of all codes"


def _hsm_is_shown(snapshot: Snapshot, name: str) -> None:
    value, hsm = snapshot.value, (name, "software_simulation")
    health = {each.labels[2]: each.value for each in snapshot.by_name["kms_hsm_health"]}
    assert health == {"HEALTHY": 0, "DEGRADED": 1, "OFFLINE": 0, "UNKNOWN": 0}
    assert (value("kms_hsm_active", *hsm), value("kms_hsm_response_seconds", *hsm)) == (1, 0.25)
    assert value("kms_hsm_provider_operations", "software_simulation") == 0


def _trail_is_shown(snapshot: Snapshot) -> None:
    value = snapshot.value
    for window in ("1h", "24h"):
        assert value("kms_audit_high_risk_entries", window, "CRITICAL") == 1
        assert value("kms_audit_high_risk_entries", window, "LOW") == 1
    assert (value("kms_audit_unsealed_entries"), value("kms_audit_seal_number")) == (1, 1)
    assert value("kms_audit_published_seal_number") == 1
    assert [each.labels for each in snapshot.by_name["kms_audit_cosignature_timestamp_seconds"]] == [
        ("witness.example",)
    ]
    first = value("kms_audit_oldest_entry_timestamp_seconds")
    assert first is not None
    assert value("kms_audit_retention_end_timestamp_seconds") == first + 2555 * 86400
    assert (value("kms_audit_removed_entries_total"), value("kms_audit_removal_incomplete")) == (0, 0)
    for name in (each.name for each in METRICS if each.name.endswith("_timestamp_seconds")):
        if name.split("_")[1] == "audit" and "retention" not in name:
            # The first entry is as old as the template.
            assert all(abs(each.value - time.time()) < 1800 for each in snapshot.by_name[name]), name


def test_counts_are_0_from_the_start_and_times_are_absent(database: Database) -> None:
    with closing(database.connect()) as connection:
        snapshot = take_snapshot(connection)
    shown = {name for name, samples in snapshot.by_name.items() if any(each.value == 0 for each in samples)}
    assert shown >= {
        "kms_keys_expiring", "kms_keys_expired_active", "kms_keys_rotation_due", "kms_keys_rotation_overdue",
        "kms_rotations_open", "kms_rotations_recent", "kms_rotation_leases_expired", "kms_keys_near_limit",
        "kms_audit_high_risk_entries", "kms_hsm_provider_operations", "kms_audit_removed_entries_total",
    }  # fmt: skip
    assert len(snapshot.by_name["kms_keys_expiring"]) == len(KeyType)
    for name in ("kms_audit_seal_timestamp_seconds", "kms_audit_publication_timestamp_seconds", "kms_key_usage_ratio"):
        assert name not in snapshot.by_name
    assert snapshot.value("kms_audit_unsealed_entries") == 1  # system_init


def test_a_part_that_fails_exports_only_that(database: Database) -> None:
    """A failed query that is shown as 0 would be a false all-clear."""
    with closing(database.connect()) as connection:
        execute(connection, "ALTER TABLE hsm_configurations RENAME TO elsewhere")
        snapshot = take_snapshot(connection)
        assert set(snapshot.failures()) == {Part.HSMS}
        assert "hsm_configurations" in snapshot.failures()[Part.HSMS]
        assert snapshot.value("kms_collector_success", "hsms") == 0
        assert [name for name in snapshot.by_name if name.startswith("kms_hsm")] == []
        assert snapshot.value("kms_collector_duration_seconds", "hsms") is None
        for part in Part:
            if part not in (Part.HSMS, Part.STATEMENTS):
                assert snapshot.value("kms_collector_success", part) == 1, part
        execute(connection, "ALTER TABLE elsewhere RENAME TO hsm_configurations")
        assert take_snapshot(connection).failures() == {}


def test_the_number_of_series_is_bounded_and_what_is_left_out_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_SERIES", 2)
    with closing(database.connect()) as connection:
        state = fill(connection)
        columns = "key_id, key_type, algorithm, key_size_bits, status, created_at, activated_at, expires_at"
        for number in range(3):
            execute(
                connection,
                f"INSERT INTO key_masters ({columns}) SELECT 'more-{number}', 'dek', algorithm, key_size_bits, status,"  # noqa: S608
                f" created_at, activated_at, expires_at FROM key_masters WHERE key_id = '{state.soon['key_id']}'",
            )
        snapshot = take_snapshot(connection)
        names = [each.labels[1] for each in snapshot.by_name["kms_key_expiration_timestamp_seconds"]]
        assert (len(names), names[0]) == (3, state.expired["key_id"]), "two of each state, the earliest first"
        assert snapshot.value("kms_collector_omitted_series", "expiry") == 2
        assert snapshot.value("kms_keys_expiring", "dek") == 4
        anonymous = take_snapshot(connection, names=False)
    assert anonymous.failures() == {}
    labels = {each.labels[:2] for name in anonymous.by_name if "key_id" in BY_NAME[name].labels
              for each in anonymous.by_name[name]}  # fmt: skip
    assert labels == {("", "")}
    text = repr(anonymous.by_name)
    assert not [each for each in (state.soon, state.expired, state.failing) if each["key_id"] in text]
    earliest = anonymous.value("kms_key_expiration_timestamp_seconds", "", "", "dek")
    assert earliest == pytest.approx(state.soon["expires_at"].timestamp())
    assert anonymous.value("kms_collector_omitted_series", "expiry") == 0


def test_many_expired_keys_hide_none_that_expires(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_SERIES", 2)
    at = now()
    with closing(database.connect()) as connection:
        for number in range(3):
            a_key(connection, age=9 * DAY, expires_at=at - (number + 1) * DAY)
        last = a_key(connection, age=9 * DAY, expires_at=at + HOUR)
        snapshot = take_snapshot(connection)
    listed = {each.labels[1] for each in snapshot.by_name["kms_key_expiration_timestamp_seconds"]}
    assert (len(listed), last["key_id"] in listed) == (3, True)


def test_many_hsms_hide_none_that_is_offline(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_SERIES", 1)
    with closing(database.connect()) as connection:
        for name, status in (("a", "HEALTHY"), ("b", "OFFLINE")):
            found = {"configuration_name": name, "health_status": status, "last_health_check": now()}
            insert(connection, "hsm_configurations", **hsm_configuration(**found))
        snapshot = take_snapshot(connection)
    assert {each.labels[0] for each in snapshot.by_name["kms_hsm_active"]} == {"b"}


def test_many_entries_of_one_level_hide_none_of_another(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MOST_COUNTED", 2)
    with closing(database.connect()) as connection:
        for level in ("CRITICAL", "HIGH", "HIGH", "HIGH"):
            insert(connection, "key_audit_logs", **audit_entry(security_level=level))
        insert(connection, "key_audit_logs", **audit_entry(event_type="KEY_REVOKED"))
        snapshot = take_snapshot(connection)
    found = [snapshot.value("kms_audit_high_risk_entries", "1h", level) for level in ("CRITICAL", "HIGH", "LOW")]
    assert found == [1, 2, 0]
    last = snapshot.value("kms_audit_high_risk_timestamp_seconds", "CRITICAL")
    newest = snapshot.value("kms_anomaly_timestamp_seconds", "forged-entry")
    assert last is not None
    assert newest is not None
    assert last <= newest < last + 60
    assert len(snapshot.by_name["kms_anomaly_timestamp_seconds"]) == 1


@pytest.mark.only_on("postgresql")
def test_all_parts_see_one_snapshot_and_wait_briefly_for_a_lock(database: Database) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as other:
        execute(other, "BEGIN")
        execute(other, "LOCK TABLE hsm_configurations IN ACCESS EXCLUSIVE MODE")
        [(holder,)] = execute(other, "SELECT pg_backend_pid()").fetchall()
        began = time.monotonic()
        snapshot = take_snapshot(connection)
        assert time.monotonic() - began < 5
        execute(other, "ROLLBACK")
        assert set(snapshot.failures()) == {Part.HSMS}
        assert f"; another session (server process {holder}, " in snapshot.failures()[Part.HSMS]
        assert take_snapshot(connection).failures() == {}


@pytest.mark.only_on("postgresql")
def test_slow_statements_are_absent_with_the_reason(database: Database) -> None:
    with closing(database.connect()) as connection:
        [reason] = [each.labels for each in take_snapshot(connection).by_name["kms_collector_skipped_info"]]
        assert reason == ("statements", "the extension pg_stat_statements is not in this database")
