"""Write the SQL that follows from the models: tables, and the triggers that list the columns of a table.

    python -m tools.derived_sql            writes the files
    python -m tools.derived_sql --count    says how many lines of SQL have another source

The whole text follows for a table, for the guard triggers against NULL and too long values, and on SQLite for
`touch_…_updated_at`: these files begin with `MARK`. The triggers that record changes have conditions and events of
their own; only their lists of columns are written, and only where a column is missing or gone. From 1.0 on no file
changes.
"""

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from kms_schema import sql
from kms_schema._version import __version__
from kms_schema.models import Base
from tools.model_ddl import table_statement
from tools.recorded_columns import (
    CHANGES_WITH_ITS_STATUS,
    DRAWN_ONCE,
    ITS_PARTS_ARE_TEXTS,
    RECORDED,
    WRITTEN_ONCE,
    Table,
)

MARK = "-- Derived from the models by tools/derived_sql.py.\n"
ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("postgresql", "sqlite")
EVENTS = ("insert", "update", "delete")
LEVELS, DIGITS = 16, 308

TEMPLATES = Path(__file__).with_name("templates")


def wrapped(words: Sequence[str], width: int, *, between: str = ", ", indent: str = "    ") -> str:
    """Return words in indented lines of at most `width` characters, none of which is broken."""
    joined = between.join(word.replace(" ", "\0") for word in words)
    return textwrap.fill(joined, width, initial_indent=indent, subsequent_indent=indent).replace("\0", " ")


def filled(template: str, **values: object) -> str:
    """Return the text of a template with its places filled in; other braces are SQL."""
    text = (TEMPLATES / f"{template}.sql").read_text("utf-8")
    for place, value in values.items():
        text = text.replace(f"{{{place}}}", str(value))
    return text


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


def whole_texts(engine: str) -> Iterator[tuple[str, str]]:
    """Yield the files whose whole text follows, by name without version."""
    for table in Base.metadata.sorted_tables:
        if table.info.get("only_on", engine) == engine:
            yield table.name, table_statement(table, engine)
    yield from written_once(engine)
    for name, recorded in RECORDED.items():
        yield from identities(name, recorded, engine)
        if engine == "postgresql":
            yield from bounds_on_postgresql(name, recorded)
            continue
        yield from bounds_on_sqlite(name, recorded)
        yield from nulls_on_sqlite(name, recorded)
        yield from touch_on_sqlite(name, recorded)
        yield from deletion_on_sqlite(name, recorded)


def kind_of(column: sa.Column[object], table: Table) -> str:
    """Return how SQLite's triggers write a column into the document of an entry."""
    if column.name in table.named:
        return "named"
    if isinstance(column.type, sa.Boolean):
        return "boolean"
    return "json" if isinstance(column.type, sa.JSON) else "plain"


def shown(kinds: Mapping[str, str], value: str) -> str:
    """Return how a value is written into a document, by its kind."""
    cases = {"json": f"json({value})", "boolean": f"json(iif({value}, 'true', 'false'))"}
    used = "".join(f" WHEN '{kind}' THEN {how}" for kind, how in cases.items() if kind in kinds.values())
    return f"CASE kind{used} ELSE {value} END" if used else value


def columns_on_sqlite(kinds: Mapping[str, str], event: str, written: Mapping[str, str]) -> str:
    """Return the columns with both values; what is written already for one stays."""
    lines: list[str] = []
    for column, kind in kinds.items():
        quoted = f'"{column}"' if column == "trigger" else column
        both = f"{f'OLD.{quoted}' if event != 'insert' else 'NULL'}, {f'NEW.{quoted}' if event != 'delete' else 'NULL'}"
        values = written.get(column, both).replace(" AS before", "").removesuffix(" AS after")
        before, after = values.split(", ", 1)
        if lines:
            lines.append(f"            UNION ALL SELECT '{column}', '{kind}', {before}, {after}\n")
        else:
            lines.append(
                f"            SELECT '{column}' AS name, '{kind}' AS kind, {before} AS before, {after} AS after\n"
            )
    return "".join(lines)


def kinds_of(name: str, table: Table) -> dict[str, str]:
    """Return the kinds of the columns that are recorded, in their order in documents."""
    columns = {each.name: each for each in Base.metadata.tables[name].columns if each.name not in table.unrecorded}
    return {column: kind_of(columns[column], table) for column in sorted(columns)}


