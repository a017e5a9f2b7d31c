"""CREATE statements for objects that PostgreSQL's catalog has in parts, not as one definition."""

from kms_schema.text.identifiers import literal, quoted
from kms_schema.validator.catalog.attributes import Attributes
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
