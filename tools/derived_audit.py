"""The triggers that record the changes of a table: see `derived_sql`.

On PostgreSQL and for deletions the whole text follows. On SQLite the events of a change of state and the condition of
an update stand in the file where they are more than a comparison of each column; the rest is written around them.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa

from kms_schema.models import Base
from tools.recorded_columns import CHANGES_WITH_ITS_STATUS, Table
from tools.sql_templates import MARK, filled, wrapped

EVENTS = {"insert": "CREATED", "update": "CHANGED", "delete": "DELETED"}
NO_CHANGE = "-- Counting use and bookkeeping are no changes of state"
_BEFORE_ENTRY, _AFTER_CREATE = "    INSERT INTO key_audit_logs\n", "    ) AS made CROSS JOIN (\n"


def quoted(column: str) -> str:
    """Return a column as a statement names it."""
    return f'"{column}"' if column == "trigger" else column


def conditions(columns: Collection[str], comparison: str) -> list[str]:
    """Return for each column the condition that it changes; each after the first begins with OR."""
    changed = [f"OLD.{quoted(column)} {comparison} NEW.{quoted(column)}" for column in sorted(columns)]
    return [changed[0], *(f"OR {each}" for each in changed[1:])]


def on_postgresql(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield the triggers of PostgreSQL that record the rows of a table."""
    columns = [each.name for each in Base.metadata.tables[name].columns if each.name not in table.unrecorded]
    shown = wrapped([each for each in columns if each not in table.named], 118, indent=" " * 5).strip()
    named = wrapped([each for each in columns if each in table.named], 118, indent=" " * 5).strip()
    arguments = f"    '{table.subject}', '{table.category}',\n    '{{{shown}}}',\n    '{{{named}}}'\n)"
    for event in EVENTS:
        each, function = "FOR EACH ROW ", "audit_key_change"
        what = f"AFTER {event.upper()} ON {{schema}}.{name}"
        if event == "insert" and table.many_at_once:
            each, function = "FOR EACH STATEMENT ", "audit_key_insert"
            what += " REFERENCING NEW TABLE AS inserted"
        if event == "update":
            watched = set(columns) - CHANGES_WITH_ITS_STATUS
            changed = wrapped(conditions(watched, "IS DISTINCT FROM"), 115, between=" ")
            of = wrapped([quoted(column) for column in sorted(watched)], 118)
            what, each = f"AFTER UPDATE OF\n{of}\nON {{schema}}.{name}", f"FOR EACH ROW WHEN (\n{changed}\n)\n"
        text = f"CREATE TRIGGER audit_{table.singular}_{event}\n{what}\n{each}EXECUTE FUNCTION {{schema}}.{function}(\n"
        if event == "update":
            text = f"{NO_CHANGE}: they update none of these columns and do not fire this trigger.\n{text}"
        yield f"audit_{table.singular}_{event}_trigger", text + arguments


def kind_of(column: sa.Column[object], table: Table) -> str:
    """Return how SQLite's triggers write a column into the document of an entry."""
    if column.name in table.named:
        return "named"
    if isinstance(column.type, sa.Boolean):
        return "boolean"
    return "json" if isinstance(column.type, sa.JSON) else "plain"


def kinds_of(name: str, table: Table) -> dict[str, str]:
    """Return the kinds of the columns that are recorded, in their order in documents."""
    columns = {each.name: each for each in Base.metadata.tables[name].columns if each.name not in table.unrecorded}
    return {column: kind_of(columns[column], table) for column in sorted(columns)}


def shown(kinds: Mapping[str, str], value: str) -> str:
    """Return how a value is written into a document, by its kind."""
    cases = {"json": f"json({value})", "boolean": f"json(iif({value}, 'true', 'false'))"}
    used = "".join(f" WHEN '{kind}' THEN {how}" for kind, how in cases.items() if kind in kinds.values())
    return f"CASE kind{used} ELSE {value} END" if used else value


