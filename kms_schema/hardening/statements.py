"""The SQL of the event triggers: one script that creates them and one that removes them."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from kms_schema.database.lock_keys import LOCK_KEY
from kms_schema.hardening.definition import LONGEST_SCHEMA, EventTrigger, event_triggers, hardening_schema
from kms_schema.snapshots import chain, load
from kms_schema.text.identifiers import always_quoted, array_literal, filled, literal

LOCK_TIMEOUT = "500ms"
"""The maximum wait for a lock."""

HINT = (
    "The database is hardened (kms-schema harden). Before an upgrade a superuser runs: kms-schema harden --remove, and"
    " after it: kms-schema harden --apply. Both are entries of the audit trail."
)

_FOLDER = Path(__file__).parent
_HOST_OWNED = frozenset({"alembic_version", "alembic_version_pkc"})
"""Alembic's table, which a host application may share, is not protected."""

_RELATION_KINDS = {"table": "r", "view": "v", "materialized view": "m", "index": "i", "sequence": "S"}


def script(schema: str = "public", revision: str | None = None) -> str:
    """Return the statements that create the event triggers, to be run in one transaction.

    `schema` is that of the tables; `revision` the revision whose objects are protected, by default the newest. Raises
    `ValueError` for a schema name that cannot be used.
    """
    parts = _names(schema, revision)
    triggers = event_triggers(schema)
    create = [
        *(function_statement(schema, each, revision) for each in triggers),
        *(event_trigger_statement(schema, each) for each in triggers),
    ]
    texts = {"description": "event triggers created: DDL on the schema is refused", "done": "applied"}
    return _script("apply", schema, parts | {"create": "\n".join(create)}, texts)


def removal(schema: str = "public") -> str:
    """Return the statements that remove the event triggers, to be run in one transaction.

    `schema` is that of the tables. Raises `ValueError` for a schema name that cannot be used.
    """
    texts = {"description": "event triggers removed: the owner may run DDL on the schema", "done": "removed"}
    return _script("remove", schema, _names(schema, None), texts)


def function_statement(schema: str, trigger: EventTrigger, revision: str | None = None) -> str:
    """Return the SQL that creates or replaces the function of an event trigger; only its owner may call it."""
    name = f"{always_quoted(hardening_schema(schema))}.{trigger.function}()"
    return (
        f"CREATE OR REPLACE FUNCTION {name} RETURNS event_trigger\nLANGUAGE plpgsql SECURITY INVOKER\n"
        f"SET search_path = pg_catalog, pg_temp\nAS $kms${body(schema, trigger, revision)}$kms$;\n"
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC;"
    )


def event_trigger_statement(schema: str, trigger: EventTrigger) -> str:
    """Return the SQL that creates an event trigger that is ALWAYS enabled, also in sessions that replicate."""
    name = always_quoted(trigger.name)
    function = f"{always_quoted(hardening_schema(schema))}.{trigger.function}()"
    tags = f" WHEN TAG IN ({', '.join(map(literal, trigger.tags))})" if trigger.tags else ""
    return (
        f"CREATE EVENT TRIGGER {name} ON {trigger.event}{tags} EXECUTE FUNCTION {function};\n"
        f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS;"
    )


@cache
def body(schema: str, trigger: EventTrigger, revision: str | None = None) -> str:
    """Return the body of an event trigger's function, as the catalog has it."""
    template = _file(trigger.function.removeprefix("refuse_"))
    parts = {"name": literal(trigger.name), "hint": literal(HINT)}
    return filled(template, _names(schema, revision) | parts)


@cache
def guarded(revision: str | None = None) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the protected objects of a revision: relations with their `relkind`, and functions."""
    relations: dict[str, str] = {}
    functions: set[str] = set()
    for key in load("postgresql", revision or chain()[-1], "18.0"):
        kind = next((kind for kind in _RELATION_KINDS if key.startswith(kind + " ")), None)
        if kind and (name := key.removeprefix(kind + " ")) not in _HOST_OWNED:
            relations[name] = _RELATION_KINDS[kind]
        elif key.startswith("function "):
            functions.add(key.removeprefix("function ").partition("(")[0])
    return dict(sorted(relations.items())), tuple(sorted(functions))


def _names(schema: str, revision: str | None) -> dict[str, str]:
    if not 0 < len(schema.encode()) <= LONGEST_SCHEMA or "$kms$" in schema or "\0" in schema:
        raise ValueError(f"no schema that can be hardened, which has up to {LONGEST_SCHEMA} bytes: {schema!r}")
    relations, functions = guarded(revision)
    hardening = hardening_schema(schema)
    return {
        "lock_timeout": LOCK_TIMEOUT,
        "lock_key": str(LOCK_KEY),
        "schema": always_quoted(schema),
        "schema_name": literal(schema),
        "hardening": always_quoted(hardening),
        "hardening_name": literal(hardening),
        "relations": array_literal(tuple(relations)),
        "kinds": array_literal(tuple(relations.values())),
        "functions": array_literal(functions),
        "own_functions": array_literal([each.function for each in event_triggers(schema)]),
        "names": array_literal([each.name for each in event_triggers(schema)]),
    }


def _script(name: str, schema: str, parts: Mapping[str, str], texts: Mapping[str, str]) -> str:
    literals = {key: literal(text) for key, text in texts.items()}
    whole = {"remove": "\n".join(_removed(schema)), "entry": _file("entry").rstrip()}
    template = filled(_file(name), whole)
    return filled(filled(template, {"state": _file("state").rstrip()}), {**parts, **literals}).rstrip() + "\n"


def _removed(schema: str) -> Iterator[str]:
    place = always_quoted(hardening_schema(schema))
    for trigger in event_triggers(schema):
        yield f"DROP EVENT TRIGGER IF EXISTS {always_quoted(trigger.name)};"
    for trigger in event_triggers(schema):
        yield f"DROP FUNCTION IF EXISTS {place}.{trigger.function}();"
    yield f"DROP SCHEMA IF EXISTS {place};"


@cache
def _file(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
