"""`kms-schema check`: the convention of Nagios plugins, in status, line and performance data."""

import re
import time
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.audit.storage.operation_records import record_operation
from kms_schema.monitoring import take_snapshot
from kms_schema.monitoring.conditions import CONDITIONS, judge
from kms_schema.monitoring.names import Part
from kms_schema.vocabulary import HsmHealth, RecordedOperation
from support.engines import Database
from support.programs.commands import Said, kms_schema
from support.rows.smallest import hsm_configuration, insert, now
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.trails import seal_all
from tests.monitoring.promtool_files import ALERTS
from tests.monitoring.states import fill
from tests.rotations.setups import DAY, HOUR

DATA = re.compile(r"[a-z-]+=-?[0-9.e+]+s?;(@[~0-9.e+]*:[0-9.e+]*)?;(@[~0-9.e+]*:[0-9.e+]*)?")


def check(database: Database, *arguments: str) -> Said:
    said = kms_schema("check", *arguments, url=database.url)
    assert said.err == ""
    text, bar, data = said.out.rstrip("\n").partition(" | ")
    assert "\n" not in text
    assert bar == "" or all(DATA.fullmatch(each) for each in data.split(" ")), data
    return said


def test_a_new_database_is_ok_and_each_condition_has_its_status(database: Database) -> None:
    said = check(database)
    assert (said.status, said.out[:8]) == (0, "KMS OK -"), said.out
    with closing(database.connect()) as connection:
        fill(connection)
        said = check(database)
        assert (said.status, said.out[:14]) == (2, "KMS CRITICAL -"), said.out
        for expected in (
            "6.0 days until the next active key expires (expiry WARNING)",
            "1 active key has expired (expired CRITICAL)",
            "1 key is overdue for rotation (overdue WARNING)",
            "3 failed attempts to rotate a key (failures CRITICAL)",
            "1 rotation has an expired lease (leases WARNING)",
            "1 HSM in use is DEGRADED (hsm-degraded WARNING)",
            "0.95 of its limit is used by a key (usage WARNING)",
            "1 CRITICAL entry in the last hour (critical-entries CRITICAL)",
        ):
            assert expected in said.out, expected
        off = [f"--crit={each.name}=off" for each in CONDITIONS]
        assert check(database, *off).status == 1
        assert check(database, *off, *(f"--warn={each.name}=off" for each in CONDITIONS)).status == 0
        for limit, status in (("600000", 2), ("6d23h", 2), ("5d", 1)):
            assert check(database, *off, f"--crit=expiry={limit}").status == status
        execute(connection, "UPDATE hsm_configurations SET is_active = false")
        assert "hsm-degraded=0;" in check(database).out


def test_what_cannot_be_read_is_unknown_and_never_ok(database: Database) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "ALTER TABLE hsm_configurations RENAME TO elsewhere")
        said = check(database)
        assert said.status == 3
        assert re.match(r"KMS UNKNOWN - hsms cannot be read: .*hsm_configurations", said.out)
        assert "hsm-offline=" not in said.out
        execute(connection, "ALTER TABLE elsewhere RENAME TO hsm_configurations")
        assert check(database).status == 0
        for limit in ("nan", "inf"):
            assert check(database, f"--crit=unsealed={limit}").status == 3


def test_a_database_without_the_schema_is_one_reason(database: Database, tmp_path: Path) -> None:
    if database.dialect == "sqlite":
        (tmp_path / "empty.db").touch()
        said = kms_schema("check", url=f"sqlite:///{tmp_path / 'empty.db'}")
    else:
        said = kms_schema("check", "--schema", "elsewhere", url=database.url)
    assert (said.status, said.out.count("read: "), said.out.count("\n")) == (3, 1, 1)
    assert "no part can be read: " in said.out


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--database-url", "postgresql://monitor:k3pt-to-myself@127.0.0.1:1/kms"],
        ["--database-url", "sqlite:////nowhere/kms.db"],
        ["--database-url", "nonsense"],
        ["--warn", "expiri=1"],
        ["--warn", "expiry=soon"],
        ["--warn", "overdue=15m"],
        ["--unknown"],
        ["--schema", ""],
    ],
    ids=" ".join,
)
def test_every_error_is_status_3_without_a_secret(arguments: list[str]) -> None:
    said = kms_schema("check", *arguments)
    assert (said.status, said.out.startswith("KMS UNKNOWN - ")) == (3, True), said.all
    assert "k3pt-to-myself" not in said.all
    assert "Traceback" not in said.all


def test_a_record_of_a_seal_that_is_not_there_is_no_publication_of_the_last_one(database: Database) -> None:
    with closing(database.connect()) as connection:
        seal_all(connection)
        for seal, late in ((1, False), (2**63 - 1, True)):
            record_operation(connection, RecordedOperation.PUBLICATION, f"kms.example/{seal}", seal_number=seal)
            time.sleep(0.01)  # SQLite counts milliseconds
            found = {each.condition.name: each.value for each in judge(take_snapshot(connection))}["unpublished"]
            assert found is not None
            assert (found > 0) is late


