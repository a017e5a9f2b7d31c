"""Messages about arguments: a database URL, which has a password, or a key in the wrong place is not repeated."""

import re
from collections.abc import Iterable, Iterator, Sequence

import click
from click.core import ParameterSource

from kms_schema.cli.streams import CannotUseFile
from kms_schema.text.printable import LIKE_A_KEY

_OPTION = "--database-url"
_OPTIONS = (_OPTION, "--expect-from")
"""The options that take a URL."""
_WITH_VALUE = tuple(f"{each}=" for each in _OPTIONS)
_PASSWORDS = re.compile(
    r"(?is):(.*)@|(?:passw|passphrase|secret|scram_)\w*\s*[=:](.*)|[?&;](?:\w*key|\w*token|pin-value)=(.*)"
)
_PRIVATE_KEYS = re.compile(
    r"PRIVATE\+KEY\+\S|KMS-HANDOVER-PRIVATE-\d+[ \n]+[A-Za-z0-9+/]{9}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
"""A key that signs seals, one of handovers, and one of TLS: the content of a file that stands in place of its name."""
_KEY_NOT_REPEATED = (
    "an argument is a private key, and is not repeated here: give the name of the file that has it."
    " Replace the key if others may have read the argument"
)
_ROOT_KEY_NOT_REPEATED = "(an argument that is like a root key, and is not repeated here)"
_NOT_REPEATED = (
    "an argument or a KMS_ variable looks like a database URL, and is not repeated here: give that in one argument"
    " after --database-url, or in KMS_DATABASE_URL"
)


def for_people(error: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """Return the error to show: `error`, or one that repeats no secret, names the closest option, or needs no usage."""
    return without_usage(without_keys(without_connections(with_closest_option(error), arguments), arguments))


def without_connections(error: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """Return the error to show: `error`, or one without its message if that may repeat a password of `arguments`.

    Unexpected arguments are never repeated: a shell gives a password with a blank in pieces.
    """
    if not isinstance(error, click.UsageError):
        shown = error.format_message()
    elif (shown := error.format_message()).startswith("Got unexpected extra argument"):
        return click.UsageError(
            f"unexpected extra arguments: quote a value with blanks, and give a database URL after {_OPTION}", error.ctx
        )
    if type(error) is click.BadParameter and isinstance(error.param, click.Option) and error.param_hint is None:
        error.param_hint = f"'{name_given(error.param, error.ctx)}'"  # click names the variable in any case
        shown = error.format_message()
    if any(piece in shown for argument in _misplaced(arguments) for piece in _pieces(argument)):
        return click.UsageError(_NOT_REPEATED, getattr(error, "ctx", None))
    return error


def without_keys(error: click.ClickException, arguments: Sequence[str]) -> click.ClickException:
    """Return the error to show: `error`, or one that does not repeat a private key, or a root key, of `arguments`."""
    shown = error.format_message()
    pieces = (piece for each in arguments if _PRIVATE_KEYS.search(each) for piece in each.split())
    if any(len(piece) > 15 and piece in shown for piece in pieces):
        return click.UsageError(_KEY_NOT_REPEATED, getattr(error, "ctx", None))
    values = (value for each in arguments for value in (each, each.partition("=")[2]))  # as in --under=KEY
    for key in filter(LIKE_A_KEY.fullmatch, values):
        shown = shown.replace(key, _ROOT_KEY_NOT_REPEATED)
    return error if shown == error.format_message() else click.UsageError(shown, getattr(error, "ctx", None))


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that a mistyped name may mean: the most similar name, and names that are almost as similar."""
    import difflib

    found = difflib.get_close_matches(name, known)
    ratios = [difflib.SequenceMatcher(None, name, each).ratio() for each in found]
    return [each for each, ratio in zip(found, ratios, strict=True) if ratio > max(ratios) - 0.1]


def with_closest_option(error: click.ClickException) -> click.ClickException:
    """Return the error to show: of an option that is not there, one that names the closest only."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        names = [each for option in error.ctx.command.get_params(error.ctx) for each in option.opts]
        similar = closest(error.option_name, [each for each in names if each.startswith("--")])
        return click.NoSuchOption(error.option_name, possibilities=similar, ctx=error.ctx)
    return error


def without_usage(error: click.ClickException) -> click.ClickException:
    """Return the error to show: of a file that is not there, one without the usage of the command."""
    of_file = isinstance(error, click.BadParameter) and error.param and isinstance(error.param.type, click.Path)
    return CannotUseFile(error.format_message()) if of_file else error


def name_given(option: click.Option, context: click.Context | None) -> str:
    """Return the name of what gives an option its value in a context: the variable, or the option."""
    source = context.get_parameter_source(option.name) if context and option.name else None
    if source is ParameterSource.ENVIRONMENT and isinstance(option.envvar, str):
        return option.envvar
    if source is ParameterSource.DEFAULT_MAP:
        return f"{max(option.opts, key=len).lstrip('-')} in pyproject.toml"
    return max(option.opts, key=len)


def codes(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the codes of an option that takes several, separated by commas or blanks: `--select KMS101,KMS3`."""
    found = [code for each in given for code in re.split(r"[,\s]+", each.strip())]
    if not all(found):
        raise click.BadParameter("the list is empty, or has a comma without a code beside it")
    return tuple(found)


class RelativeCommand(click.Command):
    """A command whose argument may be a number below zero, such as `downgrade -1`: click takes that for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; a number that is no option's value is one of them."""
        options = [each for each in self.params if isinstance(each, click.Option) and not each.is_flag]
        taking = {name for option in options for name in option.opts}
        places = [
            place
            for place, each in enumerate(args)
            if re.fullmatch(r"-\d+", each) and (place == 0 or args[place - 1] not in taking)
        ]
        if len(places) == 1 and "--" not in args:
            args = [*args[: places[0]], *args[places[0] + 1 :], "--", args[places[0]]]
        return super().parse_args(ctx, args)


def _misplaced(arguments: Sequence[str]) -> Iterator[str]:
    """Yield what is like a connection outside of the option for it, or the rest of one that a shell has split."""
    for number, argument in enumerate(arguments):
        if arguments[max(number - 2, 0)] in _OPTIONS and "@" in argument:
            yield f":{argument}"
        elif arguments[max(number - 1, 0)] not in _OPTIONS and not argument.startswith(
            tuple(f"{each}=" for each in _OPTIONS)
        ):
            yield argument


def _pieces(argument: str) -> Iterator[str]:
    """Yield the argument if it has a password, and the parts of that: Alembic splits a revision at an @."""
    for text in {argument, _decoded(argument)}:
        for passwords in _PASSWORDS.findall(text):
            yield argument
            yield from (piece for each in passwords for piece in re.split(r"[@:/?&=\s'\"]+", each) if len(piece) > 2)


def _decoded(argument: str) -> str:
    """Return the argument without percent-encoding; `urllib` would cost every command its import."""
    return re.sub("%([0-9a-fA-F]{2})", lambda code: chr(int(code[1], 16)), argument)
