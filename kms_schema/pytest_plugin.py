"""A plugin for pytest: a host application asserts in its tests that its database has the schema.

    def test_the_database_has_the_schema(kms_schema_matches):
        ...                                              # drift fails the test before this line

The database is that of a fixture `kms_schema_connection` (an idle psycopg or sqlite3 connection), or of a URL:
`--kms-database-url`, `kms_database_url` in pytest's configuration, `KMS_DATABASE_URL`.

pytest loads this module in every run where the package is installed. It imports nothing else of the package
until a fixture is used.
"""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kms_schema.validator import DatabaseConnection, Report

_NO_DATABASE = (
    "there is no database to check: define a fixture kms_schema_connection that returns an idle psycopg or"
    " sqlite3 connection, or set a URL: --kms-database-url, kms_database_url in pytest's configuration, or"
    " KMS_DATABASE_URL"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for the database, and for the waivers."""
    group = parser.getgroup("kms-schema", "kms-schema: compare a database with the expected schema")
    group.addoption("--kms-database-url", metavar="URL", help="the database that kms_schema_matches checks")
    parser.addini("kms_database_url", "the database that kms_schema_matches checks")
    parser.addini("kms_schema_name", "the PostgreSQL schema of its tables", default="public")
    parser.addini("kms_version_table", "Alembic's table of this history", default="alembic_version")
    parser.addini("kms_waivers", "a file of accepted findings, relative to this configuration", type="paths")


@pytest.fixture
def kms_schema_connection(request: pytest.FixtureRequest) -> "Iterator[DatabaseConnection]":
    """An idle connection to the database; define a fixture of this name to use another one."""
    url = (
        request.config.getoption("kms_database_url")
        or request.config.getini("kms_database_url")
        or os.environ.get("KMS_DATABASE_URL")
    )
    if not url:
        pytest.fail(_NO_DATABASE, pytrace=False)
    from click import ClickException

    from kms_schema.cli.connections import connected
    from kms_schema.database.url import DatabaseUrlError
    from kms_schema.validator import ValidationError

    reason = ""
    try:
        with connected(str(url), application="kms-schema validate", refusals=(ValidationError,)) as connection:
            yield connection
    except DatabaseUrlError as error:
        reason = str(error)
    except ClickException as error:
        reason = error.format_message()
    if reason:
        pytest.fail(reason, pytrace=False)


@pytest.fixture
def kms_schema_report(request: pytest.FixtureRequest, kms_schema_connection: "DatabaseConnection") -> "Report":
    """The report of the validator on that database, for other assertions; it fails no test."""
    config = request.config
    names = {"schema": config.getini("kms_schema_name"), "version_table": config.getini("kms_version_table")}
    return _report(kms_schema_connection, config.getini("kms_waivers"), **names)


@pytest.fixture
def kms_schema_matches(kms_schema_report: "Report") -> "Report":
    """Fail if there is drift; the message is the report. Returns the report."""
    _fail_on_drift(kms_schema_report)
    return kms_schema_report


def assert_schema_matches(connection: "DatabaseConnection", **options: Any) -> "Report":
    """Fail the test if the database behind `connection` has drift, and return the report.

    `options` are those of `kms_schema.validate`. The failure has the report, or the reason why there is no
    verdict.

        assert_schema_matches(connection, level="data")
    """
    __tracebackhide__ = True
    report = _report(connection, (), **options)
    _fail_on_drift(report)
    return report


def _report(connection: "DatabaseConnection", waiver_files: "list[Path] | tuple[()]", **options: Any) -> "Report":
    from kms_schema.validator import ValidationError, validate
    from kms_schema.validator.waivers import WaiverError, read_waivers

    __tracebackhide__ = True
    refusals = tuple(sys.modules[driver].Error for driver in ("psycopg", "sqlite3") if driver in sys.modules)
    try:
        if waiver_files:
            options["waivers"] = [waiver for file in waiver_files for waiver in read_waivers(file)]
        return validate(connection, **options)
    except (ValidationError, WaiverError, OSError, *refusals) as error:
        reason = f"no verdict: {error}"
    pytest.fail(reason, pytrace=False)


def _fail_on_drift(report: "Report") -> None:
    __tracebackhide__ = True
    if report.fails():
        from kms_schema.validator.formats import render

        pytest.fail(render(report), pytrace=False)
