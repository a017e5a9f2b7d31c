"""CREATE statements for objects that PostgreSQL's catalog has in parts, and SQL that rebuilds a table of SQLite."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from kms_schema.text.identifiers import always_quoted, dollar_quoted, literal, quoted
from kms_schema.validator.catalog.attributes import (
    ROUTINE_KINDS,
    Attributes,
    Objects,
    attached,
    kind_and_name,
    own_name,
    routine,
    split_name,
)
from kms_schema.validator.remediation.altering import sequence_words
from kms_schema.validator.remediation.types import (
    create_composite_type,
    create_domain,
    create_enum,
    create_extension,
)

_USUAL_COST = 100
_USUAL_ROWS = 1000
_LISTS = frozenset({
    "search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries",
})  # fmt: skip
_EMPTY_LIST = '""'


def create_sequence(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates a sequence that continues after the numbers in use."""
    sequence = f"{quoted(schema)}.{quoted(name)}"
    create = f"CREATE SEQUENCE {sequence} {sequence_words(schema, attributes)};"
    table, column = split_name(attributes.get("owned_by", ""))
    if not table:
        return create
    last = f"SELECT coalesce(max({quoted(column)}), 0) + 1 FROM {quoted(schema)}.{quoted(table)}"
    return f"{create} SELECT setval({literal(sequence)}, ({last}), false);"


def create_policy(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates a policy of row-level security."""
    roles = ", ".join(attributes["roles"])
    conditions = (("USING", attributes.get("using")), ("WITH CHECK", attributes.get("check")))
    clauses = "".join(f" {word} ({condition})" for word, condition in conditions if condition is not None)
    table = f"{quoted(schema)}.{quoted(attributes['table'])}"
    restrictive = "" if attributes["permissive"] else " AS RESTRICTIVE"
    head = f"CREATE POLICY {quoted(split_name(name)[1])} ON {table}{restrictive}"
    return f"{head} FOR {attributes['command']} TO {roles}{clauses};"


def create_function(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates or replaces a function, or a procedure, which returns nothing."""
    if "definition" in attributes:
        return f"{attributes['definition']};"
    returns = attributes.get("returns")
    words = [f"LANGUAGE {quoted(attributes['language'])}", *(_behavior(attributes) if returns else ())]
    words += ["SECURITY DEFINER"] * attributes["security_definer"]
    words += [_set(setting) for setting in attributes.get("settings", ())]
    kind = f"FUNCTION {quoted(schema)}" if returns else f"PROCEDURE {quoted(schema)}"
    head = f"CREATE OR REPLACE {kind}.{routine(name)}({attributes['arguments']})"
    options = " ".join([f"RETURNS {returns}", *words] if returns else words)
    body = dollar_quoted(attributes["body"])
    return (
        f"{head} {options} AS {literal(attributes['binary'])}, {body};"
        if "binary" in attributes
        else f"{head} {options} AS {body};"
    )


def _behavior(attributes: Attributes) -> Iterator[str]:
    """Yield the words that only a function has."""
    yield attributes["volatility"]
    yield from ["STRICT"] * bool(attributes.get("strict"))
    yield from ["LEAKPROOF"] * bool(attributes.get("leakproof"))
    yield from [] if attributes["parallel"] == "UNSAFE" else [f"PARALLEL {attributes['parallel']}"]
    yield from [] if attributes["cost"] == _USUAL_COST else [f"COST {attributes['cost']}"]
    if attributes.get("rows", _USUAL_ROWS) != _USUAL_ROWS:
        yield f"ROWS {attributes['rows']}"
    if "support" in attributes:
        yield f"SUPPORT {attributes['support']}"


def create_aggregate(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates an aggregate; `name` has its arguments."""
    return f"CREATE OR REPLACE AGGREGATE {quoted(schema)}.{name} ({attributes['definition']});"


CREATE: Mapping[str, Callable[[str, str, Attributes], str]] = {
    **dict.fromkeys(ROUTINE_KINDS, create_function),
    "aggregate": create_aggregate,
    "sequence": create_sequence,
    "policy": create_policy,
    "enum": create_enum,
    "domain": create_domain,
    "composite type": create_composite_type,
    "extension": create_extension,
}
"""The function that creates an object of each kind of which the catalog has parts: of schema, name and attributes."""


def _set(setting: str) -> str:
    """Return the SET clause of a setting: a list of identifiers, or one value; an empty list is a string."""
    name, _, value = setting.partition("=")
    if name not in _LISTS or value == _EMPTY_LIST:
        value = literal("" if value == _EMPTY_LIST else value)
    return f"SET {name} = {value}"


_NEW = "kms_made_anew"
_NUMBER = (
    "DELETE FROM sqlite_sequence WHERE name = {new};"
    " INSERT INTO sqlite_sequence (name, seq) SELECT {new}, seq FROM sqlite_sequence WHERE name = {old};"
)
"""The last number of AUTOINCREMENT, which goes with its table."""


def rebuild(
    table: str, expected: Objects, actual: Objects, renamed: Mapping[str, str], unexpected: Sequence[str]
) -> str | None:
    """Return SQL that rebuilds a table of SQLite, whose ALTER TABLE changes neither columns nor constraints.

    The table is as expected afterwards, with its rows, indexes, triggers and views. The steps are those of
    https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes". `renamed` has the actual
    names of renamed columns, by their expected names; `unexpected` columns are kept. None for a virtual table.
    """
    columns = expected[f"table {table}"]["columns"]
    of_column = {each: expected[f"column {attached(table, each)}"] for each in columns}
    of_column |= {each: actual[f"column {attached(table, each)}"] for each in unexpected}
    if not all("definition" in each for each in of_column.values()):
        return None
    there = {
        each for each in of_column if f"column {attached(table, each)}" in actual and "generated" not in of_column[each]
    }
    kept = {each: each for each in of_column if each in there} | dict(renamed)
    old = always_quoted(table)
    into = ", ".join(map(always_quoted, kept))
    # A name in quotes that is no column would be a string, but for the name of its table before it.
    source = ", ".join(f"{old}.{always_quoted(each)}" for each in kept.values())
    lines = [f"{always_quoted(column)} {each['definition']}" for column, each in of_column.items()]
    more: list[str] = []
    for key, attributes in expected.items():
        kind, name = kind_and_name(key)
        if attributes.get("table") == table and kind == "constraint":
            lines.append(_constraint(split_name(name)[1], attributes["definition"]))
        elif attributes.get("table") == table and kind in {"index", "trigger"}:
            more.append(_named(attributes["definition"], own_name(key)))
    numbered = any("autoincrement" in each["definition"].lower() for each in of_column.values())
    return " ".join(
        [
            "PRAGMA foreign_keys = off; BEGIN IMMEDIATE;",
            f"CREATE TABLE {_NEW} ({', '.join(lines)}) {expected[f'table {table}'].get('options', '')};",
            f"INSERT OR ABORT INTO {_NEW} ({into}) SELECT {source} FROM {old};",
            *([_NUMBER.format(new=literal(_NEW), old=literal(table))] if numbered else ()),
            f"DROP TABLE {old};",
            f"PRAGMA legacy_alter_table = on; ALTER TABLE {_NEW} RENAME TO {old};",
            *more,
            "PRAGMA legacy_alter_table = off; COMMIT;",
        ]
    )


def _constraint(name: str, definition: str) -> str:
    """Return the text of a constraint; one without a name has its text as key."""
    return definition if name.startswith("(") else f"CONSTRAINT {always_quoted(name)} {definition}"


def _named(definition: str, name: str) -> str:
    return definition.replace("{name}", quoted(name), 1).rstrip(";") + ";"
