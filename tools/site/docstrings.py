"""Docstrings, which are written as Markdown, as the reStructuredText that Sphinx's autodoc reads.

The forms that this package uses differ in code between single backticks, in examples (between fences, indented, or
after `::`), in lists of parameters, and in characters that are markup.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_MARKUP = re.compile(r"(?<![\w`])[*|](?=\S)|(?<=\w)_(?![\w`])")
_PARAMETER = re.compile(r"(?P<names>[a-z_]\w*(?:, [a-z_]\w*)*): (?P<text>.*)")
_PAGE = re.compile(r'\bpage\s+"([a-z-]+)"\s+of\s+the\s+documentation')
_SECTION = re.compile(r"(Args|Parameters|Attributes):$")


def to_rst(text: str, parameters: Collection[str] = ()) -> str:
    """Return a docstring as reStructuredText.

    Parameters:
        text: the docstring, without the indentation of its code.
        parameters: the names of the parameters, for docstrings that have a line for each outside a section.

    Raises nothing of its own.

        to_rst("See `url`.") == "See ``url``."
    """
    reader = _Reader(text.rstrip().split("\n"), frozenset(parameters))
    return "\n".join(reader.blocks())


def escaped(text: str) -> str:
    """Return a text without examples as reStructuredText: code has two backticks, and markup is escaped."""
    pieces = re.split(r"(`+[^`]+`+)", text)
    return "".join(
        f"``{' '.join(piece.strip('`').split())}``"
        if piece.startswith("`")
        else _PAGE.sub(r"page :doc:`/\1` of the documentation", _MARKUP.sub(lambda sign: f"\\{sign[0]}", piece))
        for piece in pieces
    )


@dataclass
class _Reader:
    lines: list[str]
    parameters: frozenset[str]
    _text: list[str] = field(default_factory=list)
    _in_section: bool = False
    _in_list: bool = False

    def blocks(self) -> Iterator[str]:
        """Yield the paragraphs, lists and examples, with an empty line between them."""
        while self.lines:
            line = self.lines.pop(0)
            if line.strip().startswith("```"):
                yield from self._flushed()
                yield from _example(self._up_to_fence(), line.strip("` "))
            elif line.endswith("::") or line == "Example:":
                self._add(line.replace("::", ":"))
                yield from self._flushed()
                yield from _example(self._indented())
            elif self._is_example(line):
                yield from self._flushed()
                self.lines.insert(0, line)
                yield from _example(self._indented())
            else:
                self._add(line)
        yield from self._flushed()

    def _is_example(self, line: str) -> bool:
        after_empty = not self._text or not self._text[-1].strip()
        return line.startswith("    ") and after_empty and not self._in_section and not self._in_list

    def _add(self, line: str) -> None:
        """Add a line of text; each parameter becomes an item of a list."""
        if _SECTION.match(line):
            self._in_section = True
            self._text += ["Parameters:" if line == "Args:" else line, ""]
            return
        if line and not line.startswith(" "):
            self._in_section = False
        parameter = _PARAMETER.match(line.removeprefix("    ") if self._in_section else line)
        if parameter and (self._in_section or self.parameters.issuperset(parameter["names"].split(", "))):
            names = ", ".join(f"`{name}`" for name in parameter["names"].split(", "))
            self._text += ["", f"- {names}: {parameter['text']}"]
            self._in_list = True
        elif line.startswith("- "):
            self._text += ["", line]
            self._in_list = True
        elif not line.strip() or (self._in_list and line.startswith("Raises ")):
            self._text += ["", line]
            self._in_list = False
        else:
            self._text.append(f"  {line.strip()}" if self._in_list else line)

    def _flushed(self) -> Iterator[str]:
        text, self._text, self._in_section, self._in_list = "\n".join(self._text).strip("\n"), [], False, False
        if text:
            yield f"{escaped(text)}\n"

    def _up_to_fence(self) -> list[str]:
        found = []
        while self.lines and not (line := self.lines.pop(0)).strip().startswith("```"):
            found.append(line)
        return found

    def _indented(self) -> list[str]:
        """Return the lines of an example; one that is not indented reaches to the end."""
        while self.lines and not self.lines[0].strip():
            self.lines.pop(0)
        whole = bool(self.lines) and not self.lines[0].startswith(" ")
        found = []
        while self.lines and (whole or not self.lines[0].strip() or self.lines[0].startswith(" ")):
            found.append(self.lines.pop(0))
        return found


def _example(lines: list[str], language: str = "") -> Iterator[str]:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    code = "\n".join(line[margin:] for line in lines).strip("\n")
    yield f".. code-block:: {language or _language(code)}\n"
    yield "\n".join(f"    {line}" if line else "" for line in code.split("\n")) + "\n"


def _language(code: str) -> str:
    try:
        compile(code, "example", "exec")
    except SyntaxError:
        return "text"
    return "python"
