"""Alembic's commands on the migrations of this package, without an `alembic.ini`.

Each function takes a database URL, as `kms_schema.database.url` describes it, and options; it raises `MigrationError`
where Alembic would print its message.

    from kms_schema.migrate import program

    program.upgrade("postgresql://localhost/kms")
"""

import re
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
_STEPS = re.compile(r"[+-]\d+$")


@dataclass(frozen=True)
class Revision:
    """A revision of the history."""

    revision: str
    down_revision: str | None
    summary: str
    """The first line of its docstring."""


def upgrade(url: str, revision: str = "head", options: MigrationOptions = _DEFAULTS) -> None:
    """Upgrade the database at `url` to `revision`, as Alembic accepts it, with `options`. Raises `MigrationError`.

    Example: `upgrade("sqlite:///kms.db", "005")`.
    """
    _run(command.upgrade, _configuration(url, options), revision)


def downgrade(url: str, revision: str, options: MigrationOptions = _DEFAULTS) -> None:
    """Downgrade the database at `url` to `revision`, with `options`; `base` drops everything. Raises `MigrationError`.

    Example: `downgrade("sqlite:///kms.db", "-1")`.
    """
    _run(command.downgrade, _configuration(url, options), revision)


def stamp(url: str, revision: str, options: MigrationOptions = _DEFAULTS) -> None:
    """Record that the database at `url` is at `revision`, with `options`, and nothing else.

    Raises `MigrationError`.

    Example: `stamp("sqlite:///kms.db", "head")`.
    """
    _run(command.stamp, _configuration(url, options), revision)


def current(url: str, options: MigrationOptions = _DEFAULTS) -> tuple[str, ...]:
    """Return the current revision, or an empty tuple; in a host's version table the host's own too.

    Raises `MigrationError`.
    """
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
    """Return the script of an upgrade, or with `down` of a downgrade; `url` only names the engine.

    `revisions` is the target, or `FROM:TO`, which a downgrade requires; `options` as for an upgrade. Raises
    `MigrationUsageError` for an unknown
    revision, and for a range in the other direction.

    Example: `sql("postgresql://", "004:head")`.
    """
    begin, *end = revisions.split(":")
    if len(end) > 1 or (end and not (begin and end[0] and not _STEPS.search(begin))):
        raise MigrationUsageError(f"{revisions}: a range of revisions is FROM:TO, such as 004:head")
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


def whole_id(revision: str) -> str | None:
    """Return the whole id of a revision, as Alembic accepts it; None for `base`.

    Raises `MigrationUsageError` for an unknown one. Example: `whole_id("head")`.
    """
    try:
        script = ScriptDirectory(migrations_folder()).get_revision(revision)
    except CommandError as error:
        raise MigrationUsageError(f"{error}; the command `history` lists the revisions") from None
    return None if script is None else script.revision


def migrations_folder() -> str:
    """Return the folder of Alembic's environment, which a host's `alembic.ini` calls `kms_schema:migrations`."""
    return str(files("kms_schema") / "migrations")


def _refuse_downwards(revisions: str) -> None:
    """Raise `MigrationUsageError` for a range that goes down: Alembic would write an empty script for an upgrade."""
    script = ScriptDirectory(migrations_folder())
    chain = ["base", *(revision.revision for revision in history())]
    try:
        ends = [end if end == "base" else script.get_revision(end).revision for end in revisions.split(":")]
    except CommandError:
        return  # Alembic reports what it does not know
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
