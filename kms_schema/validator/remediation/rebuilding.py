"""SQL that rebuilds a table of SQLite, whose ALTER TABLE changes neither columns nor constraints.

The steps are those of https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".
"""

from collections.abc import Mapping

from kms_schema.text.identifiers import always_quoted, quoted
from kms_schema.validator.catalog.attributes import Objects, kind_and_name

_NEW = "kms_made_anew"


def rebuild(table: str, expected: Objects, actual: Objects, renamed: Mapping[str, str] | None = None) -> str:
    """Return SQL that rebuilds `table` as expected, with its rows, indexes, triggers and views.

    `renamed` has the actual names of renamed columns, by their expected names.
    """
    columns = expected[f"table {table}"]["columns"]
    kept = {column: column for column in columns if f"column {table}.{column}" in actual} | dict(renamed or {})
    into, source = (", ".join(map(always_quoted, names)) for names in (kept, kept.values()))
    lines = [f'"{column}" {expected[f"column {table}.{column}"]["definition"]}' for column in columns]
    attached: list[str] = []
    for key, attributes in expected.items():
        kind, name = kind_and_name(key)
        if attributes.get("table") == table and kind == "constraint":
            lines.append(_constraint(name.partition(".")[2], attributes["definition"]))
        elif attributes.get("table") == table and kind in {"index", "trigger"}:
            attached.append(_named(attributes["definition"], name.rpartition(".")[2]))
    options = expected[f"table {table}"].get("options", "")
    return " ".join(
        [
            "PRAGMA foreign_keys = off; BEGIN IMMEDIATE;",
            f"CREATE TABLE {_NEW} ({', '.join(lines)}) {options};",
            f'INSERT INTO {_NEW} ({into}) SELECT {source} FROM "{table}"; DROP TABLE "{table}";',
            f'PRAGMA legacy_alter_table = on; ALTER TABLE {_NEW} RENAME TO "{table}";',
            *attached,
            "PRAGMA legacy_alter_table = off; COMMIT;",
        ]
    )


def _constraint(name: str, definition: str) -> str:
    """Return the text of a constraint; one without a name has its text as key."""
    return definition if name.startswith("(") else f'CONSTRAINT "{name}" {definition}'


def _named(definition: str, name: str) -> str:
    return definition.replace("{name}", quoted(name), 1).rstrip(";") + ";"
