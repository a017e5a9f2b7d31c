"""The SQL that fixes a difference, where a few statements can. Nothing in the package runs it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kms_schema.text.identifiers import always_quoted
from kms_schema.text.identifiers import quoted as _quoted
from kms_schema.validator.catalog.attributes import (
    ROUTINE_KINDS,
    TYPE_KINDS,
    Attributes,
    Objects,
    attached,
    kind_and_name,
    own_name,
    split_name,
)
from kms_schema.validator.diff.compare import Difference, Kind, changed_attributes
from kms_schema.validator.remediation.altering import altered, index_options, keeps_values
from kms_schema.validator.remediation.by_code import BY_CODE, FOREIGN_KEY_NOT_ENFORCED, enable_trigger, set_grants
from kms_schema.validator.remediation.creating import CREATE, rebuild
from kms_schema.validator.remediation.order import dependents_of, made_in_order, of_a_constraint
from kms_schema.validator.remediation.target import Target
from kms_schema.validator.remediation.types import drop_type

_Change = Mapping[str, tuple[Any, Any]]


class Remediator:
    """Writes SQL for one database: `expected` is filled in for it, `actual` was read from it."""

    def __init__(
        self, engine: str, schema: str, expected: Objects, actual: Objects, differences: Sequence[Difference] = ()
    ) -> None:
        """Store both sides and all their differences; `actual` has the tables of unexpected objects."""
        self._engine, self._schema, self._expected, self._actual = engine, schema, expected, actual
        self._renamed = {each.key: each.attributes["name"][1] for each in differences if each.kind is Kind.RENAMED}
        self._rebuilt: set[str] = set()

    def remediation(self, difference: Difference, code: str, attributes: _Change) -> str | None:
        """Return SQL for the share of a difference that `code` names; None if a few statements cannot fix it."""
        if difference.kind is Kind.UNEXPECTED and self._may_have_been_renamed(difference.key):
            return None
        if self._has_numbers(difference.key):
            return None
        if self._engine == "sqlite":
            return self._fix_on_sqlite(difference, attributes)
        if code == FOREIGN_KEY_NOT_ENFORCED:  # a new one also checks the rows that were written meanwhile
            return self._drop_and_create(difference.key)
        special = BY_CODE.get(code)
        return special(self._target(difference.key), attributes) if special else self._fix(difference, attributes)

    def _has_numbers(self, key: str) -> bool:
        """Return whether it is a sequence of no column, of which one side is missing: it would begin again."""
        sides = [objects[key] for objects in (self._expected, self._actual) if key in objects]
        return key.startswith("sequence ") and len(sides) == 1 and "owned_by" not in sides[0]

    def _may_have_been_renamed(self, key: str) -> bool:
        """Return whether a column may have the values of an expected one of its table that is missing."""
        kind, name = kind_and_name(key)
        table = split_name(name)[0]
        expected = self._expected.get(f"table {table}", {}).get("columns", ()) if kind == "column" else ()
        keys = (f"column {attached(table, each)}" for each in expected)
        return any(each not in self._actual and each not in self._renamed for each in keys)

    def _fix_on_sqlite(self, difference: Difference, attributes: _Change) -> str | None:
        if table := self._table_to_rebuild(difference):
            if difference.kind is not Kind.UNEXPECTED or not difference.key.startswith("column "):
                return self._rebuild(table)
            column = own_name(difference.key)
            if not _OF_A_KEY.search(self._actual[difference.key].get("definition", "")):
                return f"ALTER TABLE {always_quoted(table)} DROP COLUMN {always_quoted(column)};"
            return self._rebuild(table, column)
        if difference.kind is Kind.RENAMED and difference.key.startswith("column "):
            return self._rename_column_of_sqlite(difference)
        return self._fix(difference, attributes)

    def _fix(self, difference: Difference, attributes: _Change) -> str | None:
        match difference.kind:
            case Kind.MISSING:
                return self._create_with(difference)
            case Kind.UNEXPECTED:
                return self._drop_alone(difference.key)
            case Kind.CHANGED:
                return self._change(difference.key, attributes)
            case Kind.RENAMED:
                return self._rename(difference.key, attributes["name"][1])
        return None

    def _table_to_rebuild(self, difference: Difference) -> str | None:
        """Return the table of SQLite that has to be rebuilt to fix a difference; else None."""
        kind, name = kind_and_name(difference.key)
        attributes = self._expected.get(difference.key) or self._actual[difference.key]
        if kind == "table":
            return name if difference.kind is Kind.CHANGED else None
        within = kind == "constraint" or (kind == "column" and difference.kind in {Kind.CHANGED, Kind.UNEXPECTED})
        return attributes["table"] if within else None

    def _create_with(self, difference: Difference) -> str | None:
        """Create the missing object, and fix what changed with it."""
        statements = [self._create_whole(difference.key)]
        gone = [key for key in difference.also if key not in self._actual and not of_a_constraint(key, self._expected)]
        statements += [self._recreate(key) for key in made_in_order(gone, self._expected)]
        for key in difference.also:
            if key in self._actual and key in self._expected and not of_a_constraint(key, self._expected):
                statements.append(self._change(key, changed_attributes(self._expected[key], self._actual[key])))
        return None if None in statements else " ".join(statement for statement in statements if statement)

    def _recreate(self, key: str) -> str | None:
        """Create an index whose name may be in use on a renamed view."""
        create = self._create_whole(key)
        on_a_view = key.startswith("index ") and self._engine == "postgresql" and self._goes(key)
        return f"DROP INDEX IF EXISTS {self._qualified(kind_and_name(key)[1])}; {create}" if on_a_view else create

    def _create_whole(self, key: str) -> str | None:
        """Create an object with its enablement, privileges and comments."""
        create = self._create(key)
        if create and self._index_in_the_way(key):
            create = self._around(key, [self._drop(f"index {own_name(key)}") or "", create])
        if create is None or self._engine == "sqlite":
            return create
        attributes = self._expected[key]
        rest = [create]
        if attributes.get("enabled", "ORIGIN") != "ORIGIN":
            rest.append(enable_trigger(self._target(key), {"enabled": (attributes["enabled"], "ORIGIN")}))
        if "grants" in attributes:
            rest.append(set_grants(self._target(key), {"grants": (attributes["grants"], None)}))
        comments: _Change = {
            name: (attributes[name], None) for name in ("comment", "column_comments") if name in attributes
        }
        return " ".join([*rest, *(altered(self._target(key), comments) or ())])

    def _index_in_the_way(self, key: str) -> bool:
        """Return whether an index has the name of the index of a missing constraint."""
        index = f"index {own_name(key)}"
        alone = key.startswith("constraint ") and key not in self._actual and index in self._actual
        return alone and of_a_constraint(index, self._expected)

    def _create(self, key: str) -> str | None:
        kind, name = kind_and_name(key)
        attributes = self._expected[key]
        definition = attributes.get("definition")
        if kind in CREATE:
            return CREATE[kind](self._schema, name, attributes)
        if kind == "constraint" and self._engine == "postgresql":
            constraint, unchecked = _quoted(own_name(key)), "" if attributes.get("validated", True) else " NOT VALID"
            return f"ALTER TABLE {self._table(attributes)} ADD CONSTRAINT {constraint} {definition}{unchecked};"
        if kind in {"index", "trigger"} or (kind == "view" and self._engine == "sqlite"):
            return str(definition).replace("{name}", _quoted(own_name(key)), 1).rstrip(";") + ";"
        if kind in {"view", "materialized view"}:
            options = f" WITH ({', '.join(attributes['options'])})" if "options" in attributes else ""
            return f"CREATE {kind.upper()} {self._qualified(name)}{options} AS {definition}"
        return f"{str(definition).rstrip(';')};" if kind in {"rule", "statistics"} else None

    def _drop_alone(self, key: str) -> str | None:
        """Drop an unexpected object after what needs it; of that, expected objects are created again as expected."""
        dependents = dependents_of(key, self._actual)
        between = [other for other in dependents if other in self._expected]
        needed = {each for other in between for each in self._expected[other].get("needs", ())}
        missing = needed - self._actual.keys() - {*between}  # one may have been renamed to this, which has the data
        drop = None if missing else self._drop(key)
        creates = [self._create_whole(other) for other in made_in_order(between, self._expected)]
        if drop is None or None in creates:
            return drop
        drops = [self._drop(other) for other in reversed(dependents)]
        return " ".join(part for part in (*drops, drop, *creates) if part)

    def _drop(self, key: str) -> str | None:  # noqa: PLR0911  (a statement form for each kind of object)
        if key not in self._actual:
            return ""
        kind, name = kind_and_name(key)
        attributes, last = self._actual[key], _quoted(own_name(key))
        table = self._table(attributes)
        if kind in ROUTINE_KINDS:
            return f"DROP {kind.upper()} {_quoted(self._schema)}.{name};"
        if kind == "child table":
            return f"ALTER TABLE {name} NO INHERIT {table};"
        if attributes.get("temporary"):
            return f"DROP {kind.upper()} temp.{_quoted(own_name(key).removeprefix('temp.'))};"
        if kind == "statistics":  # whose name is quoted already
            return f"DROP STATISTICS {'' if 'schema' in attributes else _quoted(self._schema) + '.'}{name};"
        if kind in {"column", "constraint"}:
            return f"ALTER TABLE {table} DROP {kind.upper()} {last};"
        if kind in TYPE_KINDS:
            return drop_type(kind, self._schema, name)
        if kind in {"index", "view", "materialized view", "sequence"}:
            return f"DROP {kind.upper()} {self._qualified(name)};"
        on = f" ON {table}" if self._engine == "postgresql" else ""
        return f"DROP {kind.upper()} {last}{on};" if kind in {"trigger", "rule", "policy"} else None

    def _change(self, key: str, attributes: _Change) -> str | None:
        kind, _ = kind_and_name(key)
        if self._engine == "sqlite":
            return self._drop_and_create(key) if kind in {"index", "trigger", "view"} else None
        statements = altered(self._target(key), attributes)
        if statements is not None:
            if kind != "column" or not attributes.keys() & {"type", "collation"}:
                return " ".join(statements)
            checked = keeps_values(self._target(key), attributes["type"][1]) if "type" in attributes else ""
            return f"{checked} {around}".strip() if (around := self._around(key, statements)) else None
        if kind in ROUTINE_KINDS:
            return None if attributes.keys() & {"arguments", "returns"} else self._create(key)
        if kind == "index":  # that of a constraint cannot be recreated alone
            both = (objects[key]["definition"] for objects in (self._expected, self._actual))
            if options := index_options(f"ALTER INDEX {self._qualified(kind_and_name(key)[1])}", *both):
                return options
        recreate = kind in _RECREATED and not of_a_constraint(key, self._expected)
        return self._drop_and_create(key) if recreate else None

    def _drop_and_create(self, key: str) -> str | None:
        create = self._create_whole(key)
        if create is None:
            return None
        blocked = self._engine == "postgresql" and key.startswith(("view ", "materialized view ", "constraint "))
        return self._around(key, [self._drop(key) or "", create]) if blocked else f"{self._drop(key)} {create}".strip()

    def _around(self, key: str, statements: list[str]) -> str | None:
        """Drop the dependents before the statements, and create them again after them."""
        between = dependents_of(key, self._expected)
        # A missing foreign key has a finding of its own, which comes later.
        between = [other for other in between if not other.startswith("constraint ") or other in self._actual]
        drops = [self._drop(other) for other in reversed(between) if other in self._actual and not self._goes(other)]
        creates = [self._create_whole(other) for other in between]
        if None in drops or None in creates:
            return None
        return " ".join(part for part in (*drops, *statements, *creates) if part)

    def _goes(self, key: str) -> bool:
        """Return whether the object is dropped together with its view."""
        return "table" in self._expected[key] and f"table {self._expected[key]['table']}" not in self._expected

    def _rebuild(self, table: str, dropped: str | None = None) -> str | None:
        """Rebuild a table of SQLite with the values of all renamed columns; unexpected columns stay, but `dropped`."""
        columns = (kind_and_name(key)[1] for key in self._renamed if key.startswith("column "))
        renamed = {
            own: split_name(self._renamed[f"column {name}"])[1]
            for name in columns
            for of, own in [split_name(name)]
            if of == table
        }
        sources = {own: own for own in renamed} if table in self._rebuilt else renamed  # by the SQL of a finding before
        self._rebuilt.add(table)
        actual = self._actual[f"table {table}"]["columns"]
        gone = {*self._expected[f"table {table}"]["columns"], *renamed.values(), dropped}
        return rebuild(table, self._expected, self._actual, sources, [each for each in actual if each not in gone])

    def _rename_column_of_sqlite(self, difference: Difference) -> str | None:
        """Rebuild the table: SQLite refuses to rename a column while a view names a missing one."""
        table, _ = split_name(kind_and_name(difference.key)[1])
        statements = [self._rebuild(table)]
        with_it = [key for key in difference.also if key in self._expected]
        rebuilt = {self._expected[key]["table"] for key in with_it if key.startswith("constraint ")} - {table}
        statements += [self._rebuild(other) for other in sorted(rebuilt)]
        for key in with_it:
            if key.startswith("view ") or self._expected[key].get("table") not in rebuilt | {table}:
                statements.append(self._drop_and_create(key) or "")
        return None if None in statements else " ".join(each for each in statements if each)

    def _rename(self, key: str, actual: str) -> str | None:
        kind, name = kind_and_name(key)
        attributes = self._expected[key]
        old, new = (_quoted(own_name(f"{kind} {text}")) for text in (actual, name))
        if self._engine == "sqlite" and kind in {"index", "trigger"}:
            return f"DROP {kind.upper()} {old}; {self._create(key)}"
        if kind in {"index", "sequence"}:
            return (
                f"ALTER {kind.upper()} {self._qualified(actual)} RENAME TO {new};"
                if self._engine == "postgresql"
                else None
            )
        if kind in {"column", "constraint"}:
            postgresql_or_column = self._engine == "postgresql" or kind == "column"
            return (
                f"ALTER TABLE {self._table(attributes)} RENAME {kind.upper()} {old} TO {new};"
                if postgresql_or_column
                else None
            )
        if kind in {"trigger", "rule", "policy"} and self._engine == "postgresql":
            return f"ALTER {kind.upper()} {old} ON {self._table(attributes)} RENAME TO {new};"
        return None

    def _target(self, key: str) -> Target:
        return Target(key, self._schema, self._expected[key])

    def _table(self, attributes: Attributes) -> str:
        return self._qualified(attributes["table"]) if "table" in attributes else ""

    def _qualified(self, name: str) -> str:
        return _quoted(name) if self._engine == "sqlite" else f"{_quoted(self._schema)}.{_quoted(name)}"


_OF_A_KEY = re.compile(r"\b(?:UNIQUE|PRIMARY)\b", re.IGNORECASE)
"""Words of a column that SQLite does not drop without rebuilding its table."""
_RECREATED = frozenset({"constraint", "index", "trigger", "rule", "policy", "statistics", "view", "materialized view"})
