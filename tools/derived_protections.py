"""The triggers that protect the rows of a table, and queries for rows that they would refuse: see `derived_sql`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa

from kms_schema.models import Base
from kms_schema.vocabulary import KEY_LIFECYCLE, KEY_STATUS_TIME, ROTATION_LIFECYCLE
from tools.lifecycle_sql import sqlite_lifecycle
from tools.recorded_columns import DRAWN_ONCE, ITS_PARTS_ARE_TEXTS, NEW_ROWS, WRITTEN_ONCE, Table
from tools.sql_templates import filled, wrapped

LEVELS, DIGITS = 16, 308


def bounds_on_sqlite(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield both triggers that bound the texts and documents of a table."""
    columns, rule = Base.metadata.tables[name].columns, f"guard_{table.singular}_bounds"
    body = ""
    for column, most in table.bounds.items():
        kind, reason = columns[column].type, ITS_PARTS_ARE_TEXTS.get(column)
        body += f"    -- {reason}\n" if reason else ""
        if getattr(kind, "length", None) is None:  # else the type bounds it
            body += filled("bytes", rule=rule, column=column, most=most)
        if isinstance(kind, sa.JSON) and reason is None:
            body += filled("document", rule=rule, column=column, levels=LEVELS, digits=DIGITS)
    for column in table.bounds:
        body += filled("encoding", rule=rule, column=column) if column in table.named else ""
    of = f"UPDATE OF {', '.join(table.bounds)}"
    for trigger, events in ((f"{rule}_insert", "INSERT"), (rule, of)):
        yield f"{trigger}_trigger", filled("bounds", name=trigger, events=events, table=name, body=body)


