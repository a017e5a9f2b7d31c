"""The SQL of the schema: tables, functions, triggers and views as files, one statement each, per engine.

A file is called `NAME_vNN.sql`, or `NAME_trigger_vNN.sql` for a trigger, which may share its name with a function. It
is in the folder of its engine, in that of its table or subject. Its name is unique in its engine. Revisions name files
with their version, so that what they did never changes; a new version of an object is a new file. On PostgreSQL the
placeholder `{schema}` is the schema of all objects; SQLite keeps a statement's text as it is, and has none. A file in
`both` holds for both engines.

The folder `statements` has the SQL that the operations run with names of their own. These files have no version: what
they leave in the catalog never changes, but how they do it may.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CREATE = re.compile(
    r"^CREATE (?:UNIQUE |CONSTRAINT )?(?P<kind>TABLE|FUNCTION|TRIGGER|VIEW|MATERIALIZED VIEW|INDEX|SEQUENCE) "
    r"(?P<name>(?:\{schema\}\.)?\w+)",
    re.MULTILINE,
)
_ARGUMENTS = re.compile(r"(?<=\w)\([^()]*\)(?= RETURNS )")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_INDEXED = re.compile(r"\bON (?P<table>\{schema\}\.\w+) ")
_ON_TABLE = re.compile(
    r"\bON (?P<table>\{schema\}\.\w+)\s+(?:DEFERRABLE INITIALLY DEFERRED\s+)?"
    r"(?:REFERENCING (?:(?:NEW|OLD) TABLE AS \w+\s+)+)?FOR EACH\b",
    re.MULTILINE,
)


@dataclass(frozen=True)
class SqlFile:
    """One CREATE statement of one engine, and the statement that drops the object."""

    dialect: str
    text: str

    def create(self, schema: str = "public") -> list[str]:
        """Return the statements that create the object, `schema` filled in (an identifier, unquoted)."""
        statements = [self.text]
        if self.kind == "TRIGGER" and self.dialect == "postgresql":
            # Also with session_replication_role = replica, which otherwise bypasses every trigger.
            statements.append(f"ALTER TABLE {self._on} ENABLE ALWAYS TRIGGER {self.name}")
        if self.kind == "FUNCTION":
            # A role with EXECUTE on a trigger function can create a trigger with it on its own table and choose NEW; a
            # SECURITY DEFINER function then runs with the owner's privileges. Firing a trigger needs no privilege. A
            # function with arguments is called by these alone. The others are for everybody, whatever the default
            # privileges of the database say: each INSERT and each trigger needs them.
            is_private = "RETURNS trigger" in self.text or "SECURITY DEFINER" in self.text or self._arguments != "()"
            change = ("REVOKE ALL", "FROM") if is_private else ("GRANT EXECUTE", "TO")
            statements.append(f"{change[0]} ON FUNCTION {self.name}{self._arguments} {change[1]} PUBLIC")
        return [_in_schema(statement, schema) for statement in statements]

    def drop(self, schema: str = "public") -> str:
        """Return the statement that removes the object and nothing that depends on it."""
        if self.dialect == "sqlite":
            return f"DROP {self.kind} {self.name}"
        if self.kind == "TRIGGER":
            return _in_schema(f"DROP TRIGGER {self.name} ON {self._on}", schema)
        if self.kind == "INDEX":  # named without a schema where it is made, with one where it is dropped
            return _in_schema(f"DROP INDEX {{schema}}.{self.name}", schema)
        arguments = self._arguments if self.kind == "FUNCTION" else ""
        return _in_schema(f"DROP {self.kind} {self.name}{arguments}", schema)

    @property
    def kind(self) -> str:
        """The kind of object, as the statement spells it: `TABLE`, `FUNCTION`, `TRIGGER`, `VIEW`, …"""
        return self._match["kind"]

    @property
    def name(self) -> str:
        """The object's name as the statement spells it, `{schema}.` included."""
        return self._match["name"]

    def full_name(self, schema: str = "public") -> str:
        """Return the object's name, with `schema` where the statement spells it."""
        return _in_schema(self.name, schema)

    def table(self, schema: str = "public") -> str:
        """Return the table of a trigger or index of PostgreSQL's; raise `ValueError` if the statement names none."""
        return _in_schema(self._on, schema)

    @property
    def _arguments(self) -> str:
        match = _ARGUMENTS.search(self.text)
        if match is None:
            raise ValueError(f"{self.kind} {self.name} has no arguments")
        return match[0]

    @property
    def _match(self) -> re.Match[str]:
        match = _CREATE.search(self.text)
        if match is None:
            raise ValueError(f"not one CREATE statement: {self.text[:60]!r}")
        return match

    @property
    def _on(self) -> str:
        match = (_INDEXED if self.kind == "INDEX" else _ON_TABLE).search(self.text)
        if match is None:
            raise ValueError(f"{self.kind} {self.name} names no table")
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
    """Return the file `filename` (without `.sql`) of `dialect`; raise `FileNotFoundError` if it is missing."""
    path = paths(dialect).get(filename)
    if path is None:
        raise FileNotFoundError(f"{dialect} has no SQL file {filename}.sql")
    return SqlFile(dialect, path.read_text(encoding="utf-8").rstrip().removesuffix(";"))


def text_of(dialect: str, filename: str, schema: str = "public", *, of_sqlite: str = "") -> str:
    """Return the text of a file of `dialect` or of `both`, with `schema` filled in; on SQLite it is `of_sqlite`.

    Raises `FileNotFoundError` if there is no file of that name.
    """
    return _text(dialect, filename).replace("{schema}.", f"{schema}." if dialect == "postgresql" else of_sqlite)


@cache
def _text(dialect: str, filename: str) -> str:
    path = (paths("both") | paths(dialect)).get(filename)
    if path is None:
        raise FileNotFoundError(f"{dialect} has no SQL file {filename}.sql")
    return path.read_text(encoding="utf-8").rstrip()


def statement(name: str, /, **values: str | int) -> str:
    """Return a statement of the folder `statements`, with a value for each `{placeholder}` in it.

    The values become part of the SQL as they are: names, numbers and other SQL, never data of a user. Raises
    `KeyError` if a value is missing.

    Example: `statement("delete_rows", table="public.key_rotation_causes")`.
    """
    return fill(_template(name), **values)


def query_beside(module_file: str, name: str) -> str:
    """Return the text of `queries/NAME.sql` in the folder of a module, which gives its `__file__`.

    Raises `FileNotFoundError`.
    """
    return (Path(module_file).parent / "queries" / f"{name}.sql").read_text(encoding="utf-8").rstrip()


def fill(template: str, /, **values: str | int) -> str:
    """Return a template with a value for each `{placeholder}` in it; raise `KeyError` if one is missing."""
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), template)


@cache
def _template(name: str) -> str:
    return (Path(__file__).parent / "statements" / f"{name}.sql").read_text(encoding="utf-8").rstrip()


def _in_schema(statement: str, schema: str) -> str:
    return statement.replace("{schema}", schema)
