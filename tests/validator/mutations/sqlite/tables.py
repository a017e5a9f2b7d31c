"""Tables of SQLite, each column and each constraint in what made them."""

import re
import sqlite3

from tests.validator.mutations.kinds import Kind, Row
from tests.validator.mutations.sqlite.rebuilt import (
    having,
    rebuilt_table,
    replaced,
    with_item,
    without_column,
    without_item,
)

DEFAULT = r"DEFAULT (\(.*\)(?= NOT NULL|$)|\S+)"


def _table(name: str, change: object, **more: object) -> Kind:
    return Kind(f"table: {name}", "tables", change, **more)  # type: ignore[arg-type]


def _column(name: str, change: object, **more: object) -> Kind:
    return Kind(f"column: {name}", "columns", change, **more)  # type: ignore[arg-type]


def _constraint(name: str, change: object, **more: object) -> Kind:
    return Kind(f"constraint: {name}", "constraints", change, **more)  # type: ignore[arg-type]


def _may_be_required(row: Row) -> bool:
    return " NOT NULL" not in row["item"] and not row["holds_null"]


def _ours(row: Row) -> bool:
    return bool(row["table"] != "alembic_version")


def _with_rowid(row: Row) -> str:
    return rebuilt_table(row, row["sql"].replace(" WITHOUT ROWID", ""))


def _without_rowid(row: Row) -> str:
    return rebuilt_table(row, row["sql"] + " WITHOUT ROWID")


def _renamed_alone(row: Row) -> str:
    """Rename a column in the text of its table and of what hangs on that, and nowhere else."""
    name = re.compile(rf"(?<!')\b{row['name']}\b(?!')")
    renamed = [name.sub("mutated", text) for text in (row["sql"], *row["attached"])]
    columns = [column for column in row["column_names"] if column != row["name"]]
    return rebuilt_table({**row, "attached": renamed[1:], "column_names": columns}, renamed[0])


def _moved_to_the_end(row: Row) -> str:
    """Put a column behind the last one; what names it elsewhere in the table stays."""
    columns = [item for item in row["items"] if not item.startswith("CONSTRAINT")]
    without = re.sub(r"\s*" + re.escape(row["item"]) + ",", "", row["sql"], count=1)
    return rebuilt_table(row, without.replace(columns[-1], f"{columns[-1]},\n    {row['item']}", 1))


_RENAMED = "ALTER TABLE {table} RENAME TO mutated"
if sqlite3.sqlite_version_info < (3, 38):  # some of these do not find a table in a view's CTE while it is renamed
    _RENAMED = f"PRAGMA legacy_alter_table = on; {_RENAMED}; PRAGMA legacy_alter_table = off"

TABLES = (
    _table("dropped", "DROP TABLE {table}", where=_ours, manual=True),
    _table("renamed", _RENAMED, where=_ours, manual=True),
    _table("with row ids", _with_rowid, where=having("WITHOUT ROWID")),
    _table("without row ids", _without_rowid, where=having("WITHOUT ROWID", present=False)),
    _table(
        "constraint added",
        with_item("CONSTRAINT mutated CHECK (1)"),
        names="constraint {table}.mutated",
    ),
    _table("nameless constraint added", with_item("CHECK (1)"), names="constraint {table}.(CHECK (1))"),
    _table(
        "foreign key to itself added",
        lambda row: with_item(f"CONSTRAINT mutated FOREIGN KEY ({row['first']}) REFERENCES {row['table']}")(row),
        names="constraint {table}.mutated",
    ),
    _table("column added", "ALTER TABLE {table} ADD COLUMN mutated TEXT", names="column {table}.mutated"),
    _table(
        "generated column added",
        "ALTER TABLE {table} ADD COLUMN mutated TEXT GENERATED ALWAYS AS (1) VIRTUAL",
        names="column {table}.mutated",
    ),
)
COLUMNS = (
    _column(
        "dropped",
        without_column,
        where=lambda row: not row["in_primary_key"],
        manual=True,
    ),
    _column("renamed", "ALTER TABLE {table} RENAME COLUMN {quoted} TO mutated", where=lambda row: row["renamable"]),
    _column("renamed in the table alone", _renamed_alone, where=lambda row: not row["holds"]),
    _column("another type", replaced(r"^(\S+) [\w()]+", r"\1 NUMERIC")),
    _column("NOT NULL dropped", replaced(" NOT NULL", ""), where=having(" NOT NULL", "item")),
    _column("NOT NULL added", replaced("$", " NOT NULL"), where=_may_be_required),
    _column("default dropped", replaced(DEFAULT, ""), where=having("DEFAULT", "item")),
    _column("default changed", replaced(DEFAULT, "DEFAULT 7"), where=having("DEFAULT", "item")),
    _column("default added", replaced("$", " DEFAULT 7"), where=having("DEFAULT", "item", present=False)),
    _column("collation", replaced("$", " COLLATE NOCASE")),
    _column("check of its own", replaced("$", " CHECK (1)")),
    _column("unique by itself", replaced("$", " UNIQUE")),
    _column("foreign key of its own", replaced("$", " REFERENCES key_masters (id)")),
    _column(
        "what a conflict does", replaced(" NOT NULL", " NOT NULL ON CONFLICT IGNORE"), where=having("NOT NULL", "item")
    ),
    _column("moved to the end", _moved_to_the_end, where=lambda row: not row["last"], names="table {table}"),
)
CONSTRAINTS = (
    _constraint("dropped", without_item, where=lambda row: not _primary(row)),
    _constraint("renamed", replaced(r"^CONSTRAINT \S+", "CONSTRAINT mutated")),
    _constraint("check that is always true", replaced(r"CHECK \(.*\)$", "CHECK (1)"), where=having("^CHECK", "rule")),
    _constraint(
        "check with an exception", replaced(r"CHECK \((.*)\)$", r"CHECK (\1 OR 1 > 2)"), where=having("^CHECK", "rule")
    ),
    _constraint(
        "what a conflict does", replaced("$", " ON CONFLICT REPLACE"), where=having("^(PRIMARY|UNIQUE)", "rule")
    ),
    *(
        _constraint(
            f"foreign key {words} {action}",
            replaced(rf"{words} (RESTRICT|SET NULL|CASCADE|NO ACTION)", f"{words} {action}"),
            where=lambda row, words=words, action=action: (
                words in row["rule"] and f"{words} {action}" not in row["rule"]
            ),
        )
        for words in ("ON DELETE", "ON UPDATE")
        for action in ("CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT")
    ),
    _constraint(
        "foreign key deferred",
        replaced("$", " DEFERRABLE INITIALLY DEFERRED"),
        where=having("^FOREIGN(?!.*DEFERRABLE)", "rule"),
    ),
)


def _primary(row: Row) -> bool:
    return bool(row["rule"].startswith("PRIMARY"))
