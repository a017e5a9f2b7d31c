"""A throwaway database on one engine, and the ways to reach it."""

import argparse
import io
import sqlite3
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import psycopg
import sqlalchemy as sa
from alembic.config import CommandLine, Config

from kms_schema.engine import create_engine
from support.engines.programs import REPOSITORY

Dialect = Literal["postgresql", "sqlite"]
Connection = psycopg.Connection[tuple[Any, ...]] | sqlite3.Connection

ALEMBIC_INI = REPOSITORY / "alembic.ini"


@cache
def command_line() -> CommandLine:
    """Return Alembic's command line, made once: its parser takes longer to make than many a command to run."""
    return CommandLine(prog="alembic")


@dataclass(frozen=True)
class Database:
    """A database that one test, or a few, have to themselves."""

    engine_name: str
    """The engine as `--engines` names it, such as `postgresql-18`."""
    dialect: Dialect
    url: str
    """As SQLAlchemy writes it: `postgresql+psycopg://…` or `sqlite:////…`."""

    @property
    def name(self) -> str:
        """The name of the database on its server, or the path of its file."""
        return sa.make_url(self.url).database or ""

    def connect(self) -> Connection:
        """Return a connection in autocommit mode, as a client without this package has it.

        On SQLite foreign keys are disabled. The caller closes the connection.
        """
        url = sa.make_url(self.url)
        if self.dialect == "sqlite":
            assert url.database is not None
            return sqlite3.connect(url.database, isolation_level=None)
        return psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)

    def engine(self) -> sa.Engine:
        """Return an engine as the package makes it for applications; the caller disposes of it."""
        return create_engine(self.url)

    def alembic(self, *arguments: str) -> str:
        """Run `alembic -x url=… ARGUMENTS` in this process and return its standard output.

        Where the command line would print the error and exit, this raises `alembic.util.CommandError`.
        """
        output = io.StringIO()
        line = command_line()
        options: argparse.Namespace = line.parser.parse_args(["--raiseerr", "-x", f"url={self.url}", *arguments])
        config = Config(file_=str(ALEMBIC_INI), cmd_opts=options, stdout=output, output_buffer=output)
        line.run_cmd(config, options)
        return output.getvalue()
