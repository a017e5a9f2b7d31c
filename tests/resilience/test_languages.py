"""In Turkish the i of PIN in lower case, and that of pin in upper case, are other letters: no rule depends on that."""

import datetime as dt
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

import kms_schema
from kms_schema.audit import RuleName, find_anomalies
from kms_schema.reading.dialects import POSTGRESQL
from support.engines import Database, Engines
from support.engines.postgresql import PostgresqlEngine
from support.rows.smallest import active_key_master, hsm_configuration, insert
from support.statements import execute, refused

CREDENTIALS = "validate_hsm_configuration_credentials"
CALL = re.compile(r"(?<!\{)\b(?:lower|upper)\(")
"""A call. `{lower(x)}` of the reading layer is an expression of the dialect."""
PACKAGE = Path(kms_schema.__file__).parent
ONLY_WITH_ICU, EACH_VERSION = pytest.mark.only_on("postgresql-15"), pytest.mark.versions("all")
"""The one server of `--engines=all` that has languages: 13 has none for databases, and the wheel of 18 none at all."""


@pytest.fixture(scope="module")
def turkish(engines: Engines, engine_name: str) -> Iterator[psycopg.Connection]:
    """A connection to a migrated database whose language is Turkish; for the tests of the module."""
    engine, name = engines[engine_name], f"kms_test_{secrets.token_hex(6)}"
    assert isinstance(engine, PostgresqlEngine)
    with closing(engine.administer()) as administrator:
        execute(
            administrator,
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'"
            " LC_COLLATE 'C' LC_CTYPE 'C'",
        )
        try:
            url = engine.url.set(database=name).render_as_string(hide_password=False)
            made = Database(engine_name, "postgresql", url)
            made.alembic("upgrade", "head")
            with closing(made.connect()) as connection:
                assert isinstance(connection, psycopg.Connection)
                assert execute(connection, "SELECT lower('I')").fetchone() == ("\N{LATIN SMALL LETTER DOTLESS I}",)
                yield connection
        finally:
            execute(administrator, f"DROP DATABASE {name} WITH (FORCE)")


@ONLY_WITH_ICU
@EACH_VERSION
@pytest.mark.parametrize("url", ["pkcs11:token=x?PIN=1234", "https://h/?CREDENTIAL=abc", "https://h/?API_KEY=abc"])
def test_an_address_with_a_secret_is_refused(turkish: psycopg.Connection, url: str) -> None:
    row = hsm_configuration(endpoint_url=url)
    columns = ", ".join(row)
    refused(
        turkish,
        f"INSERT INTO hsm_configurations ({columns}) VALUES ({', '.join(f':{name}' for name in row)})",  # noqa: S608
        row,
        rule=CREDENTIALS,
    )
    with turkish.transaction(force_rollback=True):  # the CHECK behind the trigger refuses it alone, too
        execute(turkish, f"ALTER TABLE hsm_configurations DISABLE TRIGGER {CREDENTIALS}")
        with pytest.raises(psycopg.errors.CheckViolation, match="endpoint_url_has_no_secret"):
            insert(turkish, "hsm_configurations", **row)


@ONLY_WITH_ICU
@EACH_VERSION
def test_an_entry_that_the_database_wrote_is_not_forged(turkish: psycopg.Connection) -> None:
    key = insert(turkish, "key_masters", **active_key_master())
    execute(turkish, "UPDATE key_masters SET security_level = 'MAXIMUM' WHERE id = :id", {"id": key["id"]})
    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    assert find_anomalies(turkish, since, only=[RuleName.FORGED_ENTRY]) == []


def test_no_statement_depends_on_the_language_of_a_database() -> None:
    """Every call of lower() and upper() on PostgreSQL names the collation."""
    files = [path for path in PACKAGE.rglob("*.sql") if "sqlite" not in path.relative_to(PACKAGE).parts]
    texts = {path.name: path.read_text("utf-8") for path in files} | POSTGRESQL.expressions
    calls = [(name, argument) for name, text in texts.items() for argument in arguments(text)]
    assert len(calls) > 10
    assert [each for each in calls if 'COLLATE "C"' not in each[1]] == []


def arguments(text: str) -> Iterator[str]:
    """Return what stands between the parentheses of each call."""
    for call in CALL.finditer(text):
        depth, end = 1, call.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[call.end() : end - 1]
