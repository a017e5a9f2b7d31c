<%!
import re

def spelled(value):
    return repr(value).replace("'", '"')

def in_lines(definition):
    """Return a string in parts that fit into a line."""
    return "\n".join(("(", *map(repr, re.findall(r".{1,90}(?: |$)|\S+ ?", definition)), ")"))

def spelled_columns(columns):
    return "{" + ", ".join(
        f"{table!r}: {{" + ", ".join(
            f"{engine!r}: [" + ", ".join(map(in_lines, definitions)) + "]" for engine, definitions in by_engine.items()
        ) + "}" for table, by_engine in columns.items()
    ) + "}"
%>\
<%
nothing = {"postgresql": (), "sqlite": ()}
columns = context.get("columns") or {}
before, after, created = (context.get(name) or nothing for name in ("before", "after", "created"))
reads = context.get("reads") or {}
tables, views = context.get("locked_tables") or (), context.get("locked_views") or ()
made = tuple(name.rpartition("_v")[0] for name in created["postgresql"])
%>\
"""${message}."""

% if columns:
from kms_schema.sql.columns import add_columns, drop_columns
% endif
from kms_schema.sql.objects import create_objects, drop_objects, replace_objects
% if tables or views or made:
from kms_schema.sql.operations import lock
% endif

revision = ${spelled(up_revision)}
down_revision = ${spelled(down_revision)}
branch_labels = ${spelled(branch_labels)}
depends_on = ${spelled(depends_on)}

% if columns:
COLUMNS = ${spelled_columns(columns)}
% endif
BEFORE: dict[str, tuple[str, ...]] = ${spelled(before)}
AFTER: dict[str, tuple[str, ...]] = ${spelled(after)}
"""Objects that are replaced; on SQLite with the triggers that fire after them, so that their order stays."""
CREATED: dict[str, tuple[str, ...]] = ${spelled(created)}
READS: dict[str, tuple[str, ...]] = ${spelled(reads)}
"""The tables and views that each view reads."""


def upgrade() -> None:
% if tables or views:
    lock(${spelled(tables)}, "ACCESS EXCLUSIVE"${f", views={spelled(views)}" if views else ""})
% endif
% for table in columns:
    add_columns("${table}", COLUMNS["${table}"])
% endfor
    replace_objects(AFTER, reads=READS)
    create_objects(CREATED, reads=READS)


def downgrade() -> None:
% if tables or views or made:
    lock(${spelled(tables)}, "ACCESS EXCLUSIVE"${f", views={spelled(made + views)}" if made + views else ""})
% endif
    drop_objects(CREATED)
    replace_objects(BEFORE, reads=READS)
% for table in reversed(columns):
    drop_columns("${table}", COLUMNS["${table}"], aside="${aside}")
% endfor
