"""Texts that both engines store: PostgreSQL has no NUL in a text, and UTF-8 no surrogate.

Drivers refuse such a text in their own words and at different times; SQLite cuts one at a NUL in comparisons.
"""

import re
from collections.abc import Mapping

_NOT_STORED = re.compile("[\0\ud800-\udfff]")


def fault_of(text: str) -> str | None:
    """Return why a database cannot store a text, to follow the text's name in a message; None if it can be stored.

    Raises `TypeError` for what is no text.
    """
    if not isinstance(text, str):
        check_is_text(name=text)
    found = None if text.isascii() and "\0" not in text else _NOT_STORED.search(text)
    if found is None:
        return None
    what = "the character NUL" if found[0] == "\0" else "a surrogate, such as a byte that is not UTF-8"
    return f"has {what}, which no database stores: leave it out (character {found.start() + 1})"


def check_is_text(**given: object) -> None:
    """Raise `TypeError` unless each argument is a text. The message has its name, and not its value. Example::

    check_is_text(key_id=key_id)
    """
    for name, value in given.items():
        if not isinstance(value, str):
            hint = f": decode it, as with {name}.decode()" if isinstance(value, bytes | bytearray) else ""
            raise TypeError(f"{name} takes a text (str), not {type(value).__name__}{hint}")


def check_texts(**given: object) -> None:
    """Raise `ValueError` if an argument, or a text in a document, cannot be stored. The message does not show it.

    Raises `TypeError` for bytes. Other values than texts, mappings, lists and tuples are not checked. Example::

        check_texts(reason=reason, details={"ticket": ticket})
    """
    for name, value in given.items():
        waiting = [value]
        seen: dict[int, object] = {}  # kept, so that no other object gets the number of one
        while waiting:
            each = waiting.pop()
            if id(each) in seen:  # a document that contains itself, which is refused as no JSON
                continue
            seen[id(each)] = each
            if isinstance(each, str):
                if (fault := fault_of(each)) is not None:
                    raise ValueError(f"{name} {fault}")
            elif isinstance(each, bytes | bytearray):
                check_is_text(**{name: each})
            elif isinstance(each, Mapping):
                waiting += [*each, *each.values()]
            elif isinstance(each, list | tuple):
                waiting += each


def storable(text: str) -> str:
    """Return a text with what no database stores escaped, such as `\\u0000`: for messages of others, of which nothing
    is to be lost.
    """
    return _NOT_STORED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
