"""The SQL that puts a difference right, where a statement or two can.

What is written here is advice to a person: nothing in the package runs it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kms_schema.validation.catalog import ROUTINE_KINDS, Facts, Objects, kind_and_name
from kms_schema.validation.compare import Difference, Kind

_Change = Mapping[str, tuple[Any, Any]]


class Mender:
    """Writes mending SQL for one database: `expected` is filled in for it, `actual` was read from it."""

    def __init__(self, engine: str, schema: str, expected: Objects, actual: Objects) -> None:
        """Remember both sides; definitions are taken from `expected`, tables of extra objects from
        `actual`.
        """
        self._engine, self._schema, self._expected, self._actual = engine, schema, expected, actual

    def mend(self, difference: Difference, code: str, facts: _Change) -> str | None:
        """Return SQL for the share of a difference that `code` names, or None where no short SQL can mend
        it.
        """
        special = _BY_CODE.get(code)
        if special is not None:
            return special(self, difference.key, facts) if self._engine == "postgresql" else None
        match difference.kind:
            case Kind.MISSING:
                return self._with_the_rest(difference.key, self._create(difference.key))
            case Kind.UNEXPECTED:
                return self._drop(difference.key)
            case Kind.CHANGED:
                change = self._change(difference.key, facts)
                return self._with_the_rest(difference.key, change) if self._made_anew(change) else change
            case Kind.RENAMED:
                return self._rename(difference.key, facts["name"][1])
        return None

    @staticmethod
    def _made_anew(change: str | None) -> bool:
        return change is not None and " CREATE " in change

    def _with_the_rest(self, key: str, create: str | None) -> str | None:
        """Add what a new object has to be told besides: when a trigger fires, and rights other than the default."""
        if create is None or self._engine == "sqlite":
            return create
        facts = self._expected[key]
        rest = [create]
        if facts.get("enabled", "ORIGIN") != "ORIGIN":
            rest.append(self.enable_trigger(key, {"enabled": (facts["enabled"], "ORIGIN")}))
        if "grants" in facts:
            rest.append(self.set_grants(key, {"grants": (facts["grants"], None)}))
        return " ".join(rest)

    def _create(self, key: str) -> str | None:
        kind, name = kind_and_name(key)
        facts = self._expected[key]
        definition = facts.get("definition")
        if kind in ROUTINE_KINDS:
            return self._create_function(name, facts)
        if kind == "constraint" and self._engine == "postgresql":
            constraint = _quoted(name.partition(".")[2])
            return f"ALTER TABLE {self._table(facts)} ADD CONSTRAINT {constraint} {definition};"
        if kind in {"index", "trigger"} or (kind == "view" and self._engine == "sqlite"):
            return str(definition).replace("{name}", _quoted(name.rpartition(".")[2])).rstrip(";") + ";"
        if kind in {"view", "materialized view"}:
            return f"CREATE {kind.upper()} {self._qualified(name)} AS {definition}"
        return str(definition) if kind in {"rule", "statistics"} else None

    def _create_function(self, name: str, facts: Facts) -> str | None:
        if "definition" in facts:
            return f"{facts['definition']};"
        words = [facts["volatility"], "SECURITY DEFINER" if facts["security_definer"] else ""]
        words += [
            "STRICT" if facts.get("strict") else "",
            "" if facts["parallel"] == "UNSAFE" else f"PARALLEL {facts['parallel']}",
        ]
        words += [f"SET {setting.replace('=', ' = ', 1)}" for setting in facts.get("settings", ())]
        head = f"CREATE OR REPLACE FUNCTION {self._qualified(name.partition('(')[0])}({facts['arguments']})"
        options = " ".join([f"LANGUAGE {facts['language']}", *(word for word in words if word)])
        return f"{head} RETURNS {facts['returns']} {options} AS $kms${facts['body']}$kms$;"

    def _drop(self, key: str) -> str | None:
        kind, name = kind_and_name(key)
        last = _quoted(name.rpartition(".")[2])
        table = self._table(self._actual[key])
        if kind == "column":
            return f"ALTER TABLE {table} DROP COLUMN {last};"
        if kind == "constraint":
            return f"ALTER TABLE {table} DROP CONSTRAINT {last};" if self._engine == "postgresql" else None
        if kind == "child table":
            return f"ALTER TABLE {name} NO INHERIT {table};"
        if kind in {"index", "statistics"}:
            return f"DROP {kind.upper()} {self._qualified(name)};"
        if kind in {"trigger", "rule", "policy"}:
            on = "" if self._engine == "sqlite" else f" ON {table}"
            return f"DROP {kind.upper()} {last}{on};"
        return f"DROP FUNCTION {self._schema}.{name};" if kind in ROUTINE_KINDS else None

    def _change(self, key: str, facts: _Change) -> str | None:
        kind, name = kind_and_name(key)
        if kind == "column":
            return self._change_column(name, facts) if self._engine == "postgresql" else None
        if kind in ROUTINE_KINDS:
            return None if facts.keys() & {"arguments", "returns"} else self._create(key)
        if kind == "index" and "clustered" in facts:
            return f"ALTER TABLE {self._table(self._expected[key])} SET WITHOUT CLUSTER;"
        if not facts.keys() <= {"definition", "unique", "function"}:
            return None
        if kind == "view" and self._engine == "postgresql":
            return f"CREATE OR REPLACE VIEW {self._qualified(name)} AS {self._expected[key]['definition']}"
        return self._drop_and_create(key) if kind in {"constraint", "index", "trigger", "view"} else None

    def _drop_and_create(self, key: str) -> str | None:
        kind, name = kind_and_name(key)
        create = self._create(key)
        return create and f"{self._drop(key) or f'DROP {kind.upper()} {_quoted(name)};'} {create}"

    def _change_column(self, name: str, facts: _Change) -> str | None:
        table, _, column = name.partition(".")
        head = f"ALTER TABLE {self._qualified(table)} ALTER COLUMN {_quoted(column)}"
        actions = []
        if "type" in facts:
            actions.append(f"{head} TYPE {facts['type'][0]};")
        if "nullable" in facts:
            actions.append(f"{head} {'DROP' if facts['nullable'][0] else 'SET'} NOT NULL;")
        if "default" in facts:
            default = facts["default"][0]
            actions.append(f"{head} DROP DEFAULT;" if default is None else f"{head} SET DEFAULT {default};")
        return " ".join(actions) if facts.keys() <= {"type", "nullable", "default"} else None

    def _rename(self, key: str, actual: str) -> str | None:
        kind, name = kind_and_name(key)
        facts = self._expected[key]
        old, new = (_quoted(text.rpartition(".")[2]) for text in (actual, name))
        if kind == "index":
            return f"ALTER INDEX {self._qualified(actual)} RENAME TO {new};" if self._engine == "postgresql" else None
        if kind in {"column", "constraint"}:
            postgresql_or_column = self._engine == "postgresql" or kind == "column"
            return (
                f"ALTER TABLE {self._table(facts)} RENAME {kind.upper()} {old} TO {new};"
                if postgresql_or_column
                else None
            )
        if kind in {"trigger", "rule", "policy"} and self._engine == "postgresql":
            return f"ALTER {kind.upper()} {old} ON {self._table(facts)} RENAME TO {new};"
        return None

    def _table(self, facts: Facts) -> str:
        return self._qualified(facts["table"]) if "table" in facts else ""

    def _qualified(self, name: str) -> str:
        return _quoted(name) if self._engine == "sqlite" else f"{_quoted(self._schema)}.{_quoted(name)}"

    def _owned(self, key: str) -> str:
        kind, name = kind_and_name(key)
        return (
            f"{kind.upper()} {self._schema}.{name}"
            if kind in ROUTINE_KINDS
            else f"{kind.upper()} {self._qualified(name)}"
        )

    def validate_constraint(self, key: str, _facts: _Change) -> str:
        """Mend a constraint that is NOT VALID."""
        name = _quoted(kind_and_name(key)[1].partition(".")[2])
        return f"ALTER TABLE {self._table(self._expected[key])} VALIDATE CONSTRAINT {name};"

    def enable_all_triggers(self, key: str, _facts: _Change) -> str:
        """Mend a foreign key whose triggers are off; ours that fire ALWAYS are set again by their own
        finding.
        """
        return f"ALTER TABLE {self._table(self._expected[key])} ENABLE TRIGGER ALL;"

    def enable_trigger(self, key: str, facts: _Change) -> str:
        """Mend the enabled state of a trigger."""
        state = {
            "ORIGIN": "ENABLE",
            "ALWAYS": "ENABLE ALWAYS",
            "REPLICA": "ENABLE REPLICA",
            "DISABLED": "DISABLE",
        }
        name = _quoted(kind_and_name(key)[1].partition(".")[2])
        return f"ALTER TABLE {self._table(self._expected[key])} {state[facts['enabled'][0]]} TRIGGER {name};"

    def rebuild_index(self, key: str, _facts: _Change) -> str:
        """Mend an index that is not valid."""
        return f"REINDEX INDEX CONCURRENTLY {self._qualified(kind_and_name(key)[1])};"

    def populate(self, key: str, _facts: _Change) -> str:
        """Mend a materialized view that was never filled."""
        return f"REFRESH MATERIALIZED VIEW {self._qualified(kind_and_name(key)[1])};"

    def give_back(self, key: str, facts: _Change) -> str:
        """Mend an owner."""
        return f"ALTER {self._owned(key)} OWNER TO {_quoted(facts['owner'][0])};"

    def set_logged(self, key: str, facts: _Change) -> str | None:
        """Mend persistence."""
        return f"ALTER {self._owned(key)} SET LOGGED;" if facts["persistence"][0] == "permanent" else None

    def set_row_security(self, key: str, facts: _Change) -> str:
        """Mend the switches of row-level security."""
        words = []
        if "row_security" in facts:
            words.append("ENABLE" if facts["row_security"][0] else "DISABLE")
        if "row_security_forced" in facts:
            words.append("FORCE" if facts["row_security_forced"][0] else "NO FORCE")
        return f"ALTER {self._owned(key)} " + ", ".join(f"{word} ROW LEVEL SECURITY" for word in words) + ";"

    def set_grants(self, key: str, facts: _Change) -> str:
        """Mend rights: take back what was granted, grant what was taken."""
        kind, _ = kind_and_name(key)
        on = self._owned(key).removeprefix("MATERIALIZED ").removeprefix("VIEW ").removeprefix("TABLE ")
        if kind in ROUTINE_KINDS or kind == "sequence":
            on = self._owned(key)
        expected, actual = (frozenset(lines or ()) for lines in facts["grants"])
        statements = []
        for line in sorted(expected ^ actual):
            role, _, privileges = line[2:].rpartition(": ")
            role = role if role == "PUBLIC" else _quoted(role)
            privileges = privileges.replace(" WITH GRANT OPTION", "")
            gained = (line[0] == "+") == (line in actual)
            words = f"REVOKE {privileges} ON {on} FROM {role};" if gained else f"GRANT {privileges} ON {on} TO {role};"
            statements.append(words)
        return " ".join(statements)


_BY_CODE: Mapping[str, Callable[[Mender, str, _Change], str | None]] = {
    "KMS125": Mender.validate_constraint,
    "KMS126": Mender.enable_all_triggers,
    "KMS135": Mender.rebuild_index,
    "KMS145": Mender.enable_trigger,
    "KMS175": Mender.populate,
    "KMS301": Mender.give_back,
    "KMS302": Mender.set_grants,
    "KMS303": Mender.set_row_security,
    "KMS304": Mender.set_logged,
}


def _quoted(name: str) -> str:
    """Quote an identifier where it needs quotes; key words are quoted by habit of the reader, not here."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
