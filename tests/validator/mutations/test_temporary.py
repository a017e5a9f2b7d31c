"""What a connection of SQLite has for itself alone can swallow its writes, and is found through this connection."""

from contextlib import closing

import pytest

from kms_schema import validate
from support.engines import Database
from support.reports import found, report_on
from tests.validator.mutations.kinds import run

SWALLOW = "BEFORE INSERT ON main.key_audit_logs BEGIN SELECT RAISE(IGNORE); END"


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (f"CREATE TEMP TRIGGER aside {SWALLOW}", ("KMS142", "trigger key_audit_logs.temp.aside")),
        ("CREATE TEMP TABLE key_audit_logs (id TEXT)", ("KMS102", "table temp.key_audit_logs")),
        ("CREATE TEMP VIEW key_masters AS SELECT 1", ("KMS162", "view temp.key_masters")),
    ],
    ids=["trigger", "table", "view"],
)
def test_what_is_temporary_is_found(database: Database, change: str, finding: tuple[str, str]) -> None:
    with closing(database.connect()) as connection:
        run(connection, change)
        report = validate(connection)
        assert found(report) == [finding]
        run(connection, report.findings[0].remediation or "")
        assert found(validate(connection)) == []


@pytest.mark.only_on("sqlite")
def test_what_a_host_has_for_the_moment_is_its_own_business(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, "CREATE TEMP TABLE basket (id TEXT); CREATE TEMP VIEW totals AS SELECT 1")
        assert found(validate(connection)) == []
    assert found(report_on(database)) == []
