"""`kms-schema check`: the convention of Nagios plugins, in status, line and performance data."""

import re
from contextlib import closing

import pytest

from kms_schema.monitoring.conditions import CONDITIONS
from kms_schema.monitoring.names import Part
from tests.monitoring.states import fill
from tests.support.engines import Database
from tests.support.programs.commands import Said, kms_schema
from tests.support.statements import execute

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
        assert check(database, *off, "--crit=expiry=600000").status == 2
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


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--database-url", "postgresql://monitor:k3pt-to-myself@127.0.0.1:1/kms"],
        ["--database-url", "sqlite:////nowhere/kms.db"],
        ["--database-url", "nonsense"],
        ["--warn", "expiri=1"],
        ["--warn", "expiry=soon"],
        ["--unknown"],
        ["--schema", ""],
    ],
    ids=" ".join,
)
def test_every_error_is_status_3_without_a_secret(arguments: list[str]) -> None:
    said = kms_schema("check", *arguments)
    assert said.status == 3, said.all
    assert "k3pt-to-myself" not in said.all
    assert "Traceback" not in said.all


def test_each_condition_names_parts_of_the_snapshot() -> None:
    assert {part for each in CONDITIONS for part in each.parts} <= set(Part)
