"""A database whose roles have their rights, and the ways to log in there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from kms_schema.roles.definition import Role
from tests.support.engines import Database
from tests.support.login_roles import login


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
