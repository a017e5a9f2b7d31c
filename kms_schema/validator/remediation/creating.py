"""CREATE statements of PostgreSQL for what the catalog keeps in parts, and not as one definition."""

from kms_schema.identifiers import quoted
from kms_schema.validator.catalog.attributes import Facts
from kms_schema.validator.remediation.altering import sequence_words

_USUAL_COST = 100


def create_sequence(schema: str, name: str, facts: Facts) -> str:
    """Make a sequence that goes on after the numbers that are in use."""
    sequence = f"{quoted(schema)}.{quoted(name)}"
    create = f"CREATE SEQUENCE {sequence} {sequence_words(schema, facts)};"
    table, _, column = facts.get("owned_by", "").partition(".")
    if not table:
        return create
    last = f"SELECT coalesce(max({quoted(column)}), 0) + 1 FROM {quoted(schema)}.{quoted(table)}"
    return f"{create} SELECT setval('{sequence}', ({last}), false);"


def create_policy(schema: str, name: str, facts: Facts) -> str:
    """Make a policy of row-level security."""
    roles = ", ".join(map(quoted, facts["roles"]))
    conditions = (("USING", facts.get("using")), ("WITH CHECK", facts.get("check")))
    told = "".join(f" {word} ({condition})" for word, condition in conditions if condition is not None)
    table = f"{quoted(schema)}.{quoted(facts['table'])}"
    return f"CREATE POLICY {quoted(name.partition('.')[2])} ON {table} FOR {facts['command']} TO {roles}{told};"


def create_function(schema: str, name: str, facts: Facts) -> str:
    """Make a function, or put another one of its name and arguments right."""
    if "definition" in facts:
        return f"{facts['definition']};"
    words = [
        facts["volatility"],
        "SECURITY DEFINER" if facts["security_definer"] else "",
        "STRICT" if facts.get("strict") else "",
        "LEAKPROOF" if facts.get("leakproof") else "",
        "" if facts["parallel"] == "UNSAFE" else f"PARALLEL {facts['parallel']}",
        "" if facts["cost"] == _USUAL_COST else f"COST {facts['cost']}",
    ]
    words += [_set(setting) for setting in facts.get("settings", ())]
    head = f"CREATE OR REPLACE FUNCTION {quoted(schema)}.{quoted(name.partition('(')[0])}({facts['arguments']})"
    options = " ".join([f"LANGUAGE {facts['language']}", *(word for word in words if word)])
    return f"{head} RETURNS {facts['returns']} {options} AS $kms${facts['body']}$kms$;"


def _set(setting: str) -> str:
    """Return a setting of a function as it is written: names of schemas are a list, anything else is one value."""
    name, _, value = setting.partition("=")
    if name != "search_path":
        value = "'" + value.replace("'", "''") + "'"
    return f"SET {name} = {value}"
