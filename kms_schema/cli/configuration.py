"""Options from environment variables and from `[tool.kms-schema]` of pyproject.toml, and values that are empty.

An option of one command has the variable `KMS_COMMAND_OPTION`, such as `KMS_VALIDATE_FAIL_ON`; what several commands
have in common has one without the command, such as `KMS_SCHEMA`. In pyproject.toml the options of a command stand in a
table of its name, such as `[tool.kms-schema.audit.seal]`, the common ones in `[tool.kms-schema]` too.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import click

from kms_schema.database.sources import PROJECT, PROJECT_OPTIONS, read_project, similar
from kms_schema.database.url import DatabaseUrlError
from kms_schema.text.printable import in_a_line
from kms_schema.text.storable import fault_of

TYPED_ONLY = frozenset({
    "allow-audit-loss", "apply", "database-url", "despite-refused-pin", "destroy-after", "erase-data", "force",
    "from-revoked", "help", "key", "leave-object", "no-record", "now", "owner", "publish", "remove", "sha256", "to",
    "unverified", "yes",
})  # fmt: skip
"""Options that only the command line gives.

They destroy something, skip a check, run a program or say where keys go: a file of the current folder must not do
that. The URL has sources of its own. A variable for `--key` would be taken for KMS_SEAL_KEY, which contains the key.
"""
NOT_IN_FILE = TYPED_ONLY | {"hsm"}
"""Options that pyproject.toml does not give. The URI of an HSM names a library, whose code is loaded."""

AS_BYTES = frozenset({"aad", "database-url", "hsm", "new", "old", "pin-source", "publish", "root-key", "uri"})
"""Options and arguments that are data or may name files, which need not be valid UTF-8. Others are for the database."""


class _Text(click.types.StringParamType):
    """A text for the database: one that it cannot store is wrong usage, wherever it is from."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text. Raises `BadParameter`, which does not show it."""
        text: str = super().convert(value, param, ctx)
        if (fault := fault_of(text)) is not None:
            self.fail(f"it {fault}", param, ctx)
        return text


_TEXT = _Text()


def refuse_unstorable(command: click.Command) -> None:
    """Have every option and argument for the database refuse a text with NUL, or with bytes that are not UTF-8."""
    for each in command.params:
        name = name_of(each) if isinstance(each, click.Option) else each.name
        if each.type is click.STRING and name not in AS_BYTES:
            each.type = _TEXT


def name_of(option: click.Option) -> str:
    """Return the long name of an option, without its dashes."""
    return next((each.removeprefix("--") for each in option.opts if each.startswith("--")), option.opts[0])


def is_common(option: click.Option) -> bool:
    """Return whether an option means the same in every command; `--format` of `validate` has more values."""
    more = name_of(option) == "format" and tuple(getattr(option.type, "choices", ())) != ("text", "json")
    return name_of(option) in PROJECT_OPTIONS and not more


def configurable(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command that variables and pyproject.toml may give."""
    for option in command.params:
        if isinstance(option, click.Option) and name_of(option) not in TYPED_ONLY:
            yield option


def name_variables(command: click.Command, path: Sequence[str]) -> None:
    """Give each option that has none its environment variable; `path` has the words of the command.

    Help shows the few that are set once for all commands: those whose options say so.
    """
    for option in configurable(command):
        if option.envvar is None:
            words = [name_of(option)] if is_common(option) else [*path, name_of(option)]
            option.envvar = re.sub("[^A-Z0-9]", "_", "_".join(["kms", *words]).upper())


def refuse_empty(command: click.Command, arguments: Sequence[str]) -> None:
    """Raise `UsageError` for an empty argument and for an empty variable: a script has lost the value."""
    before = ""
    for each in arguments:
        name, equals, value = each.partition("=")
        if not each.strip() and before != "--database-url":
            what = before if before.startswith("-") else "an argument"
            raise click.UsageError(f"{what} is empty: give a value, or leave it out")
        if equals and re.fullmatch("--[a-z0-9-]+", name) and not value.strip() and name != "--database-url":
            raise click.UsageError(f"{name} is empty: give a value, or leave it out")
        before = each
    for option in configurable(command):
        if isinstance(option.envvar, str) and not os.environ.get(option.envvar, "unset").strip():
            raise click.UsageError(f"{option.envvar} is empty: give it a value, or unset it")


def defaults_of(
    command: click.Command, path: Sequence[str], groups: Callable[[], Sequence[Iterable[str]]] = tuple
) -> dict[str, Any]:
    """Return the values that pyproject.toml in the current folder has for a command, by the names of click.

    `path` has the words of the command, and `groups` returns the names of the commands beside each of them. Raises
    `UsageError` for a file that cannot be read, for an unknown name and for an empty value; no value is shown.

        defaults_of(command, ["audit", "seal"], lambda: [program.list_commands(context), audit.list_commands(context)])
    """
    try:
        table = read_project(if_named=True)
    except DatabaseUrlError as error:
        raise click.UsageError(in_a_line(str(error))) from None
    if not table:
        return {}
    options = {name_of(each): each for each in configurable(command) if name_of(each) not in NOT_IN_FILE}
    found = {name: value for name, value in table.items() if name in options and is_common(options[name])}
    words = "tool.kms-schema"
    for word, names in zip_longest(path, groups()[: len(path)], fillvalue=()):
        _refuse_unknown_tables(table, words, tuple(names))
        table, words = table.get(str(word), {}), f"{words}.{word}"
        if not isinstance(table, Mapping):
            raise click.UsageError(f"{PROJECT}: {words} is no table")
    for name in (each for each in table if each not in options):
        why = "is not read from there" if name in NOT_IN_FILE else f"is unknown{similar(name, options)}"
        if name == "database-url":
            raise click.UsageError(f"{PROJECT}: {name} stands in [tool.kms-schema], not in [{words}]")
        raise click.UsageError(f"{PROJECT}: the option {name} in [{words}] {why}")
    return {str(options[name].name): _value(options[name], value) for name, value in {**found, **table}.items()}


def _refuse_unknown_tables(table: Mapping[str, Any], words: str, commands: Sequence[str]) -> None:
    """Raise `UsageError` for a name in the table of a group that is no command of it."""
    for name, value in table.items():
        if isinstance(value, Mapping) and commands and name not in commands:
            raise click.UsageError(f"{PROJECT}: the table {name} in [{words}] is no command{similar(name, commands)}")
        if not isinstance(value, Mapping) and words != "tool.kms-schema":
            raise click.UsageError(
                f"{PROJECT}: the option {name} in [{words}] belongs in the table of one of its commands"
            )


def _value(option: click.Option, value: Any) -> Any:
    """Return a value for click to parse, which would take `true` for a text and a table for one, too."""
    several = value if isinstance(value, list) else [value]
    wrong = ""
    if any(isinstance(each, dict | list) or not str(each).strip() for each in several):
        wrong = "is empty, or no value of this option"
    elif any(isinstance(each, bool) != option.is_flag for each in several):
        wrong = "is true or false" if option.is_flag else "takes a text or a number"
    elif isinstance(value, list) and not option.multiple:
        wrong = "takes one value"
    if wrong:
        raise click.UsageError(f"{PROJECT}: {name_of(option)} {wrong}")
    return value if option.is_flag else [str(each) for each in several] if option.multiple else str(value)