def deletion_on_sqlite(name: str, table: Table) -> Iterator[tuple[str, str]]:
    """Yield the trigger that records deletions."""
    kinds = kinds_of(name, table)
    owner = "".join(f"            '{column}', OLD.{column},\n" for column in sorted(table.belongs_to))
    yield (
        f"audit_{table.singular}_delete_trigger",
        filled(
            "audit_delete", singular=table.singular, table=name, category=table.category, subject=table.subject,
            name=table.called.format("OLD"), owner=owner, shown=shown(kinds, "before"),
            columns=columns_on_sqlite(kinds, "delete", {}),
        ),
    )  # fmt: skip


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


def recorded_on_sqlite(text: str, name: str, table: Table, event: str) -> str:
    """Return a trigger of SQLite with the columns that its table has now."""
    kinds = kinds_of(name, table)
    listed = re.search(
        r"(?<=        FROM \(\n)            SELECT '.*?\n(?=        \)\n        WHERE before)", text, re.DOTALL
    )
    if listed is None:
        raise ValueError(f"{event} of {name} has no list of columns")
    written = dict(re.findall(r"SELECT '(\w+)'(?: AS name)?, '\w+'(?: AS kind)?, (.*)\n", listed[0]))
    text = text.replace(listed[0], columns_on_sqlite(kinds, event, written))
    for value in ("before", "after"):
        objects = rf"json_group_object\(name, .*\)(?= FILTER .* AND {value} IS)"
        text = re.sub(objects, f"json_group_object(name, {shown(kinds, value)})", text)
    return looked_at(text, kinds, "OLD.{0} IS NOT NEW.{0}", "\nBEGIN\n") if event == "update" else text


def recorded_on_postgresql(text: str, name: str, table: Table, event: str) -> str:
    """Return a trigger of PostgreSQL with the columns that its table has now."""
    columns = [each.name for each in Base.metadata.tables[name].columns if each.name not in table.unrecorded]
    shown = [column for column in columns if column not in table.named]
    named = [column for column in columns if column in table.named]
    for old, new in zip(re.findall(r"'\{([^}]*)\}'", text), (shown, named), strict=True):
        if set(re.findall(r"\w+", old)) != set(new):
            text = text.replace(f"{{{old}}}", "{" + wrapped(new, 118, indent=" " * 5).strip() + "}")
    if event != "update":
        return text
    watched = sorted(set(columns) - CHANGES_WITH_ITS_STATUS)
    of = re.search(r"(?<=AFTER UPDATE OF\n)(.*?)(?=\nON )", text, re.DOTALL)
    if of is None:
        raise ValueError(f"{name} has no list of columns")
    if set(re.findall(r"\w+", of[0])) != set(watched):
        text = text.replace(of[0], wrapped(watched, 118))
    return looked_at(text, watched, "OLD.{0} IS DISTINCT FROM NEW.{0}", "\n)\nEXECUTE")


def looked_at(text: str, columns: Iterable[str], condition: str, end: str) -> str:
    """Return a trigger with a condition for each column that its WHEN does not look at yet."""
    missing = [
        condition.format(f'"{column}"' if column == "trigger" else column)
        for column in columns
        if column not in CHANGES_WITH_ITS_STATUS and not re.search(rf'OLD\."?{column}\b"? IS ', text)
    ]
    return text.replace(end, "".join(f"\n    OR {each}" for each in missing) + end, 1)


def texts() -> Iterator[tuple[Path, str]]:
    """Yield the files that follow from the models, each with its text."""
    for engine in ENGINES:
        files = {file.name: file for file in sql.paths(engine).values()}
        for name, text in whole_texts(engine):
            yield files[f"{name}_v01.sql"], f"{MARK}{text.rstrip()}\n"
        with_columns = recorded_on_sqlite if engine == "sqlite" else recorded_on_postgresql
        for name, table in RECORDED.items():
            for event in EVENTS if engine == "postgresql" else EVENTS[:2]:
                file = files[f"audit_{table.singular}_{event}_trigger_v01.sql"]
                yield file, with_columns(file.read_text("utf-8"), name, table, event)


def count() -> int:
    """Return how many lines of SQL do not follow from the models."""
    written = [file.read_text("utf-8") for file in sorted((ROOT / "kms_schema").rglob("*.sql"))]
    listed = re.compile(r"^ +(?:UNION ALL )?SELECT '\w+'(?: AS name)?, '(?:plain|named|json|boolean)'", re.MULTILINE)
    return sum(len(text.splitlines()) - len(listed.findall(text)) for text in written if not text.startswith(MARK))


def main() -> None:
    """Write the files, or say how many lines do not follow."""
    if sys.argv[1:] == ["--count"]:
        print(count())
    elif int(__version__.partition(".")[0]) == 0:  # a released file never changes
        for file, text in texts():
            if file.read_text("utf-8") != text:
                file.write_text(text, "utf-8")
                print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
