"""Rows of `sqlite_schema` that SQLite would not have written are findings, whatever SQLite makes of them."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema import validate
from kms_schema.validator import Report
from kms_schema.validator.catalog.sqlite_reader import reading
from support.engines import Database
from support.programs.commands import kms_schema
from tests.validator.sqlite_catalogs import write

pytestmark = pytest.mark.only_on("sqlite")

SWALLOW = "BEFORE INSERT ON key_audit_logs BEGIN SELECT RAISE(IGNORE); END"
TRIGGER = f"CREATE TRIGGER mutated {SWALLOW}"
# ruff: noqa: S608  (every statement here is of these constants)
HOST = f"""{TRIGGER}; CREATE TABLE host (a TEXT UNIQUE, b TEXT); CREATE INDEX by_b ON host (b);
CREATE VIEW shown AS SELECT a FROM host; CREATE INDEX by_user ON key_audit_logs (user_id)"""
OWN = "prevent_key_audit_log_update"
AS_BLOB = "CAST({0} AS BLOB)"
OF_TEXT = (
    "upper({0})", "{0} || char(0)", "{0} || char(0) || 'x'", AS_BLOB, "NULL", "''", "'other'", "{0} || ' '", "17",
)  # fmt: skip
OF_SQL = (
    "lower({0})", "' ' || {0}", "replace({0}, 'CREATE ', 'CREATE  ')", "replace({0}, 'CREATE ', 'CREATE/**/')",
    "{0} || ';'", "{0} || '; SELECT 1'", "{0} || char(0)", "{0} || char(0) || 'x'", AS_BLOB, "NULL", "''", "'SELECT 1'",
    "'CREATE VIEW other AS SELECT 1'", "'create'", "{0} || ' --'",
)  # fmt: skip
OF_TRIGGER = (
    "replace({0}, 'CREATE ', 'CREATE TEMP ')", "replace({0}, 'GGER ', 'GGER IF NOT EXISTS ')",
    "replace({0}, 'GGER ', 'GGER main.')", "replace({0}, ' ON key_audit_logs', ' ON key_masters')",
    "replace({0}, 'mutated', '\"mutated \"')", "replace({0}, ' ON key_audit_logs', ' ON KEY_AUDIT_LOGS')",
)  # fmt: skip
OF_ROOT = ("0", "1", "2", "-1", "NULL", "'x'", "3.5", "9999999", "x'33'", "(SELECT max(rootpage) FROM sqlite_schema)")
WRITTEN = {("by_b", "sql", "{0} || ' --'"), ("host", "sql", "{0} || ' --'"), ("mutated", "rootpage", "0")}
"""Values that SQLite itself could have written."""


def changes() -> Iterator[str]:
    """Yield statements that write a row as SQLite would not."""
    columns = {"type": OF_TEXT, "name": OF_TEXT, "tbl_name": OF_TEXT, "rootpage": OF_ROOT, "sql": OF_SQL}
    for name in ("mutated", OWN, "by_b", "host"):
        for column, values in columns.items():
            more = OF_TRIGGER if name == "mutated" and column == "sql" else ()
            for value in (*values, *more)[:: 3 if name == OWN else 1]:
                if (name, column, value) not in WRITTEN and not (name == OWN and column == "rootpage"):
                    yield f"UPDATE sqlite_schema SET {column} = {value.format(column)} WHERE name = '{name}'"
    autoindex = "WHERE name = 'sqlite_autoindex_host_1'"
    yield f"UPDATE sqlite_schema SET tbl_name = 'HOST' {autoindex}"
    yield f"UPDATE sqlite_schema SET sql = 'CREATE INDEX sqlite_autoindex_host_1 ON host (a)' {autoindex}"
    insert = "INSERT INTO sqlite_schema SELECT"
    yield (
        f"{insert} type, name, tbl_name, rootpage, replace(sql, 'GGER ', 'GGER IF NOT EXISTS ')"
        " FROM sqlite_schema WHERE name = 'mutated'"
    )
    yield f"{insert} * FROM sqlite_schema WHERE name = 'host'"
    yield (
        f"{insert} 'trigger', 'sqlite_x', tbl_name, 0, replace(sql, 'mutated', 'sqlite_x')"
        " FROM sqlite_schema WHERE name = 'mutated'"
    )
    yield (
        f"{insert} 'table', 'copied', 'copied', rootpage + 1, 'CREATE TABLE copied AS SELECT * FROM host'"
        " FROM sqlite_schema WHERE name = 'host'"
    )


def opened(file: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(file, isolation_level=None))


def odd(report: Report) -> list[tuple[str, str]]:
    return [(each.code, each.actual) for each in report.findings if each.code in {"KMS146", "KMS147"}]


@pytest.fixture
def file(database: Database) -> Path:
    """Return a migrated file with objects of a host."""
    with closing(database.connect()) as connection:
        connection.executescript(HOST)
    return Path(database.url.partition("///")[2])


def outcome(copy: Path) -> str:
    """Return what becomes of a file: SQLite refuses it, or its row is found, and fixed where its text says how."""
    with opened(copy) as connection:
        try:
            with reading(connection) as reader:
                (*_, fix), *others = reader.odd_rows()
        except sqlite3.DatabaseError as error:
            return "refused" if "malformed" in str(error) else str(error)
        except ValueError:
            return "missed"
        if fix is None or others:
            return "found"
        connection.executescript(fix)
        with reading(connection) as reader:
            return "not fixed" if [*reader.odd_rows()] else "fixed"


def test_every_row_that_sqlite_would_not_have_written_is_found_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "small.db"
    with opened(file) as connection:
        connection.executescript(f"CREATE TABLE key_audit_logs (user_id); {HOST}; {TRIGGER.replace('mutated', OWN)}")
    copy = tmp_path / "copy.db"
    outcomes: dict[str, list[str]] = {}
    for change in changes():
        shutil.copyfile(file, copy)
        with opened(copy) as connection:
            write(connection, change)
        outcomes.setdefault(outcome(copy), []).append(change)
    assert outcomes.keys() == {"found", "fixed", "refused"}, outcomes
    assert len(outcomes["fixed"]) > 60


@pytest.mark.parametrize(
    ("change", "code", "key"),
    [
        ("tbl_name = tbl_name || char(0) WHERE name = 'mutated'", "KMS142", "trigger key_audit_logs.mutated"),
        ("type = 'TRIGGER' WHERE name = 'mutated'", "KMS142", "trigger key_audit_logs.mutated"),
        ("tbl_name = tbl_name || char(0) WHERE name = 'by_user'", "KMS132", "index by_user"),
        ("type = 'INDEX', tbl_name = 'KEY_AUDIT_LOGS' WHERE name = 'by_user'", "KMS132", "index by_user"),
        (f"type = 'TRIGGER' WHERE name = '{OWN}'", None, OWN),
    ],
    ids=["trigger-nul", "TRIGGER", "index-nul", "INDEX", "of-the-package"],
)  # fmt: skip
def test_a_hidden_object_is_found_and_its_fix_precedes_that_of_the_object(
    file: Path, change: str, code: str | None, key: str
) -> None:
    with opened(file) as connection:
        write(connection, f"UPDATE sqlite_schema SET {change}")
    with opened(file) as connection:
        report = validate(connection)
        assert len(odd(report)) == 1
        assert report.findings[0].code == "KMS146"
        if code is not None:
            assert (code, key) in [(each.code, each.object) for each in report.findings]
        for finding in report.findings:
            connection.executescript(finding.remediation or "")
    with opened(file) as connection:
        assert validate(connection).findings == ()
        with pytest.raises(sqlite3.IntegrityError, match="WORM"):
            connection.execute("UPDATE key_audit_logs SET event_type = 'X'")


def test_the_command_names_the_row(file: Path, database: Database) -> None:
    with opened(file) as connection:
        write(connection, "UPDATE sqlite_schema SET type = 'TRIGGER' WHERE name = 'mutated'")
    said = kms_schema("validate", "--select", "KMS146,KMS901", url=database.url)
    assert said.status == 1
    assert "sqlite_schema: row of the catalog not written by SQLite" in said.out
    assert "trigger mutated: type is 'TRIGGER', where SQLite writes 'trigger'" in said.out
    assert "KMS901" not in said.out
    with opened(file) as connection:
        write(connection, "UPDATE sqlite_schema SET type = 'other' WHERE name = 'by_b'")
    said = kms_schema("validate", url=database.url)
    assert said.status == 3
    assert "malformed database schema (by_b)" in said.err


def test_a_temporary_row_is_judged_as_well(file: Path) -> None:
    with opened(file) as connection:
        connection.execute(f"CREATE TEMP TRIGGER aside {SWALLOW.replace(' ON ', ' ON main.')}")
        assert odd(validate(connection)) == []
        write(connection, "UPDATE temp.sqlite_schema SET type = 'TRIGGER', tbl_name = 'x' || char(0)", schema="temp")
        report = validate(connection)
        assert len(odd(report)) == 1
        assert ("KMS142", "trigger key_audit_logs.temp.aside") in [(each.code, each.object) for each in report.findings]


def test_what_the_library_obeys_without_a_row_is_found(file: Path) -> None:
    with opened(file) as stale, opened(file) as other:
        assert ("KMS142", "trigger key_audit_logs.mutated") in [(f.code, f.object) for f in validate(stale).findings]
        other.execute("PRAGMA writable_schema = on")
        other.execute("DELETE FROM sqlite_schema WHERE name IN ('mutated', 'by_user')")
        assert odd(validate(stale)) == [("KMS147", "index by_user; trigger mutated")]
    with opened(file) as connection:
        assert odd(validate(connection)) == []


def test_what_a_host_creates_is_as_sqlite_writes_it(file: Path) -> None:
    """Forms of statements that SQLite stores in its own way, and what ALTER TABLE, ANALYZE and VACUUM make of them."""
    with opened(file) as connection:
        connection.executescript(
            """
            create table IF NOT EXISTS main."Odd ""one" ([a b] integer primary key autoincrement, `c` TEXT unique) ;
            CREATE TABLE /* c */ 'single' -- c
                (a /* ( */ TEXT, b, PRIMARY KEY (a), UNIQUE (b)) WITHOUT ROWID /* end */ ;
            CREATE TABLE taken AS SELECT a, b AS "b;c" FROM host;
            CREATE UNIQUE INDEX IF NOT EXISTS main."an index" ON HOST (a) WHERE b IS NOT ';';
            CREATE VIEW main.v2 (x) AS SELECT a FROM host -- c
            ; CREATE TRIGGER IF NOT EXISTS main.[t 1] AFTER UPDATE OF a, "b" ON HOST WHEN NEW.a = 'ON x'
            BEGIN SELECT CASE WHEN 1 THEN ';' END; END;
            CREATE TRIGGER t2 INSTEAD OF DELETE ON v2 BEGIN SELECT 1; END /* c */ ;
            CREATE TEMP TABLE aside (a UNIQUE); CREATE TEMP TRIGGER t3 BEFORE DELETE ON main.host BEGIN SELECT 1; END;
            CREATE TEMP TRIGGER t4 BEFORE DELETE ON aside BEGIN SELECT 1; END;
            ALTER TABLE host RENAME TO Hosts; ALTER TABLE Hosts ADD COLUMN c TEXT DEFAULT ';';
            ALTER TABLE Hosts RENAME COLUMN b TO "B b"; ALTER TABLE single RENAME TO "Single 2";
            PRAGMA legacy_alter_table = on; ALTER TABLE taken RENAME TO taken_2; ALTER TABLE hosts RENAME TO H2;
            ANALYZE; VACUUM
            """
        )
        modules = [row[0] for row in connection.execute("PRAGMA module_list")]
        for module in {"fts3", "fts4", "fts5"} & {*modules}:
            connection.execute(f"CREATE VIRTUAL TABLE with_{module} USING {module} (a, b)")
        if "rtree" in modules:
            connection.execute("CREATE VIRTUAL TABLE with_rtree USING rtree (id, low, high)")
        assert odd(validate(connection)) == []


def test_the_index_of_a_constraint_without_a_row_is_an_error(database: Database) -> None:
    with closing(database.connect()) as connection:
        write(connection, "DELETE FROM sqlite_schema WHERE name GLOB 'sqlite_autoindex_[ak]*_v*'")
    with closing(database.connect()) as connection:
        found = {(each.code, each.object): each.actual for each in validate(connection, level="data").findings}
    assert found.get(("KMS147", "table alembic_version")) == "index sqlite_autoindex_alembic_version_1"
    assert found["KMS147", "table key_versions"].count("sqlite_autoindex_key_versions_") > 1
    assert ["malformed" in actual for (code, _), actual in found.items() if code == "KMS520"] == [True]
