"""YAML of mappings, lists, texts and numbers: as little of it as the files here need, so that nothing is installed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Value = str | int | bool | Mapping[str, "Value"] | Sequence["Value"]

_PLAIN = re.compile(r"[A-Za-z_][\w./:+-]*(?<!:)|\d+[smhdw]")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def yaml_text(value: Mapping[str, Value]) -> str:
    """Return the YAML of a mapping.

    yaml_text({"groups": [{"name": "kms", "interval": "1m"}]})
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Mapping[str, Value] | Sequence[Value]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _entry(f"{key}:", each)
        return
    for each in value:
        if isinstance(each, Mapping):
            yield from (f"{'  ' if number else '- '}{line}" for number, line in enumerate(_lines(each)))
        else:
            yield from _entry("-", each)


def _entry(head: str, value: Value) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{head} |-"
        yield from (f"  {line}" for line in value.splitlines())
    elif isinstance(value, str):
        yield f"{head} {_scalar(value)}"
    elif isinstance(value, bool | int):
        yield f"{head} {json.dumps(value)}"
    elif all(isinstance(each, str | int) for each in value) and not isinstance(value, Mapping):
        yield f"{head} [{', '.join(next(_entry('', each)).strip() for each in value)}]"
    else:
        yield head
        yield from (f"  {line}" for line in _lines(value))


def _scalar(value: str) -> str:
    """Return a text of one line, in quotes where YAML needs them."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return "'" + value.replace("'", "''") + "'" if '"' in value else json.dumps(value, ensure_ascii=False)
