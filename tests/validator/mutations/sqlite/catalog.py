"""Everything in a SQLite file: what `sqlite_schema` says, and each line of what made a table."""

import re
import sqlite3
from collections.abc import Iterator

from kms_schema import snapshots
from tests.validator.mutations.kinds import Row, Rows


def rows_of(connection: sqlite3.Connection) -> Rows:
    """Return what is in the file. SQLite's own tables and the indexes behind constraints are left out."""
    made = connection.execute(
        r"""SELECT type, name, tbl_name, sql FROM sqlite_schema
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid"""
    ).fetchall()
    tables = [_table(connection, name, sql, made) for kind, name, _, sql in made if kind == "table"]
    views = [sql for kind, _, _, sql in made if kind == "view"]
    return {
        "database": [{"key": "revision of the database", "older": snapshots.chain()[-2]}],
        "tables": tables,
        "columns": [column for table in tables for column in _columns(connection, table, views)],
        "constraints": [constraint for table in tables for constraint in _constraints(table)],
        "indexes": [_attached("index", *each) for each in made if each[0] == "index"],
        "triggers": [_attached("trigger", *each) for each in made if each[0] == "trigger"],
        "views": [
            {
                "key": f"view {name}",
                "name": name,
                "sql": sql,
                "triggers": [s for k, _, t, s in made if (k, t) == ("trigger", name)],
            }
            for kind, name, _, sql in made
            if kind == "view"
        ],
    }


def _table(connection: sqlite3.Connection, name: str, sql: str, made: list[tuple[str, str, str, str]]) -> Row:
    attached = [text for kind, _, table, text in made if table == name and kind in {"index", "trigger"}]
    column_names = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({name})")]
    holds = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] > 0  # noqa: S608
    return {
        "key": f"table {name}",
        "table": name,
        "sql": sql,
        "attached": attached,
        "holds": holds,
        "first": column_names[0],
        "items": list(_items(sql)),
        "column_names": column_names,
    }


def _items(sql: str) -> Iterator[str]:
    """Yield each column and constraint of a CREATE TABLE."""
    item, depth, quoted = "", 0, False
    for character in sql[sql.index("(") + 1 : sql.rindex(")")]:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0 and not quoted:
            yield " ".join(item.split())
            item = ""
        else:
            item += character
    yield " ".join(item.split())


def _columns(connection: sqlite3.Connection, table: Row, views: list[str]) -> Iterator[Row]:
    by_name = {re.match(r'"?(\w+)', item)[1]: item for item in table["items"] if not item.startswith("CONSTRAINT")}  # type: ignore[index]
    facts = connection.execute(f"PRAGMA table_xinfo({table['table']})").fetchall()
    for position, name, type_, not_null, default, in_primary_key, _ in facts:
        others = "\n".join(each for each in (*table["items"], *table["attached"], *views) if each != by_name[name])
        yield {
            **table, "quoted": f'"{name}"', "needed": re.search(rf"\b{name}\b", others) is not None,
            "holds_null": _holds_null(connection, table["table"], name),
            "renamable": _renamable(name, views),
            "key": f"column {table['table']}.{name}", "name": name, "item": by_name[name], "type": type_,
            "not_null": not_null, "default": default, "in_primary_key": in_primary_key,
            "last": position == len(facts) - 1,
        }  # fmt: skip


def _constraints(table: Row) -> Iterator[Row]:
    for item in table["items"]:
        if item.startswith("CONSTRAINT"):
            _, name, rule = item.split(" ", 2)
            yield {**table, "key": f"constraint {table['table']}.{name}", "name": name, "item": item, "rule": rule}


def _attached(kind: str, _type: str, name: str, table: str, sql: str) -> Row:
    key = f"index {name}" if kind == "index" else f"trigger {table}.{name}"
    return {"key": key, "name": name, "table": table, "sql": sql}


def _renamable(column: str, views: list[str]) -> bool:
    """Return whether SQLite surely renames a column: it may refuse where a view has one of that name.

    To ask SQLite takes 0.15 s for each column, since it resolves every view again.
    """
    return not any(re.search(rf"\b{column}\b", view) for view in views)


def _holds_null(connection: sqlite3.Connection, table: str, column: str) -> bool:
    query = f'SELECT 1 FROM {table} WHERE "{column}" IS NULL LIMIT 1'  # noqa: S608
    return connection.execute(query).fetchone() is not None
