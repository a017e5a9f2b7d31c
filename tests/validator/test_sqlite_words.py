"""Names and white space are what SQLite takes for them, in the texts of its catalog."""

import re
import sqlite3
from contextlib import closing

import pytest

from kms_schema import validate
from kms_schema.validator.catalog import sqlite_rows
from support.engines import Database
from support.reports import run
from tests.validator.sqlite_catalogs import write

pytestmark = pytest.mark.only_on("sqlite")
# ruff: noqa: S608  (every statement here is of these constants)


def test_a_no_break_space_is_a_letter_as_it_is_for_sqlite(database: Database) -> None:
    """`a \\xa0LEFT JOIN b` is an inner join, whose left side has another name."""
    with closing(database.connect()) as connection:
        ((name, sql),) = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE name = 'key_health_monitor'"
        ).fetchall()
        connection.execute(f"DROP VIEW {name}")
        connection.execute(re.sub(r"moment\s+LEFT JOIN", "moment \xa0LEFT JOIN", sql, count=1))
        assert [(each.code, each.object) for each in validate(connection).findings] == [("KMS163", f"view {name}")]


NAMES = """CREATE TABLE "É" (a UNIQUE); CREATE TABLE "é" (a UNIQUE); CREATE INDEX "\u0130" ON "é" (a);
CREATE INDEX "i\u0307" ON "é" (a); CREATE TRIGGER "Ü" DELETE ON "É" BEGIN SELECT 1; END;
CREATE TRIGGER "ü" DELETE ON "É" BEGIN SELECT 1; END; CREATE TABLE "\u212aey_audit_logs" (a);
CREATE INDEX of_kelvin ON "\u212aey_audit_logs" (a);
CREATE TRIGGER on_kelvin INSERT ON "\u212aey_audit_logs" BEGIN SELECT RAISE(IGNORE); END"""
ATTACHED = """ATTACH ':memory:' AS "X"; ATTACH ':memory:' AS y; CREATE TABLE "X".key_audit_logs (a);
CREATE TABLE y.gone (a);
CREATE TEMP TRIGGER t1 INSERT ON x.key_audit_logs BEGIN SELECT 1; END;
CREATE TEMP TRIGGER t2 INSERT ON gone BEGIN SELECT 1; END; DETACH y"""
NOT_UTF_8 = """CREATE TABLE gr~ (a UNIQUE, b); CREATE INDEX by~ ON gr~ (b); CREATE VIEW v~ AS SELECT 1;
CREATE TRIGGER t~ INSERT ON gr~ BEGIN SELECT 1; END""".replace("~", "zz")
IN_BYTES = ", ".join(
    f"{column} = replace({column}, 'zz', CAST(x'e4' AS TEXT))" for column in ("name", "tbl_name", "sql")
)


@pytest.mark.parametrize("blank", ["\n\x0b", "\ufeff", " \ufeff \x0b"], ids=ascii)
def test_what_sqlite_takes_for_a_blank_hides_no_trigger(database: Database, blank: str) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        try:
            connection.execute(f"SELECT{blank if ' ' in blank else ' ' + blank}1")
        except sqlite3.OperationalError:
            return  # a letter, for an older library
        connection.execute("CREATE TABLE host (a)")
        connection.execute(f"CREATE INDEX by_a ON {blank}host (a)")
        connection.execute(f"CREATE TRIGGER of_host AFTER INSERT ON {blank}host BEGIN SELECT 1; END")
        assert validate(connection).findings == ()
        swallows = "BEGIN SELECT RAISE(IGNORE); END"
        connection.execute(f"CREATE TEMP TRIGGER here BEFORE UPDATE ON {blank}main.key_masters {swallows}")
        connection.execute(f"CREATE TRIGGER there BEFORE UPDATE ON {blank}key_masters {swallows}")
        findings = validate(connection).findings
        assert [(each.code, each.object, each.remediation) for each in findings] == [
            ("KMS142", "trigger key_masters.temp.here", "DROP TRIGGER temp.here;"),
            ("KMS142", "trigger key_masters.there", "DROP TRIGGER there;"),
        ]


def test_a_trigger_of_ours_is_found_whatever_its_text_is_taken_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library says on which table a trigger is."""
    table_of = sqlite_rows._table_of_trigger
    taken = ("", "host")
    monkeypatch.setattr(
        sqlite_rows, "_table_of_trigger", lambda text: taken if "of_this_test" in text else table_of(text)
    )
    with closing(database.connect()) as connection:
        run(
            connection,
            "CREATE TABLE host (a);"
            "CREATE TEMP TRIGGER here BEFORE UPDATE ON main.key_masters BEGIN SELECT 'of_this_test'; END",
        )
        findings = validate(connection).findings
        assert ("KMS147", "table key_masters", "trigger here") in [
            (each.code, each.object, each.actual) for each in findings
        ]


def test_names_are_those_that_sqlite_takes_for_the_same(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.executescript(f"{NAMES}; {NOT_UTF_8}")
        write(connection, f"UPDATE sqlite_schema SET {IN_BYTES} WHERE instr(name || tbl_name, 'zz')")
    with closing(database.connect()) as connection:
        assert validate(connection).findings == ()
        write(connection, "UPDATE sqlite_schema SET tbl_name = tbl_name || char(0) WHERE type = 'view' AND name < 'w'")
    with closing(database.connect()) as connection:
        (of_view,) = [each for each in validate(connection).findings if r"view v\xe4" in each.actual]
        assert of_view.code == "KMS146"
        assert (of_view.remediation or "").startswith("-- manual action:")


def test_temporary_triggers_are_those_of_the_table_that_they_are_on(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.executescript(ATTACHED)
        assert validate(connection).findings == ()
        connection.execute('CREATE TEMP TRIGGER t3 INSERT ON "Main".key_audit_logs BEGIN SELECT RAISE(IGNORE); END')
        assert [each.object for each in validate(connection).findings] == ["trigger key_audit_logs.temp.t3"]
