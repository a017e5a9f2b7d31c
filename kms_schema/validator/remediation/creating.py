"""CREATE statements for objects that PostgreSQL's catalog has in parts, and SQL that rebuilds a table of SQLite."""

from collections.abc import Mapping

from kms_schema.text.identifiers import always_quoted, literal, quoted
from kms_schema.validator.catalog.attributes import Attributes, Objects, kind_and_name
from kms_schema.validator.remediation.altering import sequence_words

_USUAL_COST = 100


def create_sequence(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates a sequence that continues after the numbers in use."""
    sequence = f"{quoted(schema)}.{quoted(name)}"
    create = f"CREATE SEQUENCE {sequence} {sequence_words(schema, attributes)};"
    table, _, column = attributes.get("owned_by", "").partition(".")
    if not table:
        return create
    last = f"SELECT coalesce(max({quoted(column)}), 0) + 1 FROM {quoted(schema)}.{quoted(table)}"
    return f"{create} SELECT setval('{sequence}', ({last}), false);"


def create_policy(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates a policy of row-level security."""
    roles = ", ".join(map(quoted, attributes["roles"]))
    conditions = (("USING", attributes.get("using")), ("WITH CHECK", attributes.get("check")))
    clauses = "".join(f" {word} ({condition})" for word, condition in conditions if condition is not None)
    table = f"{quoted(schema)}.{quoted(attributes['table'])}"
    return f"CREATE POLICY {quoted(name.partition('.')[2])} ON {table} FOR {attributes['command']} TO {roles}{clauses};"


def create_function(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates or replaces a function."""
    if "definition" in attributes:
        return f"{attributes['definition']};"
    words = [
        attributes["volatility"],
        "SECURITY DEFINER" if attributes["security_definer"] else "",
        "STRICT" if attributes.get("strict") else "",
        "LEAKPROOF" if attributes.get("leakproof") else "",
        "" if attributes["parallel"] == "UNSAFE" else f"PARALLEL {attributes['parallel']}",
        "" if attributes["cost"] == _USUAL_COST else f"COST {attributes['cost']}",
    ]
    words += [_set(setting) for setting in attributes.get("settings", ())]
    head = f"CREATE OR REPLACE FUNCTION {quoted(schema)}.{quoted(name.partition('(')[0])}({attributes['arguments']})"
    options = " ".join([f"LANGUAGE {attributes['language']}", *(word for word in words if word)])
    return f"{head} RETURNS {attributes['returns']} {options} AS $kms${attributes['body']}$kms$;"


def _set(setting: str) -> str:
    """Return the SET clause of a setting: `search_path` is a list, anything else one value."""
    name, _, value = setting.partition("=")
    if name != "search_path":
        value = literal(value)
    return f"SET {name} = {value}"


_NEW = "kms_made_anew"


def rebuild(table: str, expected: Objects, actual: Objects, renamed: Mapping[str, str] | None = None) -> str:
    """Return SQL that rebuilds a table of SQLite, whose ALTER TABLE changes neither columns nor constraints.

    The table is as expected afterwards, with its rows, indexes, triggers and views. The steps are those of
    https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes". `renamed` has the actual
    names of renamed columns, by their expected names.
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
