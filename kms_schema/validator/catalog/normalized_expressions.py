"""Expressions as PostgreSQL renders them, in the form that a dump and restore does not change.

A dump and restore parses a rendered expression and renders it again, and the first time the text changes although its
value does not. Both forms are normalized to the second, so that a restored database shows no drift:

- `x IN ('a', 'b')` on a varchar is `(ARRAY['a'::character varying, …])::text[]` at first, and then
  `ARRAY[('a'::character varying)::text, …]`;
- `x BETWEEN 1 AND 2 AND y` is `(((x >= 1) AND (x <= 2)) AND y)` at first, and then `((x >= 1) AND (x <= 2)
AND y)`, since the
  parser, and only it, flattens an AND or OR on the left of another (makeAndExpr in PostgreSQL's gram.y).

PostgreSQL 13 renders calls for which SQL has a syntax, and databases upgraded from it keep them:
`timezone('UTC'::text, x)` for `x AT TIME ZONE 'UTC'`, and `"substring"(x, 1, 1)` for `SUBSTRING(x FROM 1 FOR 1)`. A
function of another schema is rendered with its schema.
"""

import re

_LITERAL = r"'(?:[^']|'')*'::character varying"
_CAST_ARRAY = re.compile(rf"\(ARRAY\[({_LITERAL}(?:, {_LITERAL})*)\]\)::text\[\]")
_NAME = r"[\w$]+|\"(?:[^\"]|\"\")+\""
_PATH = rf"((?:{_NAME})(?:\.(?:{_NAME}))*)"
_CALLS = (
    (re.compile(rf"""(?<![\w$".])timezone\(('(?:[^']|'')*'::text), {_PATH}\)"""), r"(\2 AT TIME ZONE \1)"),
    (re.compile(rf"""(?<![\w$".])"substring"\({_PATH}, (\d+), (\d+)\)"""), r"SUBSTRING(\1 FROM \2 FOR \3)"),
)
"""Calls as PostgreSQL 13 renders them, and as later versions do."""
_PIECE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\bAND\b|\bOR\b|[()]|[^'"()AO]+|.""", re.DOTALL)


def normalized(text: str) -> str:
    """Return an expression, or a statement with expressions, in its form after a dump and restore."""
    for call, syntax in _CALLS:
        text = call.sub(syntax, text)
    return _flattened(_CAST_ARRAY.sub(_cast_each, text))


def _cast_each(match: re.Match[str]) -> str:
    return "ARRAY[" + re.sub(_LITERAL, lambda literal: f"({literal[0]})::text", match[1]) + "]"


def _flattened(text: str) -> str:
    """Remove the parentheses of an AND that is the left side of another AND, and of an OR in the same place."""
    pieces = _PIECE.findall(text)
    opened: list[int] = []
    operators: dict[int, set[str]] = {}
    for position, piece in enumerate(pieces):
        if piece == "(":
            opened.append(position)
            operators[position] = set()
        elif piece == ")" and opened:
            start = opened.pop()
            if opened and opened[-1] == _before(pieces, start) and len(operators[start]) == 1:
                (operator,) = operators[start]
                if _after(pieces, position) == operator:
                    pieces[start] = pieces[position] = ""
        elif piece in {"AND", "OR"} and opened:
            operators[opened[-1]].add(piece)
    return "".join(pieces)


def _before(pieces: list[str], position: int) -> int:
    """Return the position of the last piece before that is not removed."""
    position -= 1
    while position >= 0 and not pieces[position]:
        position -= 1
    return position


def _after(pieces: list[str], position: int) -> str:
    """Return the next piece that is not white space."""
    return next((piece for piece in pieces[position + 1 :] if piece.strip()), "")
