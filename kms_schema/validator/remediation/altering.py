"""ALTER statements that fix single attributes of PostgreSQL's objects."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kms_schema.text.identifiers import dollar_quoted, literal, quoted
from kms_schema.validator.catalog.attributes import own_name, split_name
from kms_schema.validator.remediation.target import Changes, Target, word_of
from kms_schema.validator.remediation.types import TYPE_ALTERATIONS

# The quoted name of a column, at the beginning of `name: comment`.
_COLUMN = re.compile(r'^(?:"(?:[^"]|"")*"|[^":]+)(?=: )')
# The name, if it is not the default, comes before the other options.
_NAME_OF_NOT_NULL = re.compile(r'(?!NOT VALID|NO INHERIT)(?:"(?:[^"]|"")*"|[^",]+)')

_OPTIONS = re.compile(r" WITH \((\w+='?[\w.]+'?(?:, \w+='?[\w.]+'?)*)\)")

TRIGGER_STATES = {"ORIGIN": "ENABLE", "ALWAYS": "ENABLE ALWAYS", "REPLICA": "ENABLE REPLICA", "DISABLED": "DISABLE"}


def altered(target: Target, changes: Changes) -> list[str] | None:
    """Return the statements that fix each changed attribute; None if ALTER cannot fix one of them."""
    statements: list[str] = []
    if "partition_bound" in changes:
        parents = changes.get("inherits", (None, None))[1] or ()
        table = target.named.removeprefix("TABLE ")
        statements += [f"ALTER TABLE {parent} DETACH PARTITION {table};" for parent in parents]
        changes = {
            attribute: change
            for attribute, change in changes.items()
            if attribute not in {"partition_bound", "inherits"}
        }
    # A column is an identity or has a default, not both.
    for attribute, (should, does) in sorted(changes.items(), key=lambda change: change[0] != "identity"):
        alter = _ALTERATIONS.get((target.kind, attribute)) or _ALTERATIONS.get(("*", attribute))
        if alter is None:
            return None
        more = alter(target, should, does)
        if more is None:
            return None
        statements += [f"{statement};" for statement in more]
    return list(dict.fromkeys(statements))


def _tablespace(target: Target, should: str | None, _does: str | None) -> list[str]:
    return [f"{target.alter} SET TABLESPACE {quoted(should or 'pg_default')}"]


def _no_extension(target: Target, should: str | None, does: str | None) -> list[str]:
    statements = []
    for bond in (does or "").split(", ") if should is None else ():
        kind, _, extension = bond.rpartition(" ")
        free = f"ALTER EXTENSION {extension} DROP {target.named}"
        statements.append(free if kind == "member of" else f"{target.alter} NO DEPENDS ON EXTENSION {extension}")
    return statements


def _comment(target: Target, should: str | None, _does: str | None) -> list[str]:
    return [f"COMMENT ON {target.named} IS {constant(should)}"]


def _column_comments(target: Target, should: list[str] | None, does: list[str] | None) -> list[str]:
    relation = target.named.removeprefix(f"{word_of(target.kind)} ")
    texts: dict[str, str | None] = dict.fromkeys(match[0] for line in does or () if (match := _COLUMN.match(line)))
    texts |= {match[0]: line[match.end() + 2 :] for line in should or () if (match := _COLUMN.match(line))}
    return [f"COMMENT ON COLUMN {relation}.{column} IS {constant(text)}" for column, text in texts.items()]


def _options(target: Target, should: list[str] | None, does: list[str] | None, prefix: str = "") -> list[str]:
    expected, actual = (dict(option.split("=", 1) for option in options or ()) for options in (should, does))
    gone = ", ".join(f"{prefix}{name}" for name in actual if name not in expected)
    set_to = ", ".join(f"{prefix}{name} = {value}" for name, value in expected.items() if actual.get(name) != value)
    return [f"{target.alter} RESET ({gone})"] * bool(gone) + [f"{target.alter} SET ({set_to})"] * bool(set_to)


def _toast_options(target: Target, should: list[str] | None, does: list[str] | None) -> list[str]:
    return _options(target, should, does, "toast.")


def _replica_identity(target: Target, should: str | None, _does: str | None) -> list[str]:
    word = (should or "default").upper()
    if word.startswith("INDEX "):
        word = f"USING INDEX {should.rpartition('.')[2]}" if should else word
    return [f"{target.alter} REPLICA IDENTITY {word}"]


def _access_method(target: Target, should: str | None, _does: str | None) -> list[str]:
    return [f"{target.alter} SET ACCESS METHOD {quoted(should or 'heap')}"]


def _no_parents(target: Target, should: list[str] | None, does: list[str] | None) -> list[str]:
    return [f"{target.alter} NO INHERIT {parent}" for parent in does or () if parent not in (should or ())]


def _type(target: Target, _should: object, _does: object) -> list[str]:
    expected = target.expected
    collation = f" COLLATE {expected['collation']}" if "collation" in expected else ""
    return [f"{target.alter} TYPE {expected['type']}{collation} USING {target.last}::text::{expected['type']}"]


def keeps_values(target: Target, does: str) -> str:
    """Return SQL that fails where a new type would change a value: a cast cuts and rounds without an error."""
    value, expected = f"{target.last}::text", target.expected["type"]
    changed = f"({value}::{expected})::text::{does}::text IS DISTINCT FROM {value}"
    message = literal(f"{target.named}: values would change as {expected}; convert them, then run this again")
    raises = f"RAISE EXCEPTION USING MESSAGE = {message}"
    body = f"BEGIN IF EXISTS (SELECT FROM {target.table} WHERE {changed}) THEN {raises}; END IF; END"
    return f"DO {dollar_quoted(body)};"


def _collation(target: Target, should: str | None, _does: str | None) -> list[str]:
    collation = should or 'pg_catalog."default"'
    return [f"{target.alter} TYPE {target.expected['type']} COLLATE {collation}"]


def _nullable(target: Target, should: bool, _does: bool) -> list[str]:
    return [f"{target.alter} {'DROP' if should else 'SET'} NOT NULL"]


def _default(target: Target, should: str | None, _does: str | None) -> list[str]:
    return [f"{target.alter} DROP DEFAULT" if should is None else f"{target.alter} SET DEFAULT {should}"]


def _identity(target: Target, should: str | None, does: str | None) -> list[str]:
    if should is not None and does is not None:
        return [f"{target.alter} SET GENERATED {should}"]
    statements = [] if does is None else [f"{target.alter} DROP IDENTITY"]
    if should is not None:
        statements.append(f"{target.alter} ADD GENERATED {should} AS IDENTITY")
    elif "default" in target.expected:
        statements += _default(target, target.expected["default"], None)
    return statements


def _storage(target: Target, should: str | None, _does: str | None) -> list[str]:
    usual = "MAIN" if target.expected["type"].startswith(("numeric", "inet", "cidr")) else "EXTENDED"
    return [f"{target.alter} SET STORAGE {should or usual}"]


def _compression(target: Target, should: str | None, _does: str | None) -> list[str]:
    return [f"{target.alter} SET COMPRESSION {should or 'default'}"]


def _statistics(target: Target, should: int | None, _does: int | None) -> list[str]:
    return [f"{target.alter} SET STATISTICS {-1 if should is None else should}"]


def _not_null_constraint(target: Target, should: str | None, does: str | None) -> list[str]:
    """Give a NOT NULL constraint of PostgreSQL 18 its default name, validity and inheritance."""
    if should is not None or does is None:
        return [f"{target.alter} DROP NOT NULL", f"{target.alter} SET NOT NULL"]
    name = _NAME_OF_NOT_NULL.match(does)
    words = does[name.end() if name else 0 :]
    usual = quoted(f"{target.expected['table']}_{own_name(target.key)}_not_null")
    head = f"ALTER TABLE {target.table}"
    statements = [f"{head} RENAME CONSTRAINT {name[0]} TO {usual}"] if name else []
    statements += [f"{head} VALIDATE CONSTRAINT {usual}"] if "NOT VALID" in words else []
    return statements + ([f"{head} ALTER CONSTRAINT {usual} INHERIT"] if "NO INHERIT" in words else [])


def _clustered(target: Target, should: bool | None, _does: bool | None) -> list[str]:
    return [f"ALTER TABLE {target.table} " + (f"CLUSTER ON {target.last}" if should else "SET WITHOUT CLUSTER")]


def _whole_sequence(target: Target, _should: object, _does: object) -> list[str]:
    return [f"ALTER {target.named} {sequence_words(target.schema, target.expected)}"]


def index_options(alter: str, expected: str, actual: str) -> str | None:
    """Return statements that fix the options of an index; None if its definitions also differ in something else."""
    if _OPTIONS.sub("", expected) != _OPTIONS.sub("", actual) or expected == actual:
        return None
    gone, back = _OPTIONS.search(actual), _OPTIONS.search(expected)
    names = ", ".join(word.partition("=")[0] for word in gone[1].split(", ")) if gone else ""
    return " ".join([f"{alter} RESET ({names});"] * bool(gone) + [f"{alter} SET ({back[1]});" if back else ""]).strip()


def sequence_words(schema: str, attributes: Mapping[str, Any]) -> str:
    """Return all options of CREATE and ALTER SEQUENCE."""
    table, column = split_name(attributes.get("owned_by", ""))
    owned_by = f"{quoted(schema)}.{quoted(table)}.{quoted(column)}" if table else "NONE"
    return " ".join([
        f"AS {attributes['type']} INCREMENT {attributes['increment']}",
        f"MINVALUE {attributes['minimum']} MAXVALUE {attributes['maximum']}",
        f"START {attributes['start']} CACHE {attributes['cache']}",
        f"{'' if attributes['cycle'] else 'NO '}CYCLE OWNED BY {owned_by}",
    ])  # fmt: skip


def constant(text: str | None) -> str:
    """Return a literal of SQL, NULL for None."""
    return "NULL" if text is None else literal(text)


_ALTERATIONS: Mapping[tuple[str, str], Callable[[Target, Any, Any], list[str] | None]] = {
    **TYPE_ALTERATIONS,
    ("*", "comment"): _comment,
    ("*", "column_comments"): _column_comments,
    ("*", "options"): _options,
    ("*", "tablespace"): _tablespace,
    ("*", "extension"): _no_extension,
    ("table", "toast_options"): _toast_options,
    ("table", "replica_identity"): _replica_identity,
    ("*", "access_method"): _access_method,
    ("table", "inherits"): _no_parents,
    ("table", "of_type"): lambda target, _should, _does: [f"{target.alter} NOT OF"],
    ("column", "type"): _type,
    ("column", "collation"): _collation,
    ("column", "nullable"): _nullable,
    ("column", "default"): _default,
    ("column", "identity"): _identity,
    ("column", "storage"): _storage,
    ("column", "compression"): _compression,
    ("column", "statistics"): _statistics,
    ("column", "not_null_constraint"): _not_null_constraint,
    ("index", "clustered"): _clustered,
    **{
        ("sequence", attribute): _whole_sequence
        for attribute in ("type", "start", "increment", "minimum", "maximum", "cache", "cycle", "owned_by")
    },
}
