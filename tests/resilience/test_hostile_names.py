"""Hostile names of objects: each is found by its name, and the SQL of its fix changes nothing else."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from lxml import etree

from kms_schema import validate
from kms_schema.text.identifiers import quoted
from kms_schema.validator.formats import FORMATS
from support.engines import Database
from support.engines.database import Connection
from support.login_roles import drop_roles
from support.programs.installed import kms_schema
from support.reports import found, run
from tests.resilience.names import HOSTILE, in_quotes
from tests.validator.report_schemas import junit_schema, sarif_validator

pytestmark = pytest.mark.versions("oldest and newest")

Make = Callable[[str], str]

ON_BOTH: dict[str, Make] = {
    "index {}": lambda name: f"CREATE INDEX {name} ON key_audit_logs (user_id)",
    "column key_masters.{}": lambda name: f"ALTER TABLE key_masters ADD COLUMN {name} text",
}
ON_SQLITE: dict[str, Make] = {
    "trigger key_audit_logs.{}": lambda name: (
        f"CREATE TRIGGER {name} BEFORE INSERT ON key_audit_logs BEGIN SELECT 1; END"
    ),
}
ON_POSTGRESQL: dict[str, Make] = {
    "trigger key_audit_logs.{}": lambda name: (
        f"CREATE TRIGGER {name} AFTER INSERT ON key_audit_logs EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ),
    "constraint key_masters.{}": lambda name: f"ALTER TABLE key_masters ADD CONSTRAINT {name} CHECK (true)",
    "rule key_masters.{}": lambda name: f"CREATE RULE {name} AS ON UPDATE TO key_masters DO ALSO NOTHING",
    "policy key_masters.{}": lambda name: f"CREATE POLICY {name} ON key_masters USING (true)",
    "statistics {sql}": lambda name: f"CREATE STATISTICS {name} ON status, key_type FROM key_masters",
    "statistics elsewhere.{sql}": lambda name: (
        f"CREATE STATISTICS elsewhere.{name} ON status, key_type FROM key_masters"
    ),
    "child table elsewhere.{sql}": lambda name: f"CREATE TABLE elsewhere.{name} () INHERITS (key_rotations)",
}
ROLE = "GRANT UPDATE (status) ON key_masters TO {role} WITH GRANT OPTION; GRANT USAGE ON SCHEMA public TO {role}"


def make_all(database: Database, connection: Connection) -> list[str]:
    """Make an object of each kind with each name, and return their keys."""
    on_sqlite = database.dialect == "sqlite"
    if not on_sqlite:
        run(connection, "CREATE SCHEMA elsewhere")
    keys = []
    for key, make in (ON_BOTH | (ON_SQLITE if on_sqlite else ON_POSTGRESQL)).items():
        for name in HOSTILE:
            run(connection, make(in_quotes(name)))
            keys.append(key.replace("{sql}", quoted(name)).replace("{}", name))
    return keys


def test_each_is_found_and_fixed_by_its_name(database: Database) -> None:
    with closing(database.connect()) as connection:
        keys = make_all(database, connection)
        report = validate(connection)
        assert sorted(key for _, key in found(report)) == sorted(keys)
        for finding in report.findings:
            if finding.object in keys:
                assert finding.remediation is not None
                run(connection, finding.remediation)
        assert found(validate(connection)) == []


@pytest.mark.only_on("postgresql")
def test_privileges_of_a_role_with_such_a_name_are_revoked(database: Database) -> None:
    with closing(database.connect()) as connection:
        roles = [f"{name[:40]}{connection.info.dbname}"[-63:] for name in (*HOSTILE, "PUBLIC")]  # type: ignore[union-attr]
        for role in roles:
            run(connection, f"CREATE ROLE {in_quotes(role)}; GRANT UPDATE (status) ON key_masters TO {in_quotes(role)}")
            run(connection, f"GRANT SELECT ON key_audit_logs TO {in_quotes(role)} WITH GRANT OPTION")
        try:
            report = validate(connection)
            assert {code for code, _ in found(report)} == {"KMS302"}
            told = "; ".join(finding.impact for finding in report.findings)
            assert [role for role in roles if f"role {quoted(role)} can now" not in told] == []
            for finding in report.findings:
                if finding.code == "KMS302":
                    assert finding.remediation is not None
                    run(connection, finding.remediation)
            assert found(validate(connection)) == []
        finally:
            drop_roles(connection, *map(in_quotes, roles))


@pytest.mark.versions("newest")
def test_every_format_writes_them_so_that_they_do_no_harm(database: Database) -> None:
    with closing(database.connect()) as connection:
        keys = make_all(database, connection)
    for style in FORMATS:
        done = kms_schema("validate", "--database-url", database.url, "--format", style)
        assert (done.returncode, done.stderr) == (1, "")
        assert [c for c in done.stdout if not c.isprintable() and c not in "\n\t"] == []
        assert "\n::error::a" not in done.stdout
        if style == "json":
            assert {finding["object"] for finding in json.loads(done.stdout)["findings"]} >= set(keys)
        if style == "junit":
            junit_schema().assertValid(etree.fromstring(done.stdout.encode()))
        if style == "sarif":
            assert list(sarif_validator().iter_errors(json.loads(done.stdout))) == []


@pytest.mark.only_on("sqlite")
def test_a_temporary_trigger_and_one_that_is_called_like_it_are_both_found(database: Database) -> None:
    body = "BEFORE INSERT ON key_masters BEGIN SELECT 1; END"
    with closing(database.connect()) as connection:
        run(connection, f'CREATE TEMP TRIGGER x {body}; CREATE TRIGGER "temp.x" {body}')
        assert len(found(validate(connection))) == 2
        for _ in range(2):
            for finding in validate(connection).findings:
                try:
                    run(connection, finding.remediation or "")
                except sqlite3.OperationalError as error:
                    assert "no such trigger" in str(error)  # noqa: PT017  (the other one, by the wrong name)
        assert found(validate(connection)) == []


@pytest.mark.only_on("postgresql")
def test_names_are_quoted_as_the_server_quotes_them(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        words = {word for (word,) in connection.execute("SELECT word FROM pg_get_keywords()")} | {
            *HOSTILE,
            "_",
            "a1",
            "_1",
        }
        asked = 'SELECT quote_ident(word) FROM unnest(%s::text[]) AS w (word) ORDER BY word COLLATE "C"'
        servers = [word for (word,) in connection.execute(asked, [list(words)])]
    ours = [quoted(word) for word in sorted(words)]
    # Quotes more than this server needs are those that another version needs.
    assert [pair for pair in zip(servers, ours, strict=True) if pair[0] != pair[1] and pair[0].startswith('"')] == []
