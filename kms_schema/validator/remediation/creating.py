"""CREATE statements for objects that PostgreSQL's catalog has in parts, and SQL that rebuilds a table of SQLite."""

from collections.abc import Callable, Iterator, Mapping

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
    return f"CREATE POLICY {quoted(split_name(name)[1])} ON {table} FOR {attributes['command']} TO {roles}{clauses};"


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
    return f"{head} {options} AS {dollar_quoted(attributes['body'])};"


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
    stored = [each for each in columns if "generated" not in expected[f"column {attached(table, each)}"]]
    kept = {each: each for each in stored if f"column {attached(table, each)}" in actual} | dict(renamed or {})
    into, source = (", ".join(map(always_quoted, names)) for names in (kept, kept.values()))
    lines = [
        f"{always_quoted(column)} {expected[f'column {attached(table, column)}']['definition']}" for column in columns
    ]
    more: list[str] = []
    for key, attributes in expected.items():
        kind, name = kind_and_name(key)
        if attributes.get("table") == table and kind == "constraint":
            lines.append(_constraint(split_name(name)[1], attributes["definition"]))
        elif attributes.get("table") == table and kind in {"index", "trigger"}:
            more.append(_named(attributes["definition"], own_name(key)))
    options, old = expected[f"table {table}"].get("options", ""), always_quoted(table)
    return " ".join(
        [
            "PRAGMA foreign_keys = off; BEGIN IMMEDIATE;",
            f"CREATE TABLE {_NEW} ({', '.join(lines)}) {options};",
            f"INSERT INTO {_NEW} ({into}) SELECT {source} FROM {old}; DROP TABLE {old};",
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
