"""Messages about arguments: a database URL that stands in the wrong place is not repeated, since it has a password."""

import re
from collections.abc import Iterator, Sequence

import click

_OPTION = "--database-url"
_LIKE_A_CONNECTION = re.compile(r"(?is)://.*@|:.*@|(passw|passphrase|secret|scram_)\w*\s*[=:]")
_KNOWN = frozenset({"postgres", "postgresql", "psycopg", "sqlite", "localhost"})
_NOT_REPEATED = (
    "an argument looks like a database URL, and is not repeated here: give that in one argument after --database-url,"
    " or in KMS_DATABASE_URL"
)


def without_connections(error: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """Return the error to show: `error`, or one without its message if that may repeat a password of `arguments`.

    Unexpected arguments are never repeated: a shell gives a password with a blank in pieces.
    """
    if not isinstance(error, click.UsageError):
        shown = error.format_message()
    elif (shown := error.format_message()).startswith("Got unexpected extra argument"):
        return click.UsageError(
            f"unexpected extra arguments: quote a value with blanks, and give a database URL after {_OPTION}",
            error.ctx,
        )
    if any(piece in shown for argument in _misplaced(arguments) for piece in _pieces(argument)):
        return click.UsageError(_NOT_REPEATED, getattr(error, "ctx", None))
    return error


def _misplaced(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that look like a connection, but for those of the option that is for them."""
    before = ""
    for argument in arguments:
        ours = before == _OPTION or argument.startswith(f"{_OPTION}=")
        if not ours and (_LIKE_A_CONNECTION.search(argument) or _LIKE_A_CONNECTION.search(_decoded(argument))):
            yield argument
        before = argument


def _pieces(argument: str) -> Iterator[str]:
    """Yield the argument, and what a message may have of it: Alembic splits a revision at an @."""
    yield argument
    for text in {argument, _decoded(argument)}:
        yield from (piece for piece in re.split(r"[@:/?&=\s'\"]+", text) if len(piece) > 2 and piece not in _KNOWN)


def _decoded(argument: str) -> str:
    """Return the argument without percent-encoding; `urllib` would cost every command its import."""
    return re.sub("%([0-9a-fA-F]{2})", lambda code: chr(int(code[1], 16)), argument)
