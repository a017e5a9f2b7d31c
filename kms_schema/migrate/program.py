"""Alembic's commands on the migrations that travel in this package, without an `alembic.ini`.

Each function takes a database's URL, for which `kms_schema.database_url` says what is accepted, and raises
`MigrationError` where Alembic would print its message.
"""

from argparse import Namespace
from dataclasses import dataclass
from importlib.resources import files
from io import StringIO
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from kms_schema.migrate.faults import MigrationError, MigrationUsageError
from kms_schema.migrate.options import MigrationOptions

_DEFAULTS = MigrationOptions()


@dataclass(frozen=True)
class Revision:
    """A revision of the history."""

    revision: str
    down_revision: str | None
    summary: str
    """The first line of what it says about itself."""


def upgrade(url: str, revision: str = "head", options: MigrationOptions = _DEFAULTS) -> None:
    """Bring the database up to `revision`."""
    _run(command.upgrade, _configuration(url, options), revision)


def downgrade(url: str, revision: str, options: MigrationOptions = _DEFAULTS) -> None:
    """Take the database back to `revision`; `base` removes everything."""
    _run(command.downgrade, _configuration(url, options), revision)


def stamp(url: str, revision: str, options: MigrationOptions = _DEFAULTS) -> None:
    """Write down that the database stands at `revision`, and change nothing else."""
    _run(command.stamp, _configuration(url, options), revision)


def current(url: str, options: MigrationOptions = _DEFAULTS) -> tuple[str, ...]:
    """Return the revision that the database stands at, or nothing; in a host's version table the host's own too."""
    found: list[str] = []

    def note_heads(heads: tuple[str, ...], _context: MigrationContext) -> list[RevisionStep]:
        found.extend(heads)
        return []

    def read(configuration: Config) -> None:
        script = ScriptDirectory.from_config(configuration)
        with EnvironmentContext(configuration, script, fn=note_heads, dont_mutate=True):
            script.run_env()

    _run(read, _configuration(url, options))
    return tuple(sorted(found))


def sql(url: str, revisions: str, *, down: bool = False, options: MigrationOptions = _DEFAULTS) -> str:
    """Return the script that Alembic would run; nothing is connected to, the URL only says for which engine.

    `revisions` is where to, or `FROM:TO`, which a script that goes down must say.
    """
    if down and ":" not in revisions:
        raise MigrationUsageError(f"{revisions}: a script that goes down needs both ends, such as head:{revisions}")
    if not down:
        _refuse_downwards(revisions)
    script = StringIO()
    configuration = _configuration(url, options, script)
    _run(command.downgrade if down else command.upgrade, configuration, revisions, sql=True)
    return script.getvalue()


def history() -> list[Revision]:
    """Return the revisions of this package, oldest first."""
    revisions = ScriptDirectory(migrations_folder()).walk_revisions()
    return [_described(script) for script in revisions][::-1]


def migrations_folder() -> str:
    """Return the folder of Alembic's environment; in a host's `alembic.ini` it is `kms_schema:migrations`."""
    return str(files("kms_schema") / "migrations")


def _refuse_downwards(revisions: str) -> None:
    """Refuse a range that goes down where one that goes up is meant: Alembic would write an empty script."""
    script = ScriptDirectory(migrations_folder())
    chain = ["base", *(revision.revision for revision in history())]
    try:
        ends = [end if end == "base" else script.get_revision(end).revision for end in revisions.split(":")]
    except CommandError:
        return  # Alembic says what it does not know
    if chain.index(ends[0]) > chain.index(ends[-1]):
        raise MigrationUsageError(f"{revisions} goes down: say so with --down, or write the older revision first")


def _described(script: Script) -> Revision:
    below = script.down_revision  # one or none: the history is one line
    return Revision(script.revision, None if below is None else str(below), script.doc)


def _configuration(url: str, options: MigrationOptions, script: StringIO | None = None) -> Config:
    output = script or StringIO()
    given = Namespace(x=[f"url={url}", *options.x_arguments()])
    configuration = Config(stdout=output, output_buffer=output, cmd_opts=given)
    configuration.set_main_option("script_location", migrations_folder().replace("%", "%%"))
    return configuration


def _run(alembic_command: Any, configuration: Config, *arguments: str, **options: bool) -> None:
    try:
        alembic_command(configuration, *arguments, **options)
    except MigrationError:
        raise
    except CommandError as error:
        raise MigrationUsageError(str(error)) from None
