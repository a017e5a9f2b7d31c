"""Triggers: whether they are there, when they fire, and what they call."""

import re
from collections.abc import Callable

from tests.validator.mutations.kinds import Kind, Row

SWALLOW = "CREATE FUNCTION public.mutated() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
EVENTS = r"(BEFORE|AFTER) (.*?) ON "
EARLY = r"^((?:(?! ON ).)*)"
"""What comes before the table's name, events among it."""


def _trigger(name: str, change: object, **more: object) -> Kind:
    return Kind(f"trigger: {name}", "triggers", change, **more)  # type: ignore[arg-type]


def _again(pattern: str, replacement: str, before: str = "") -> Callable[[Row], str]:
    """Return what makes a trigger anew, firing when it did, with `pattern` in its definition replaced."""

    def statements(row: Row) -> str:
        changed, count = re.subn(pattern, replacement, row["definition"], count=1)
        assert count, f"{row['definition']} has no {pattern}"
        alter = f"ALTER TABLE {row['on_relation']} {row['state']} TRIGGER {row['name']}"
        return f"{before} DROP TRIGGER {row['name']} ON {row['on_relation']}; {changed}; {alter}"

    return statements


def _having(pattern: str, present: bool = True) -> Callable[[Row], bool]:
    return lambda row: bool(re.search(pattern, row["definition"])) == present


def _of_first_column(row: Row) -> str:
    return _again(EARLY + r"UPDATE\b", rf"\1UPDATE OF {row['first_column']}")(row)


def _plain_row_trigger(row: Row) -> bool:
    return "FOR EACH ROW" in row["definition"] and "CONSTRAINT" not in row["definition"]


def _rowed(row: Row, event: str) -> bool:
    """Whether the trigger may have one event more: not a transition table's, nor one that looks at OLD and NEW."""
    definition = row["definition"]
    return event not in definition and "REFERENCING" not in definition and " WHEN " not in definition


def _deferrable(row: Row) -> bool:
    return _plain_row_trigger(row) and " AFTER " in row["definition"] and "REFERENCING" not in row["definition"]


TRIGGERS = (
    _trigger("dropped", "DROP TRIGGER {name} ON {on_relation}"),
    _trigger("disabled", "ALTER TABLE {on_relation} DISABLE TRIGGER {name}"),
    _trigger("for replicas only", "ALTER TABLE {on_relation} ENABLE REPLICA TRIGGER {name}"),
    _trigger(
        "no longer always",
        "ALTER TABLE {on_relation} ENABLE TRIGGER {name}",
        where=lambda row: row["state"] == "ENABLE ALWAYS",
    ),
    _trigger(
        "always", "ALTER TABLE {on_relation} ENABLE ALWAYS TRIGGER {name}", where=lambda row: row["state"] == "ENABLE"
    ),
    _trigger("renamed", "ALTER TRIGGER {name} ON {on_relation} RENAME TO zz_mutated"),
    _trigger("goes with an extension", "ALTER TRIGGER {name} ON {on_relation} DEPENDS ON EXTENSION plpgsql"),
    _trigger("comment", "COMMENT ON TRIGGER {name} ON {on_relation} IS 'mutated'", severity="warning"),
    _trigger("one event less", _again(EARLY + " OR .*? ON ", r"\1 ON "), where=_having(EARLY + " OR .*? ON ")),
    _trigger("for fewer columns", _of_first_column, where=_having(EARLY + r"UPDATE(?! OF)")),
    _trigger("for every column", _again(r"UPDATE OF .*? (ON|OR) ", r"UPDATE \1 "), where=_having(EARLY + "UPDATE OF")),
    _trigger("for a DELETE too", _again(EVENTS, r"\1 \2 OR DELETE ON "), where=lambda row: _rowed(row, "DELETE")),
    _trigger("for an INSERT too", _again(EVENTS, r"\1 \2 OR INSERT ON "), where=lambda row: _rowed(row, "INSERT")),
    _trigger("after and not before", _again(" BEFORE ", " AFTER "), where=_having(" BEFORE ")),
    _trigger(
        "before and not after",
        _again(" AFTER ", " BEFORE "),
        where=lambda row: (
            " AFTER " in row["definition"] and _plain_row_trigger(row) and "REFERENCING" not in row["definition"]
        ),
    ),
    _trigger(
        "by statement and not by row",
        _again("FOR EACH ROW", "FOR EACH STATEMENT"),
        where=lambda row: _plain_row_trigger(row) and " WHEN " not in row["definition"],
    ),
    _trigger(
        "under a condition", _again(" EXECUTE ", " WHEN (false) EXECUTE "), where=_having(" WHEN ", present=False)
    ),
    _trigger(
        "under another condition",
        _again(r" WHEN \((?s:.*)\) EXECUTE ", " WHEN (false) EXECUTE "),
        where=_having(" WHEN "),
    ),
    _trigger("under no condition", _again(r" WHEN \((?s:.*)\) EXECUTE ", " EXECUTE "), where=_having(" WHEN ")),
    _trigger("another function", _again(r"EXECUTE FUNCTION \S+\(", "EXECUTE FUNCTION public.mutated(", SWALLOW)),
    _trigger("another argument", _again(r"\([^()]*\)$", "('mutated')")),
    _trigger(
        "a constraint trigger",
        _again("CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER"),
        where=_deferrable,
    ),
    _trigger(
        "deferred to the end of the transaction",
        _again(
            "CREATE TRIGGER (.*) FOR EACH ROW",
            r"CREATE CONSTRAINT TRIGGER \1 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
        ),
        where=_deferrable,
    ),
    _trigger(
        "with a transition table",
        _again("FOR EACH ROW", "REFERENCING NEW TABLE AS mutated FOR EACH ROW"),
        where=lambda row: _deferrable(row) and not re.search(EARLY + "( OR | OF |DELETE)", row["definition"]),
    ),
)


def _added(name: str, trigger: str) -> Kind:
    return Kind(
        f"trigger: {name}",
        "tables",
        f"{SWALLOW} CREATE TRIGGER a_mutated {trigger} EXECUTE FUNCTION public.mutated()",
        names="trigger {relation}.a_mutated",
    )


ADDED = (
    _added("one that swallows inserts", "BEFORE INSERT ON {on_relation} FOR EACH ROW"),
    _added("one that swallows changes", "BEFORE UPDATE OR DELETE ON {on_relation} FOR EACH ROW"),
    _added("one by statement", "AFTER TRUNCATE ON {on_relation} FOR EACH STATEMENT"),
    Kind(
        "trigger: one in place of a view's writes",
        "views",
        f"{SWALLOW} CREATE TRIGGER a_mutated INSTEAD OF INSERT ON {{on_relation}} FOR EACH ROW"
        " EXECUTE FUNCTION public.mutated()",
        names="trigger {relation}.a_mutated",
        where=lambda row: row["kind"] == "VIEW",
    ),
)