def test_a_record_from_the_future_is_not_the_newest(database: Database) -> None:
    with closing(database.connect()) as connection:
        record_operation(connection, RecordedOperation.VALIDATION, "catalog", findings=(3, 0, 0, 0))
        with triggers_disabled(connection):
            counts = {"errors": 0, "warnings": 0, "infos": 0, "unchecked": 0}
            ahead = {"operation": "VALIDATION", "subject": "catalog", "recorded_at": now() + 9000 * DAY}
            insert(connection, "key_operation_records", **ahead, **counts)
        assert take_snapshot(connection).value("kms_validation_findings", "catalog", "error") == 3


def test_a_validation_of_the_catalog_does_not_end_errors_of_rows(database: Database) -> None:
    def recorded(level: str, errors: int, unchecked: int = 0) -> dict[str, float | None]:
        time.sleep(0.01)  # SQLite counts milliseconds
        findings = (errors, unchecked, 0, unchecked)
        record_operation(connection, RecordedOperation.VALIDATION, level, findings=findings)
        found = {each.condition.name: each.value for each in judge(take_snapshot(connection))}
        return {name: found[f"validation-{name}"] for name in ("errors", "unchecked")}

    with closing(database.connect()) as connection:
        assert recorded("catalog", 2) == {"errors": 2, "unchecked": 0}
        assert recorded("data", 1) == {"errors": 1, "unchecked": 0}, "it includes the catalog"
        assert recorded("catalog", 0) == {"errors": 1, "unchecked": 0}
        assert recorded("data", 0, 5) == {"errors": 0, "unchecked": 5}


def test_an_hsm_in_use_that_is_not_checked_has_a_condition(database: Database) -> None:
    with closing(database.connect()) as connection:
        for name, over in {
            "never": {},
            "stale": {"health_status": HsmHealth.HEALTHY, "last_health_check": now() - 2 * HOUR},
            "fresh": {"health_status": HsmHealth.HEALTHY, "last_health_check": now() - HOUR / 2},
            "offline": {"health_status": HsmHealth.OFFLINE, "last_health_check": now() - 2 * HOUR},
            "disabled": {"is_active": False},
        }.items():
            insert(connection, "hsm_configurations", **hsm_configuration(configuration_name=name, **over))
        said = check(database, "--crit", "hsm-offline=off")
        assert (said.status, said.out[:71]) == (
            1, "KMS WARNING - 2 HSMs in use were not checked in the last hour (hsm-unch",
        )  # fmt: skip


CONDITION_OF_ALERT = {
    "KmsKeyExpiresIn30Days": "expiry", "KmsKeyExpiresIn7Days": "expiry", "KmsKeyExpiresIn1Day": "expiry",
    "KmsKeyExpired": "expired", "KmsKeyNearLimit": "usage", "KmsKeyAtLimit": "usage", "KmsRotationOverdue": "overdue",
    "KmsRotationWaiting": "waiting", "KmsRotationFailing": "failures", "KmsRotationLeaseExpired": "leases",
    "KmsEntriesUnsealed": "unsealed", "KmsNoPublication": "unpublished", "KmsNoCosignature": "cosignature",
    "KmsRetentionLate": "retention", "KmsCriticalEntries": "critical-entries", "KmsHighRiskEntries": "high-risk",
    "KmsAnomalies": "anomalies", "KmsHsmOffline": "hsm-offline", "KmsHsmDegraded": "hsm-degraded",
    "KmsHsmNotChecked": "hsm-unchecked", "KmsValidationOld": "validation", "KmsValidationErrors": "validation-errors",
    "KmsValidationIncomplete": "validation-unchecked", "KmsDashboardStale": "dashboard",
}  # fmt: skip
WITHOUT_CONDITION = {
    "KmsNoSeal": "its entries are those of the condition unsealed",
    "KmsLogGrowth": "it compares with metrics of the week before, which only Prometheus has",
    "KmsExporterAbsent": "there is no exporter",
    "KmsCollectorFailed": "a part that fails is UNKNOWN",
    "KmsMetricsOld": "nothing is kept",
    "KmsSeriesOmitted": "the conditions use the counts of all keys, and the first ones of each state",
}
"""The alerts that `check` has no condition for, with the reasons."""


def test_each_alert_has_a_condition_or_a_reason_for_none() -> None:
    assert set(ALERTS) == CONDITION_OF_ALERT.keys() | WITHOUT_CONDITION.keys()
    assert not CONDITION_OF_ALERT.keys() & WITHOUT_CONDITION.keys()
    assert set(CONDITION_OF_ALERT.values()) == {each.name for each in CONDITIONS}


def test_each_condition_names_parts_of_the_snapshot() -> None:
    assert {part for each in CONDITIONS for part in each.parts} <= set(Part)