def document(kinds: Mapping[str, str], event: str, table: Table, row: str) -> str:
    """Return the members of the document of an entry."""
    members = [f"            '{column}', {row}.{column}" for column in sorted(table.belongs_to)]
    for value, key, without in (("before", "from", "insert"), ("after", "to", "delete")):
        if event != without:
            stored = f"FILTER (WHERE kind <> 'named' AND {value} IS NOT NULL)"
            members.append(f"            '{key}', json_group_object(name, {shown(kinds, value)}) {stored}")
    return ",\n".join(members)


def compared(kinds: Mapping[str, str], event: str, written: str) -> str:
    """Return the columns with both values; what the file has for one stays."""
    own_lines = dict(re.findall(r"SELECT '(\w+)'(?: AS name)?, '\w+'(?: AS kind)?, (.*)\n", written))
    lines: list[str] = []
    for column, kind in kinds.items():
        before = "NULL" if event == "insert" else f"OLD.{quoted(column)}"
        after = "NULL" if event == "delete" else f"NEW.{quoted(column)}"
        if column in own_lines:
            before, after = own_lines[column].replace(" AS before", "").removesuffix(" AS after").split(", ", 1)
        if lines:
            lines.append(f"            UNION ALL SELECT '{column}', '{kind}', {before}, {after}\n")
        else:
            lines.append(
                f"            SELECT '{column}' AS name, '{kind}' AS kind, {before} AS before, {after} AS after\n"
            )
    return "".join(lines)


def head_of(name: str, table: Table, event: str) -> str:
    """Return the beginning of a trigger of SQLite, if an update compares each column and nothing more."""
    comment, when = "", ""
    if event == "update":
        columns = set(kinds_of(name, table)) - CHANGES_WITH_ITS_STATUS
        comment = f"{NO_CHANGE}.\n"
        when = "WHEN " + wrapped(conditions(columns, "IS NOT"), 105, between=" ").strip() + "\n"
    return f"{comment}CREATE TRIGGER audit_{table.singular}_{event}\nAFTER {event.upper()} ON {name}\n{when}BEGIN\n"


def on_sqlite(name: str, table: Table, files: Mapping[str, Path]) -> Iterator[tuple[str, str, int]]:
    """Yield the triggers of SQLite that record the rows of a table, each with the number of its file's own lines."""
    kinds = kinds_of(name, table)
    for event, past in EVENTS.items():
        trigger = f"audit_{table.singular}_{event}_trigger"
        head, level = head_of(name, table, event), table.levels[event]
        made = f"        SELECT NULL AS key_id, '{table.subject}_{past}' AS event, '{level}' AS level, 1 AS place\n"
        written, own_lines = "", 0
        if event in table.own_events:
            written = files[f"{trigger}_v01.sql"].read_text("utf-8").removeprefix(MARK)
            head = written.partition(_BEFORE_ENTRY)[0]
            made = written.partition("    FROM (\n")[2].partition(_AFTER_CREATE)[0]
            own_lines = (head + made).count("\n")
        row = "OLD" if event == "delete" else "NEW"
        text = filled(
            "audit_entry", category=table.category, name=table.called.format(row), made=made, row=row,
            document=document(kinds, event, table, row), columns=compared(kinds, event, written),
        )  # fmt: skip
        if event in table.own_events and event == "update":
            head = looked_at(head, kinds)
        yield trigger, head + text, own_lines


def looked_at(head: str, columns: Collection[str]) -> str:
    """Return the beginning of a trigger with a condition for each column that its WHEN does not look at yet."""
    missing = [
        f"    OR OLD.{quoted(column)} IS NOT NEW.{quoted(column)}\n"
        for column in columns
        if column not in CHANGES_WITH_ITS_STATUS and not re.search(rf'OLD\."?{column}\b"? IS ', head)
    ]
    return head.replace("BEGIN\n", "".join(missing) + "BEGIN\n", 1)