def bounds_on_postgresql(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield the trigger that bounds the texts and documents of a table."""
    arguments = ", ".join(f"'{column}', '{most}'" for column, most in table.bounds.items())
    yield (
        f"guard_{table.singular}_bounds_trigger",
        f"CREATE TRIGGER guard_{table.singular}_bounds\n"
        f"BEFORE INSERT OR UPDATE OF {', '.join(table.bounds)} ON {{schema}}.{name}\n"
        f"FOR EACH ROW EXECUTE FUNCTION {{schema}}.guard_row_bounds(\n    {arguments}\n)",
    )


def nulls_on_sqlite(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield both triggers against a NULL that SQLite would replace by a default."""
    columns = [each.name for each in Base.metadata.tables[name].columns if each.server_default and not each.nullable]
    null = [f"NEW.{column} IS NULL" for column in columns]
    condition = wrapped([null[0], *(f"OR {each}" for each in null[1:])], 115, between=" ").strip()
    rule = f"guard_{table.singular}_not_null"
    of = f"UPDATE OF\n{wrapped(columns, 110)}\n"
    for trigger, events in ((f"{rule}_insert", "INSERT "), (rule, of)):
        places = {"name": trigger, "events": events, "table": name, "condition": condition, "rule": rule}
        yield f"{trigger}_trigger", filled("not_null", **places)


def touch_on_sqlite(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield the trigger that keeps `updated_at`, if the table has it."""
    columns = [each.name for each in Base.metadata.tables[name].columns]
    if "updated_at" in columns:
        trigger = f"touch_{table.singular}_updated_at"
        columns.remove("updated_at")
        yield f"{trigger}_trigger", filled("touch", name=trigger, columns=wrapped(columns, 110), table=name)


def touch_on_postgresql(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield the trigger that keeps `updated_at`, if the table has it."""
    if "updated_at" in Base.metadata.tables[name].columns:
        trigger = f"touch_{table.singular}_updated_at"
        yield (
            f"{trigger}_trigger",
            f"CREATE TRIGGER {trigger}\nBEFORE UPDATE ON {{schema}}.{name}\n"
            "FOR EACH ROW EXECUTE FUNCTION {schema}.touch_updated_at()",
        )


def identities(name: str, table: Table, engine: str) -> Iterator[tuple[str, str]]:
    """Yield the trigger that protects what makes a row what it is."""
    trigger, of = f"protect_{table.singular}_identity", ", ".join(table.identity)
    if engine == "postgresql":
        arguments = ", ".join(f"'{column}'" for column in table.identity)
        yield (
            f"{trigger}_trigger",
            f"CREATE TRIGGER {trigger}\nBEFORE UPDATE OF {of} ON {{schema}}.{name}\n"
            f"FOR EACH ROW EXECUTE FUNCTION {{schema}}.protect_row_identity({arguments})",
        )
        return
    reasons = [f" {DRAWN_ONCE[column][0]}" for column in table.identity if column in DRAWN_ONCE]
    lines = [f"-- The identity columns of a row never change.{''.join(reasons)}", f"CREATE TRIGGER {trigger}"]
    lines += [f"BEFORE UPDATE OF {of} ON {name}", "BEGIN"]
    for column in table.identity:
        drawn = f" AND {DRAWN_ONCE[column][1]}" if column in DRAWN_ONCE else ""
        lines.append(f"    SELECT RAISE(ABORT, '{trigger}: {column} may not change')")
        lines.append(f"    WHERE NEW.{column} IS NOT OLD.{column}{drawn};")
    yield f"{trigger}_trigger", "\n".join([*lines, "END"])


def written_once(engine: str) -> Iterator[tuple[str, str]]:
    """Yield the triggers that refuse any change of evidence and records."""
    for name, (singular, word) in WRITTEN_ONCE.items():
        events = {"update": "UPDATE", "delete": "DELETE", "delete_truncate": "TRUNCATE"}
        for suffix, event in events.items():
            trigger = f"prevent_{singular}_{suffix}"
            if engine == "postgresql":
                each = "STATEMENT" if event == "TRUNCATE" else "ROW"
                yield (
                    f"{trigger}_trigger",
                    f"CREATE TRIGGER {trigger}\nBEFORE {event} ON {{schema}}.{name}\n"
                    f"FOR EACH {each} EXECUTE FUNCTION {{schema}}.prevent_key_audit_evidence_change()",
                )
            elif event != "TRUNCATE":
                yield f"{trigger}_trigger", filled("written_once", trigger=trigger, table=name, event=event, word=word)


def unique_on_sqlite(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield both triggers that refuse a row before REPLACE would delete another, by which it is not unique."""
    of = Base.metadata.tables[name]
    keys: list[tuple[str, list[str], str]] = [(str(of.primary_key.name), ["id"], "")]
    constraints = [each for each in of.constraints if isinstance(each, sa.UniqueConstraint)]
    for constraint in sorted(constraints, key=lambda each: (-len(each.columns), str(each.name))):
        keys.append((str(constraint.name), [column.name for column in constraint.columns], ""))
    for index in sorted(of.indexes, key=lambda each: str(each.name)):
        if index.unique:
            where = str(index.dialect_options["sqlite"]["where"])
            keys.append((str(index.name), [column.name for column in index.columns], where))
    words = {word for _, columns, where in keys for word in (*columns, *re.findall(r"\w+", where))}
    looked_at = [column.name for column in of.columns if column.name in words]
    reasons = {
        "insert": "-- INSERT OR REPLACE deletes conflicting rows without firing DELETE triggers, so a conflicting row"
        " is refused first.\n-- This refuses upserts as well, a documented difference from PostgreSQL.\n",
        "update": "-- UPDATE OR REPLACE deletes conflicting rows without firing DELETE triggers.\n",
    }
    for event, reason in reasons.items():
        trigger = f"guard_{table.singular}_{event}"
        fires = "INSERT" if event == "insert" else f"UPDATE OF {', '.join(looked_at)}"
        body = "".join(_unique(name, *key, other=event == "update") for key in keys)
        yield f"{trigger}_trigger", f"{reason}CREATE TRIGGER {trigger}\nBEFORE {fires} ON {name}\nBEGIN\n{body}END"


def _unique(table: str, rule: str, columns: list[str], where: str, *, other: bool) -> str:
    """Return the statement that refuses a row with the same values as another; `where` of a partial index."""
    same = " AND ".join(f"{column} = NEW.{column}" for column in columns)
    named = " and ".join(columns) + (f" and is {rule.rpartition('_')[2]}" if where else "")
    same += (f" AND {where}" if where else "") + (" AND id <> OLD.id" if other else "")
    text = filled("unique", rule=rule, columns=named, table=table, same=same)
    row = re.sub(r"\b(\w+)(?= IS | IN )", r"NEW.\1", where)
    return text.replace(";\n", f"\n    AND {row};\n") if where else text


def new_rows_on_sqlite(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield the triggers of new rows that refuse what the trigger of a change refuses, but what only a change can."""
    for changed, reason in NEW_ROWS.items():
        text = files[f"{changed}_trigger_v01.sql"].read_text("utf-8")
        inserted = f"{changed.removesuffix('_update')}_insert"
        head, _, body = text[text.index("CREATE TRIGGER") :].partition("BEGIN\n")
        head = head.replace(changed, inserted)
        head = re.sub(r"BEFORE UPDATE OF\s.*?\sON", "BEFORE INSERT ON", head, flags=re.DOTALL)
        head = re.sub(r"\s+AND (?:\([^\n]*OLD[^\n]*\)|\S+ IS NOT OLD\.\w+)(?=\n)", "", head)
        statements = [each for each in body.removesuffix("END\n").split(";\n") if each.strip()]
        kept = [each + ";\n" for each in statements if not re.search(r"\bOLD\.|close a circle", each)]
        yield f"{inserted}_trigger", f"-- {reason}\n{head}BEGIN\n{''.join(kept)}END"


def lifecycle_of_keys() -> Iterator[tuple[str, str]]:
    """Yield what refuses on SQLite a change of status that keys do not make, and a status without its time."""
    trigger = "enforce_key_lifecycle_consistency"
    yield (
        f"{trigger}_trigger",
        "-- Allowed changes of a key's status: kms_schema.vocabulary.KEY_LIFECYCLE.\n"
        "-- Before SQLite 3.47 RAISE accepts only literals, hence a line for each refused change.\n"
        f"CREATE TRIGGER {trigger}\nBEFORE UPDATE OF status ON key_masters\nWHEN NEW.status IS NOT OLD.status\nBEGIN\n"
        f"{sqlite_lifecycle(trigger, KEY_LIFECYCLE)}\nEND",
    )
    times = {str(status): time for status, time in KEY_STATUS_TIME.items()}
    body = "".join(filled("needs_time", status=status, time=time) for status, time in times.items())
    yield (
        f"{trigger}_insert_trigger",
        "-- A key may be imported in any status whose time is given. PostgreSQL has a CHECK; on SQLite it would run\n"
        f"-- before {trigger}_fill has filled in the time.\n"
        f"CREATE TRIGGER {trigger}_insert\nBEFORE INSERT ON key_masters\nBEGIN\n{body}END",
    )
    for status, time in times.items():
        name = f"ck_key_masters_{status}_has_{time}_violations"
        yield name, filled("time_violations", status=status, time=time)


def lifecycle_of_rotations(files: Mapping[str, Path]) -> tuple[Path, str, int]:
    """Return SQLite's trigger for changes of a rotation's status, with the number of lines that are the file's own."""
    trigger = "enforce_key_rotation_lifecycle"
    file = files[f"{trigger}_trigger_v01.sql"]
    written = file.read_text("utf-8")
    changes = sqlite_lifecycle(trigger, ROTATION_LIFECYCLE, only_if_changed=True)
    before, _, after = written.partition("    SELECT CASE\n")
    after = after.partition("    END;\n")[2]
    return file, f"{before}{changes}\n{after}", (before + after).count("\n")


def versions_of_rotations() -> Iterator[tuple[str, str]]:
    """Yield the queries for rotations from or to a version that their key does not have."""
    for word, column in (("from", "old_version"), ("to", "new_version")):
        name = f"fk_key_rotations_key_id_{column}_key_versions_violations"
        yield name, filled("version_violations", word=word, column=column)
