"""Objects beside our schema: tables of a host application, with their dependent objects."""

import sqlite3
from contextlib import closing

from support.engines import Database

SQLITE_SHARE = 10
"""The divisor for SQLite, which reads the text of the whole schema for each connection."""

# COMMIT now and then: what a transaction makes it keeps locked, and a server has room for some thousands of locks.
_POSTGRESQL = """DO $do$ BEGIN
    CREATE SCHEMA elsewhere;
    CREATE FUNCTION public.foreign_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    FOR number IN 1..{half} LOOP
        {statements}
        IF number % 100 = 0 THEN COMMIT; END IF;
    END LOOP;
END $do$"""
_ONE_OF_EACH = """
CREATE TABLE {0}.foreign_%1$s (id integer CONSTRAINT foreign_key_%1$s PRIMARY KEY, other integer NOT NULL DEFAULT 3
    CHECK (other > 0), name text, parent integer REFERENCES {0}.foreign_%1$s);
CREATE INDEX foreign_index_%1$s ON {0}.foreign_%1$s (other) WHERE name IS NOT NULL;
CREATE TABLE {0}.foreign_child_%1$s () INHERITS ({0}.foreign_%1$s);
CREATE VIEW {0}.foreign_view_%1$s AS SELECT id, other FROM {0}.foreign_%1$s WHERE name IS NOT NULL;
CREATE TRIGGER guard BEFORE INSERT ON {0}.foreign_%1$s FOR EACH ROW EXECUTE FUNCTION public.foreign_guard();
CREATE RULE kept AS ON DELETE TO {0}.foreign_%1$s DO INSTEAD NOTHING;
CREATE POLICY shown ON {0}.foreign_%1$s USING (other > 1);
CREATE STATISTICS {0}.foreign_statistics_%1$s ON other, name FROM {0}.foreign_%1$s;
CREATE FUNCTION {0}.foreign_function_%1$s(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x + %1$s';
CREATE SEQUENCE {0}.foreign_sequence_%1$s OWNED BY {0}.foreign_%1$s.id;
GRANT SELECT ON {0}.foreign_%1$s, {0}.foreign_view_%1$s TO PUBLIC;
COMMENT ON TABLE {0}.foreign_%1$s IS 'the host''s'"""
_SQLITE = """
CREATE TABLE foreign_{0} (id INTEGER PRIMARY KEY, other INTEGER NOT NULL CHECK (other > 0), name);
CREATE INDEX foreign_index_{0} ON foreign_{0} (other);
CREATE VIEW foreign_view_{0} AS SELECT id, other FROM foreign_{0};
CREATE TRIGGER foreign_guard_{0} BEFORE INSERT ON foreign_{0} BEGIN SELECT 1; END;"""


def add_foreign_tables(database: Database, number: int) -> None:
    """Make tables, each with an index, a view, a trigger and, on PostgreSQL, one of each other kind: half of them in
    our schema and half in another. SQLite has one schema, and gets a share.
    """
    with closing(database.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            script = "".join(_SQLITE.format(position) for position in range(number // SQLITE_SHARE))
            connection.executescript(f"BEGIN;{script}COMMIT;")
            return
        statements = "".join(
            f"EXECUTE format($of${_ONE_OF_EACH.format(schema)}$of$, number);" for schema in ("public", "elsewhere")
        )
        connection.execute(_POSTGRESQL.format(half=number // 2, statements=statements).encode())
