"""SQL that creates and alters types and extensions of a host."""

from collections.abc import Callable, Mapping
from typing import Any

from kms_schema.text.identifiers import literal, quoted
from kms_schema.validator.catalog.attributes import Attributes, identifier_of
from kms_schema.validator.remediation.target import Target, word_of


def create_enum(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates an enum."""
    labels = ", ".join(map(literal, attributes.get("labels", ())))
    return f"CREATE TYPE {quoted(schema)}.{quoted(name)} AS ENUM ({labels});"


def create_domain(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates a domain with its constraints."""
    words = [f"CREATE DOMAIN {quoted(schema)}.{quoted(name)} AS {attributes['type']}"]
    words += [f"COLLATE {attributes['collation']}"] if "collation" in attributes else []
    words += [f"DEFAULT {attributes['default']}"] if "default" in attributes else []
    words += [] if attributes["nullable"] else ["NOT NULL"]
    words += [f"CONSTRAINT {check.removesuffix(' NOT VALID')}" for check in attributes.get("checks", ())]
    return f"{' '.join(words)};"


def create_composite_type(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates a composite type."""
    return f"CREATE TYPE {quoted(schema)}.{quoted(name)} AS ({', '.join(attributes.get('attributes', ()))});"


def create_extension(schema: str, name: str, attributes: Attributes) -> str:
    """Return SQL that creates an extension in its version."""
    return f"CREATE EXTENSION {quoted(name)} WITH SCHEMA {quoted(schema)} VERSION {literal(attributes['version'])};"


def drop_type(kind: str, schema: str, name: str) -> str:
    """Return SQL that drops a type or an extension."""
    of_type = quoted(name) if kind == "extension" else f"{quoted(schema)}.{quoted(name)}"
    return f"DROP {word_of(kind)} {of_type};"


def _version(target: Target, should: str, _does: str) -> list[str]:
    return [f"ALTER EXTENSION {target.last} UPDATE TO {literal(should)}"]


def _labels(target: Target, should: list[str] | None, does: list[str] | None) -> list[str] | None:
    """Add missing labels; a label is never removed, and never changes its place."""
    expected, actual = should or [], does or []
    if [label for label in expected if label in actual] != actual:
        return None
    statements: list[str] = []
    for place, label in enumerate(expected):
        if label not in actual:
            after = f" AFTER {literal(expected[place - 1])}" if place else ""
            before = f" BEFORE {literal(actual[0])}" if actual and not place else ""
            statements.append(f"{target.alter} ADD VALUE {literal(label)}{after}{before}")
    return statements


def _default(target: Target, should: str | None, _does: str | None) -> list[str]:
    return [f"{target.alter} {'DROP DEFAULT' if should is None else f'SET DEFAULT {should}'}"]


def _nullable(target: Target, should: bool, _does: bool) -> list[str]:
    return [f"{target.alter} {'DROP' if should else 'SET'} NOT NULL"]


def _checks(target: Target, should: list[str] | None, does: list[str] | None) -> list[str]:
    expected, actual = should or [], does or []
    names = (identifier_of(check) for check in actual if check not in expected)
    return [
        *(f"{target.alter} DROP CONSTRAINT {name}" for name in names),
        *(f"{target.alter} ADD CONSTRAINT {check}" for check in expected if check not in actual),
    ]


TYPE_ALTERATIONS: Mapping[tuple[str, str], Callable[[Target, Any, Any], list[str] | None]] = {
    ("extension", "version"): _version,
    ("enum", "labels"): _labels,
    ("domain", "default"): _default,
    ("domain", "nullable"): _nullable,
    ("domain", "checks"): _checks,
}
"""The function that alters each attribute of a type or an extension; it returns None where no statement can."""
