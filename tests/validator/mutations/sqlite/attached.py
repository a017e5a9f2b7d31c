"""Indexes, triggers and views of SQLite."""

from collections.abc import Callable

from tests.validator.mutations.kinds import Kind
from tests.validator.mutations.sqlite.rebuilt import again, having

WHERE = r" WHERE (.*)$"


def _kind(of: str) -> Callable[..., Kind]:
    def kind(name: str, change: object, **more: object) -> Kind:
        single = {"indexes": "index"}.get(of, of.removesuffix("s"))
        return Kind(f"{single}: {name}", of, change, **more)  # type: ignore[arg-type]

    return kind


_index, _trigger, _view = _kind("indexes"), _kind("triggers"), _kind("views")

ATTACHED = (
    _index("dropped", "DROP INDEX {name}"),
    _index("renamed", again("INDEX", r"INDEX \S+", "INDEX mutated")),
    _index("a column more", again("INDEX", r" \(", " (1, ")),
    _index("descending", again("INDEX", r"(\([^,)]*)", r"\1 DESC")),
    _index("collation", again("INDEX", r"(\([^,)]*)", r"\1 COLLATE NOCASE")),
    _index("unique", again("INDEX", "CREATE INDEX", "CREATE UNIQUE INDEX"), where=having("CREATE INDEX")),
    _index("no longer unique", again("INDEX", "CREATE UNIQUE", "CREATE"), where=having("UNIQUE")),
    _index("predicate dropped", again("INDEX", WHERE, ""), where=having(WHERE)),
    _index("predicate wider", again("INDEX", WHERE, r" WHERE (\1) OR 1 > 2"), where=having(WHERE)),
    _index("predicate added", again("INDEX", "$", " WHERE 1 < 2"), where=having(WHERE, present=False)),
    Kind("index: added", "tables", "CREATE INDEX mutated ON {table} ({first})", names="index mutated"),
    Kind(
        "index: unique one added", "tables", "CREATE UNIQUE INDEX mutated ON {table} ({first})", names="index mutated"
    ),
    _trigger("dropped", "DROP TRIGGER {name}"),
    _trigger("renamed", again("TRIGGER", r"TRIGGER \S+", "TRIGGER mutated")),
    _trigger("after and not before", again("TRIGGER", "BEFORE", "AFTER"), where=having("^[^;]*BEFORE")),
    _trigger("before and not after", again("TRIGGER", "AFTER", "BEFORE"), where=having("^[^;]*AFTER")),
    _trigger(
        "for one column",
        again("TRIGGER", r"UPDATE\s+ON", "UPDATE OF id ON"),
        where=having(r"^(?:(?!BEGIN).)*UPDATE\s+ON"),
    ),
    _trigger(
        "for every column",
        again("TRIGGER", r"UPDATE OF\s.*?\sON", "UPDATE ON"),
        where=having(r"^(?:(?!BEGIN).)*UPDATE OF\s"),
    ),
    _trigger("never", again("TRIGGER", r"(WHEN .*?)?BEGIN", "WHEN 0 BEGIN")),
    _trigger("emptied", again("TRIGGER", r"BEGIN.*END", "BEGIN SELECT 1; END")),
    _trigger("another statement", again("TRIGGER", "END$", "SELECT 1; END")),
    _trigger(
        "another message", again("TRIGGER", r"RAISE\(ABORT, '", "RAISE(ABORT, 'mutated "), where=having(r"RAISE\(ABORT")
    ),
    _trigger(
        "ignores and does not refuse",
        again("TRIGGER", r"RAISE\(ABORT, '[^']*'\)", "RAISE(IGNORE)"),
        where=having(r"RAISE\(ABORT, '[^']*'\)"),
    ),
    *(
        Kind(
            f"trigger: one that swallows {event}",
            "tables",
            f"CREATE TRIGGER mutated BEFORE {event} ON {{table}} BEGIN SELECT RAISE(IGNORE); END",
            names="trigger {table}.mutated",
        )
        for event in ("INSERT", "UPDATE", "DELETE")
    ),
    Kind(
        "trigger: one in place of a view's writes",
        "views",
        "CREATE TRIGGER mutated INSTEAD OF INSERT ON {name} BEGIN SELECT 1; END",
        names="trigger {name}.mutated",
    ),
    _view("dropped", "DROP VIEW {name}"),
    _view("renamed", again("VIEW", r"VIEW \S+", "VIEW mutated")),
    _view("another definition", again("VIEW", "$", " LIMIT 1")),
)
