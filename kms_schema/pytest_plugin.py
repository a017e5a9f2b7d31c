"""A plugin for pytest: a project that uses this schema asserts in its own tests that its database has it.

    def test_the_database_has_the_schema(kms_schema_matches):
        ...                                              # it would not get here if it had not

Which database that is, the project says by a fixture `kms_schema_connection` (an idle psycopg or sqlite3
connection), or by a URL: `--kms-database-url`, `kms_database_url` in pytest's configuration, `KMS_DATABASE_URL`.

pytest loads this module in every run where the package is installed. It imports nothing else of the package
until a fixture is asked for.
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
    "which database has to have the schema? Define a fixture kms_schema_connection that gives an idle psycopg or"
    " sqlite3 connection, or give a URL: --kms-database-url, kms_database_url in pytest's configuration, or"
    " KMS_DATABASE_URL"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what says which database is meant, and what is accepted of it."""
    group = parser.getgroup("kms-schema", "kms-schema: does the database have the schema?")
    group.addoption("--kms-database-url", metavar="URL", help="the database that kms_schema_matches looks at")
    parser.addini("kms_database_url", "the database that kms_schema_matches looks at")
    parser.addini("kms_schema_name", "the PostgreSQL schema of its tables", default="public")
    parser.addini("kms_version_table", "Alembic's table of this history", default="alembic_version")
    parser.addini("kms_waivers", "a file of accepted findings, relative to this configuration", type="paths")


@pytest.fixture
def kms_schema_connection(request: pytest.FixtureRequest) -> "Iterator[DatabaseConnection]":
    """An idle connection to the database that has to have the schema; define this fixture to use your own."""
    url = (
        request.config.getoption("kms_database_url")
        or request.config.getini("kms_database_url")
        or os.environ.get("KMS_DATABASE_URL")
    )
    if not url:
        pytest.fail(_NO_DATABASE, pytrace=False)
    from click import ClickException

    from kms_schema.cli.validate import connected
    from kms_schema.database_url import DatabaseUrlError

    reason = ""
    try:
        with connected(str(url)) as connection:
            yield connection
    except DatabaseUrlError as error:
        reason = str(error)
    except ClickException as error:
        reason = error.format_message()
    if reason:
        pytest.fail(reason, pytrace=False)


@pytest.fixture
def kms_schema_report(request: pytest.FixtureRequest, kms_schema_connection: "DatabaseConnection") -> "Report":
    """What the validator finds in that database, for assertions of your own; it fails nothing by itself."""
    config = request.config
    names = {"schema": config.getini("kms_schema_name"), "version_table": config.getini("kms_version_table")}
    return _report(kms_schema_connection, config.getini("kms_waivers"), **names)


@pytest.fixture
def kms_schema_matches(kms_schema_report: "Report") -> "Report":
    """Fail unless that database has exactly this schema; the message is the report."""
    _fail_unless_as_made(kms_schema_report)
    return kms_schema_report


def assert_schema_matches(connection: "DatabaseConnection", **options: Any) -> "Report":
    """Fail the test unless the database behind `connection` has exactly this schema.

    Takes the options of `kms_schema.validate`, and returns its report.
    """
    __tracebackhide__ = True
    report = _report(connection, (), **options)
    _fail_unless_as_made(report)
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
        reason = f"the schema could not be checked: {error}"
    pytest.fail(reason, pytrace=False)


def _fail_unless_as_made(report: "Report") -> None:
    __tracebackhide__ = True
    if report.fails():
        from kms_schema.validator.formats import render

        pytest.fail(render(report), pytrace=False)
