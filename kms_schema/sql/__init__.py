"""The SQL of the schema: tables, functions, triggers and views as files, one statement each, per engine.

A file is called `NAME_vNN.sql` (`NAME_trigger_vNN.sql` for a trigger, which may share its name with a function), and
stands in the folder of its engine, in that of its table or subject. Its name is unique in its engine.
Revisions name files with their version, so that what they did never changes; a new version of an object is a new
file. On PostgreSQL the placeholder `{schema}` stands for the schema that everything lives in; SQLite keeps a
statement's text as it is, and has none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa

_CREATE = re.compile(
    r"^CREATE (?:UNIQUE )?(?P<kind>TABLE|FUNCTION|TRIGGER|VIEW|MATERIALIZED VIEW|INDEX|SEQUENCE) "
    r"(?P<name>(?:\{schema\}\.)?\w+)",
    re.MULTILINE,
)
_ON_TABLE = re.compile(
    r"\bON (?P<table>\{schema\}\.\w+)\s+(?:REFERENCING (?:(?:NEW|OLD) TABLE AS \w+\s+)+)?FOR EACH\b", re.MULTILINE
)


@dataclass(frozen=True)
class SqlFile:
    """One CREATE statement of one engine, and what takes it back."""

    dialect: str
    text: str

    def create(self, schema: str = "public") -> list[str]:
        """Return the statements that make the object, `schema` filled in (an identifier, unquoted)."""
        statements = [self.text]
        if self.kind == "TRIGGER" and self.dialect == "postgresql":
            # Also under session_replication_role = replica, which is otherwise a way round every guard.
            statements.append(f"ALTER TABLE {self._table} ENABLE ALWAYS TRIGGER {self.name}")
        if self.kind == "FUNCTION" and ("RETURNS trigger" in self.text or "SECURITY DEFINER" in self.text):
            # Whoever may execute a trigger function may put it on a table of their own and choose NEW: with the
            # owner's rights. Firing a trigger asks for no right, so nobody needs this one.
            statements.append(f"REVOKE ALL ON FUNCTION {self.name}() FROM PUBLIC")
        return [_in_schema(statement, schema) for statement in statements]

    def drop(self, schema: str = "public") -> str:
        """Return the statement that removes the object and nothing that depends on it."""
        if self.dialect == "sqlite":
            return f"DROP {self.kind} {self.name}"
        if self.kind == "TRIGGER":
            return _in_schema(f"DROP TRIGGER {self.name} ON {self._table}", schema)
        if self.kind == "INDEX":  # named without a schema where it is made, with one where it is dropped
            return _in_schema(f"DROP INDEX {{schema}}.{self.name}", schema)
        arguments = "()" if self.kind == "FUNCTION" else ""
        return _in_schema(f"DROP {self.kind} {self.name}{arguments}", schema)

    @property
    def kind(self) -> str:
        """The kind of object, as the statement spells it: `TABLE`, `FUNCTION`, `TRIGGER`, `VIEW`, …"""
        return self._match["kind"]

    @property
    def name(self) -> str:
        """The object's name as the statement spells it, `{schema}.` included."""
        return self._match["name"]

    @property
    def _match(self) -> re.Match[str]:
        match = _CREATE.search(self.text)
        if match is None:
            raise ValueError(f"not one CREATE statement: {self.text[:60]!r}")
        return match

    @property
    def _table(self) -> str:
        match = _ON_TABLE.search(self.text)
        if match is None:
            raise ValueError(f"trigger {self.name} names no table")
        return match["table"]


@cache
def paths(folder: str) -> dict[str, Path]:
    """Return the SQL files of `postgresql`, `sqlite` or `both` by name without `.sql`, whatever their folder."""
    found: dict[str, Path] = {}
    for path in sorted((Path(__file__).parent / folder).rglob("*.sql")):
        if path.stem in found:
            raise ValueError(f"two files of {folder} are called {path.name}")
        found[path.stem] = path
    return found


@cache
def load(dialect: str, filename: str) -> SqlFile:
    """Return the file `filename` (without `.sql`) of `dialect`; raise `FileNotFoundError` if there is none."""
    path = paths(dialect).get(filename)
    if path is None:
        raise FileNotFoundError(f"{dialect} has no SQL file {filename}.sql")
    return SqlFile(dialect, path.read_text(encoding="utf-8").rstrip().removesuffix(";"))


def create_statements(dialect: str, filenames: Sequence[str], schema: str = "public") -> list[sa.TextClause]:
    """Return the statements that make the objects of `filenames`, in that order, ready for `op.execute`."""
    return [verbatim(statement) for filename in filenames for statement in load(dialect, filename).create(schema)]


def drop_statements(dialect: str, filenames: Sequence[str], schema: str = "public") -> list[sa.TextClause]:
    """Return the statements that remove the objects of `filenames`, in reverse order."""
    return [verbatim(load(dialect, filename).drop(schema)) for filename in reversed(filenames)]


def replace_statements(dialect: str, filenames: Sequence[str], schema: str = "public") -> list[sa.TextClause]:
    """Return the statements that put the objects of `filenames` in the place of other versions of them.

    On PostgreSQL a function is exchanged under the triggers that call it, which locks no table, and a view that keeps
    its columns under the views that read it; on SQLite triggers and views are made anew.
    """
    statements = []
    for filename in filenames:
        new = load(dialect, filename)
        if new.kind == "FUNCTION" or (new.kind == "VIEW" and dialect == "postgresql"):
            create, *_ = new.create(schema)
            statements.append(verbatim(create.replace("CREATE ", "CREATE OR REPLACE ", 1)))
        else:
            statements += [verbatim(statement) for statement in (new.drop(schema), *new.create(schema))]
    return statements


def verbatim(statement: str) -> sa.TextClause:
    """Return `statement` as it is: no colon in it is a bind parameter."""
    # In a::int::text SQLAlchemy takes no colon for a parameter, and would unescape only the last.
    return sa.text(re.sub(r"(?<![:\w]):(?=\w)", r"\\:", statement))


def _in_schema(statement: str, schema: str) -> str:
    return statement.replace("{schema}", schema)
