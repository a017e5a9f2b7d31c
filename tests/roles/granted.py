"""A database whose roles have their rights, and the ways to log in there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import login


@dataclass(frozen=True)
class Granted:
    """The database, what stands before the names of its roles, and a superuser's connection."""

    database: Database
    prefix: str
    superuser: "psycopg.Connection[tuple[Any, ...]]"

    @contextmanager
    def member(self, *roles: Role) -> Iterator[Database]:
        """Give the database as somebody sees it who logs in as a member of these roles and nothing else."""
        with login(self.database, *(self.prefix + role for role in roles)) as seen:
            yield seen

    @contextmanager
    def session(self, *roles: Role) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        """Log in as such a member."""
        with self.member(*roles) as seen, closing(seen.connect()) as connection:
            assert isinstance(connection, psycopg.Connection)
            yield connection


HAND_OVER = """DO $$ DECLARE made record; BEGIN
    FOR made IN SELECT CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind,
                       oid::regclass::text AS name
                FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm')
                UNION ALL
                SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER %s %s OWNER TO {owner}', made.kind, made.name); END LOOP; END $$"""
