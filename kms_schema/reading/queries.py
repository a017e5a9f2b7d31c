"""Queries in files, one each: `queries/NAME.sql` in the folder of a package, rendered for an engine.

Where the engines need different statements, the file is in the folder `postgresql` or `sqlite` below. `parts` has what
several queries share, and `reading/parts` what several packages do. In a file:

- `{schema}.` stands before each table; on SQLite it is `main.`
- `{name(arguments)}` is an expression of the dialect, such as `{hours_after(rotation.failed_at, 192)}`. Arguments may
  have calls in them
- `{part(NAME, arguments)}` is the text of another file, with the arguments for `{0}` and the like
- `{word}` is SQL that the caller gives
- `%(name)s` is a value
"""

import re
from functools import cache
from pathlib import Path

from kms_schema.reading.dialects import DIALECTS
from kms_schema.text.identifiers import quoted

_SHARED = Path(__file__).parent / "parts"
_CALL = re.compile(r"\{([a-z_]+)\(((?:[^{}]|\{[a-z_]+\})*)\)\}")
_WORD = re.compile(r"\{([a-z_]+)\}")
_VALUE = re.compile(r"%\((\w+)\)s")
_COMMENTS = re.compile(r"\A(?:--.*\n)+")


class Queries:
    """The queries of one package."""

    def __init__(self, module_file: str, **words: str | int) -> None:
        """Find them beside a module, which gives its `__file__`. `words` are those of all its queries."""
        self._folder, self._words = Path(module_file).parent / "queries", words

    def render(self, name: str, engine: str, schema: str, **words: str | int) -> str:
        """Return the query of this name for `postgresql` or `sqlite`.

        - `schema`: that of the tables on PostgreSQL, unquoted
        - `words`: SQL for each `{word}` of the query: names, numbers and conditions, never data of a user

        Raises `FileNotFoundError` for a name without a file, and `KeyError` for a call or a word that is not known.
        """
        place = "main" if engine == "sqlite" else quoted(schema)
        known = {"schema": place} | self._words | words
        # In one pass: a name of a schema may have braces.
        return _WORD.sub(lambda word: str(known[word[1]]), _compiled(self._folder, name, engine))

    @property
    def names(self) -> list[str]:
        """The names of all queries, sorted."""
        return sorted({path.stem for path in self._folder.rglob("*.sql") if path.parent.name != "parts"})


@cache
def _compiled(folder: Path, name: str, engine: str) -> str:
    """Return a query whose calls are replaced, from the innermost on."""
    text = _text(folder, name, engine)
    while match := _CALL.search(text):
        called, arguments = match[1], _arguments(match[2])
        if called == "part":
            found = _part(folder, engine, *arguments)
        else:
            found = DIALECTS[engine].expressions[called].format(*arguments)
        text = text[: match.start()] + found + text[match.end() :]
    return _VALUE.sub(r":\1", text) if engine == "sqlite" else text


def _part(folder: Path, engine: str, name: str, *arguments: str) -> str:
    text = _text(folder, name, engine)
    for number, argument in enumerate(arguments):
        text = text.replace(f"{{{number}}}", argument)
    return text


def _text(folder: Path, name: str, engine: str) -> str:
    paths = (place / f"{name}.sql" for place in (folder / engine, folder, folder / "parts", _SHARED))
    path = next((each for each in paths if each.exists()), None)
    if path is None:
        raise FileNotFoundError(f"{folder} has no query {name}.sql for {engine}")
    return _COMMENTS.sub("", path.read_text(encoding="utf-8")).rstrip()


def _arguments(text: str) -> list[str]:
    """Return the arguments between commas that are in no parentheses."""
    found, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [each.strip() for each in found]
