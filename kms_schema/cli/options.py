"""The options that several commands have."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from kms_schema.cli.streams import CannotUseFile, cannot_read
from kms_schema.database.lock_holders import LOCK_WAIT_SECONDS
from kms_schema.text.durations import seconds_of
from kms_schema.text.printable import in_a_line

if TYPE_CHECKING:
    from kms_schema.validator.waivers import Waiver

Command = TypeVar("Command", bound=Callable[..., Any])


class Decorator(Protocol):
    """Adds an option or an argument to a command, and returns the command."""

    def __call__(self, command: Command, /) -> Command:
        """Return `command` with it."""


def together(*options: Decorator) -> Decorator:
    """Return a decorator that adds several options, in the order in which `--help` lists them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True)
class Common:
    """The values of the options that most commands have; where a command lacks an option, its value here."""

    database_url: str | None = None
    schema: str = "public"
    style: str = "text"
    actor: str | None = None
    roots: tuple[str, ...] = ()
    hsms: tuple[str, ...] = ()
    lock_wait: float = LOCK_WAIT_SECONDS


_COMMON = tuple(field.name for field in fields(Common))


def with_common(*options: Decorator) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds options, and passes the values of all common options as one argument, `common`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_one_argument(**values: Any) -> Any:
            common = {name: values.pop(name) for name in _COMMON if name in values}
            return command(common=Common(**common), **values)

        return together(*options)(with_one_argument)

    return decorate


def name_of(what: str, longest: int, *, without: str = "") -> Callable[..., Any]:
    """Return a callback that refuses an invalid name of `what`, an article and a noun."""
    last = f"without {without}" if without else "and is not blank"

    def checked(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
        if name is None:
            return None
        if not name.strip() or len(name) > longest or not name.isprintable() or {*without} & {*name}:
            raise click.BadParameter(f"the name of {what} has 1 to {longest} printable characters, {last}")
        return name

    return checked


named_key: Callable[..., Any] = name_of("a key", 64)
key_id_argument: Decorator = click.argument("key_id", callback=named_key)
"""The name of a key."""
key_id_option: Callable[..., Decorator] = partial(click.option, callback=named_key, metavar="KEY_ID")
"""An option for the name of a key."""
STANDARD_OUTPUT = Path("-")


class OutputFile(click.Path):
    """A file to write; `-` is standard output, where the command can write there, and no file has that name."""

    def __init__(self, *, only_files: bool = False, standard: Path | None = None) -> None:
        """Return `standard` for `-`, or refuse it with `only_files`."""
        super().__init__(dir_okay=False, path_type=Path)
        self._only_files, self._standard = only_files, standard

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of the file."""
        if str(value) != str(STANDARD_OUTPUT):
            return super().convert(value, param, ctx)
        if self._only_files:
            self.fail("the output cannot be standard output: name a file", param, ctx)
        return self._standard


force_option: Decorator = click.option(
    "--force", is_flag=True, help="Replace an existing file, although the audit log may have its SHA-256."
)
database_url_option: Decorator = click.option(
    "--database-url", metavar="URL",
    help="The URL of the database. Without it: KMS_DATABASE_URL, alembic.ini, pyproject.toml, ./kms.db.",
)  # fmt: skip
schema_option: Decorator = click.option(
    "--schema", default="public", show_default=True, show_envvar=True, metavar="NAME",
    help="The PostgreSQL schema of the tables.",
)  # fmt: skip
style_option: Decorator = click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="The format of the result.",
)  # fmt: skip
version_table_option: Decorator = click.option(
    "--version-table", default="alembic_version", show_default=True, show_envvar=True, metavar="NAME",
    help="The table in which Alembic records the revision; an application with Alembic has another one.",
)  # fmt: skip
where: Decorator = together(database_url_option, schema_option)
"""The database and its schema."""
patience: Decorator = together(
    click.option(
        "--lock-wait", default=600.0, show_default=True, metavar="SECONDS", help="How long to wait for another upgrade."
    ),
    click.option(
        "--lock-timeout-ms",
        default=5000,
        show_default=True,
        metavar="MS",
        help="Wait at most this long for a lock on a table; other sessions wait behind this request.",
    ),
)
"""How long a migration waits."""
lock_wait_option: Decorator = click.option(
    "--lock-wait", type=click.FloatRange(0, 2_000_000), default=LOCK_WAIT_SECONDS, show_default=True, metavar="SECONDS",
    help="How long to wait for another session's lock.",
)  # fmt: skip
actor_option: Decorator = click.option(
    "--actor", envvar="KMS_ACTOR", metavar="NAME",
    help="The acting person or program, for the audit log.",
)  # fmt: skip
for_a_change: Decorator = together(actor_option, where, style_option)
"""The actor, the database, and the form of the result."""


def _waivers(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> "tuple[Waiver, ...]":
    """Return the waivers of a file, none without one. Raises `CannotUseFile`."""
    if file is None:
        return ()
    from kms_schema.validator.waivers import WaiverError, read_waivers

    try:
        return read_waivers(file)
    except WaiverError as error:
        raise CannotUseFile(in_a_line(str(error))) from None
    except OSError as error:
        raise cannot_read(file, error) from None


waivers_option: Decorator = click.option(
    "--waivers", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path), callback=_waivers,
    help="A TOML file of accepted findings; each has a reason and a day on which it expires.",
)  # fmt: skip


def time_since(_context: click.Context, _parameter: click.Parameter, text: str | None) -> dt.datetime | None:
    """Return the time that a time or a duration before now stands for; a time without a zone is in UTC."""
    if text is None:
        return None
    now = dt.datetime.now(dt.UTC)
    try:
        with suppress(ValueError):
            return now - dt.timedelta(seconds=seconds_of(text))
        given = dt.datetime.fromisoformat(text)
        return given.astimezone(dt.UTC) if given.tzinfo else given.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "give a duration such as 90m, 24h, 7d or 2w, or a date or time in ISO 8601, such as 2027-01-31T08:00:00Z"
        ) from None
