"""Indexes that stand by themselves; those behind a constraint change with it."""

import re

from tests.validator.mutations.kinds import Kind, Row
from tests.validator.mutations.postgresql.tables import TABLESPACE


def _index(name: str, change: object, **more: object) -> Kind:
    return Kind(f"index: {name}", "indexes", change, **more)  # type: ignore[arg-type]


def _apart(row: Row) -> bool:
    return not row["of_constraint"]


def _again(pattern: str, replacement: str) -> object:
    """Return what makes an index anew with `pattern` in its definition replaced."""

    def statements(row: Row) -> str:
        changed, count = re.subn(pattern, replacement, row["definition"], count=1)
        assert count, f"{row['definition']} has no {pattern}"
        return f"DROP INDEX {row['name']}; {changed}"

    return statements


def _having(pattern: str, present: bool = True) -> object:
    return lambda row: _apart(row) and bool(re.search(pattern, row["definition"])) == present


def _not_brin(row: Row) -> bool:
    return "USING brin" not in row["definition"]


def _tree(row: Row) -> bool:
    return _apart(row) and "USING btree" in row["definition"]


WHERE = r" WHERE (.*)$"
INCLUDE = r" INCLUDE \([^)]*\)"
FIRST_KEY = r"USING btree \((\"?\w+\"?)(?=[,)])"

INDEXES = (
    _index("dropped", "DROP INDEX {name}", where=_apart),
    _index("renamed", "ALTER INDEX {name} RENAME TO mutated", where=_apart),
    _index("comment", "COMMENT ON INDEX {name} IS 'mutated'", severity="warning"),
    _index("a key column more", _again(r"USING btree \(", "USING btree ((1), "), where=_tree),
    _index("descending", _again(FIRST_KEY, r"USING btree (\1 DESC"), where=_having(FIRST_KEY)),
    _index("nulls first", _again(FIRST_KEY, r"USING btree (\1 NULLS FIRST"), where=_having(FIRST_KEY)),
    _index(
        "another method",
        _again(r"USING btree", "USING brin"),
        where=lambda row: _tree(row) and not (row["unique"] or row["includes"] or "DESC" in row["definition"]),
    ),
    _index("predicate dropped", _again(WHERE, ""), where=_having(WHERE)),
    _index("predicate wider", _again(WHERE, r" WHERE (\1) OR (1 > 2)"), where=_having(WHERE)),
    _index("predicate added", _again(r"$", " WHERE (1 < 2)"), where=_having(WHERE, present=False)),
    _index("included columns dropped", _again(INCLUDE, ""), where=_having(INCLUDE)),
    _index(
        "unique",
        _again("CREATE INDEX", "CREATE UNIQUE INDEX"),
        where=lambda row: _tree(row) and not row["unique"],
    ),
    _index("no longer unique", _again("CREATE UNIQUE INDEX", "CREATE INDEX"), where=_having("UNIQUE")),
    _index("fill factor", "ALTER INDEX {name} SET (fillfactor = 50)", where=_not_brin),
    _index("options of its method", "ALTER INDEX {name} SET (deduplicate_items = off)", where=_not_brin),
    _index("options of BRIN", "ALTER INDEX {name} SET (autosummarize = off)", where=lambda row: not _not_brin(row)),
    _index("goes with an extension", "ALTER INDEX {name} DEPENDS ON EXTENSION plpgsql"),
    _index(
        "another tablespace",
        f"{TABLESPACE} ALTER INDEX {{name}} SET TABLESPACE mutated",
        severity="warning",
        undo="DROP TABLESPACE mutated",
    ),
    _index(
        "no longer the primary one",
        "UPDATE pg_index SET indisprimary = false WHERE indexrelid = {oid}",
        where=lambda row: row["primary"],
        manual=True,
    ),
    _index("not valid", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = {oid}"),
    _index("not ready", "UPDATE pg_index SET indisready = false WHERE indexrelid = {oid}"),
    _index("not live", "UPDATE pg_index SET indislive = false WHERE indexrelid = {oid}"),
)
ADDED = (
    Kind("index: added", "tables", "CREATE INDEX mutated ON {on_relation} ({first_column})", names="index mutated"),
    Kind(
        "index: unique one added",
        "tables",
        "CREATE UNIQUE INDEX mutated ON {on_relation} ({first_column})",
        names="index mutated",
    ),
    Kind(
        "index: added to a materialized view",
        "views",
        "CREATE INDEX mutated ON {on_relation} ({first_column})",
        names="index mutated",
        where=lambda row: row["kind"] != "VIEW",
    ),
)
