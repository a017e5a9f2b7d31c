"""PostgreSQL servers of the tests' own, and those that somebody names by URL."""

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql

from support.engines import keeper
from support.engines.database import Database
from support.engines.programs import Programs, find_programs
from support.engines.unavailable import EngineUnavailableError

UNPRIVILEGED_USER = "nobody"
"""The user of the server if root runs the tests, since PostgreSQL refuses root."""

FIRST_WITH_STRATEGY = 15


class PostgresqlEngine:
    """One server of a major version, started here or given by `KMS_TEST_POSTGRESQL_<major>`."""

    dialect = "postgresql"

    def __init__(
        self,
        name: str,
        programs: Programs | None = None,
        options: tuple[str, ...] = (),
        *,
        url: str | None = None,
        prefix: str = "kms_test",
    ) -> None:
        """Start or reach the server named `postgresql-<major>`; raises `EngineUnavailableError`.

        Where `programs` are given, it is they that are started, with these options of the keeper's; where a `url` is,
        the server there is taken. The names of databases begin with `prefix`.
        """
        self._options = options
        self.name = name
        major = self._major = int(name.removeprefix("postgresql-"))
        self._server = contextlib.ExitStack()
        given = url or (None if programs else os.environ.get(f"KMS_TEST_POSTGRESQL_{major}"))
        self._is_shared = given is not None  # by several workers
        try:
            address = sa.make_url(given) if given else self._start(programs or find_programs(major))
            self.url = address.set(drivername="postgresql+psycopg")
            self._check_version(major)
        except BaseException:
            self._server.close()
            raise
        self._names = (f"{prefix}_{os.getpid()}_{number}" for number in count())
        self._kept: psycopg.Connection[tuple[object, ...]] | None = None

    def _start(self, programs: Programs) -> sa.URL:
        base = Path(tempfile.gettempdir())
        identity: list[str] = []
        if os.geteuid() == 0:
            base = base if open_to_others(base) else Path("/tmp")  # noqa: S108
            readable = open_to_others(programs.folder / "postgres")
            identity = [UNPRIVILEGED_USER, *([] if readable else map(str, programs.roots))]
        port = self._keep([*self._options, str(programs.folder), str(base), *identity])
        return sa.make_url(f"postgresql://postgres@127.0.0.1:{port}/postgres")

    def _keep(self, arguments: list[str]) -> int:
        process = subprocess.Popen(
            [sys.executable, keeper.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # Leaving the process closes its standard input, which stops the server, and waits for that.
        self._server.enter_context(process)
        assert process.stdout is not None
        state, _, rest = process.stdout.readline().partition(" ")
        if state != "ready":
            raise EngineUnavailableError(f"{self.name} did not start: {rest}{process.stdout.read()}")
        return int(rest)

    def _check_version(self, major: int) -> None:
        try:
            with self.administer() as connection:
                found = connection.info.server_version // 10000
        except psycopg.OperationalError as error:
            raise EngineUnavailableError(f"{self.name} cannot be reached: {error}") from error
        if found != major:
            raise EngineUnavailableError(f"the server given for {self.name} is PostgreSQL {found}")

    def administer(self) -> psycopg.Connection[tuple[object, ...]]:
        """Connect to the database `postgres` as the superuser."""
        return psycopg.connect(psycopg_url(self.url), autocommit=True)

    def _run(self, statement: sql.Composed) -> None:
        """Run a statement in a session that is kept: opening one takes as long as making a database."""
        if self._kept is not None:
            try:
                self._kept.execute(statement)
            except psycopg.OperationalError:
                if not self._kept.closed:
                    raise
            else:
                return
        self._kept = self.administer()  # the first, or the server was restarted
        self._kept.execute(statement)

    def create(self, template: Database | None = None) -> Database:
        """Make a database: an empty one, or a copy of `template`, which nobody may be connected to."""
        name = next(self._names)
        source = "template0" if template is None else sa.make_url(template.url).database
        assert source is not None
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        if self._major >= FIRST_WITH_STRATEGY:
            statement += sql.SQL(" STRATEGY file_copy")  # faster than writing the copy to the log as well
        self._run(statement)
        url = self.url.set(database=name)
        return Database(self.name, "postgresql", url.render_as_string(hide_password=False))

    def drop(self, database: Database) -> None:
        """Drop a database, even with open connections."""
        name = sa.make_url(database.url).database
        assert name is not None
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def roles_left(self) -> list[str]:
        """Return the group roles that a test has made and not dropped: they are there for all other tests."""
        if self._is_shared:
            return []
        with self.administer() as connection:
            rows = connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname ~ 'kms_(owner|app|auditor)$'"
            ).fetchall()
        return [str(name) for (name,) in rows]

    def close(self) -> None:
        """Stop the server, if it was started here."""
        if self._kept is not None:
            self._kept.close()
        self._server.close()


def psycopg_url(url: sa.URL) -> str:
    """Return the URL as libpq reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def open_to_others(path: Path) -> bool:
    """Return True if an unprivileged user can reach `path` and, if it is a file, run it."""
    resolved = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))
