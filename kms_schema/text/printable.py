"""Escapes text from a database for display, since names of objects may contain any character.

An escape sequence could rewrite the terminal, a right-to-left mark reverse a name, and a character without width make
two names look the same; XML 1.0 allows no control characters. They are written as `\\u202e`, which JSON and TOML read
as the character: a name can be copied from a report into a waiver.
"""

import re

LIKE_A_KEY = re.compile(r"[A-Za-z0-9+/_-]{43}=?|[0-9A-Fa-f]{64}")
"""The text of 32 bytes in base64, or in hexadecimal digits: no error repeats it, since it may be a root key."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Invisible letters and marks (Unicode's Default_Ignorable_Code_Point); `isprintable` covers all others.
_BLANK_POINTS = (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0)
_BLANK = frozenset(map(chr, (*_BLANK_POINTS, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


def in_a_line(text: str) -> str:
    """Return `text` as one line: invisible characters are escaped, including line breaks and tabs."""
    return _escaped(text, "")


def in_lines(text: str) -> str:
    """Return `text` with invisible characters escaped, except line breaks and tabs."""
    return _escaped(text, "\n\t")


def counted(number: int, noun: str) -> str:
    """Return a number and a noun, such as `1 key version` or `2 entries`: in the plural unless the number is 1."""
    if number == 1:
        return f"1 {noun}"
    changes = noun.endswith("y") and noun[-2] not in "aeiou"
    return f"{number} {noun[:-1]}ies" if changes else f"{number} {noun}s"


def _escaped(text: str, kept: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in kept or (character.isprintable() and character not in _BLANK) else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    point = ord(character)
    return _SHORT.get(character) or (f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}")


def end_of_words(text: str, longest: int) -> int:
    """Return the length of the whole words at the beginning of a text; of a longer word, `longest` itself.

    end_of_words("trigger of a table", 10)  # 7
    """
    if len(text) <= longest:
        return len(text)
    return max(text.rfind(" ", 0, longest + 1), 0) or longest
