"""SQL identifiers and literals, quoted where SQL requires it, and statements that contain them."""

import re
from collections.abc import Iterable, Mapping

SEARCH_PATH = "pg_catalog, pg_temp"
"""The search path of statements on our tables: operators of another schema can fit better than those of PostgreSQL."""

# The words that `quote_ident` of PostgreSQL 13 to 18 quotes (pg_get_keywords(), except the unreserved), then those that
# SQLite does not accept as names (https://www.sqlite.org/lang_keywords.html). A test compares them with the engines.
_KEY_WORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
    cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit localtime
    localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
    only or order out outer overlaps overlay placing position precision primary real references returning right
    row select session_user setof similar smallint some substring symmetric system_user table tablesample then
    time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where
    window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable

    add alter autoincrement commit delete drop escape index insert nothing set transaction update
    """.split()  # noqa: SIM905  (a list would have a line a word)
)


def quoted(name: str) -> str:
    """Return the identifier of `name` as `quote_ident` writes it; both engines read it as this name."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in _KEY_WORDS
    return name if plain else always_quoted(name)


def always_quoted(name: str) -> str:
    """Return the identifier of `name` in quotes, whatever it is: for statements that show it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a literal of SQL. PostgreSQL must have `standard_conforming_strings` on, as it is by default."""
    return "'" + text.replace("'", "''") + "'"


def array_literal(texts: Iterable[str]) -> str:
    """Return a literal of PostgreSQL's type `text[]`."""
    return f"ARRAY[{', '.join(map(literal, texts))}]::text[]"


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a statement with the part of each `{name}`; a name without a part stays, such as a brace of a regex."""
    return re.sub(r"\{(\w+)\}", lambda match: parts.get(match[1], match[0]), template)


def dollar_quoted(text: str) -> str:
    """Return a literal between dollar quotes of which `text` has none."""
    tag = "$kms$"
    while tag in text or text.endswith(tag[:-1]):
        tag = f"${tag[1:-1]}s$"
    return f"{tag}{text}{tag}"


def unquoted(identifier: str) -> str:
    """Return the name of an identifier that `quoted` returned."""
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier
