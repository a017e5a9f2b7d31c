"""Texts that people read, as paragraphs without code: pages, rules of the validator, helps, messages, docstrings."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
from markdown_it import MarkdownIt
from markdown_it.token import Token

from kms_schema.cli import program
from kms_schema.validator.rules import RULES
from support.engines.programs import REPOSITORY

PACKAGE = REPOSITORY / "kms_schema"
PAGES = (
    *(REPOSITORY / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "site").glob("*.md")),
    *sorted((REPOSITORY / "tests").rglob("*.md")),
)

CODE = "Code"
"""Stands for a piece of code, and for an enumeration of such pieces: a reader takes it for one word."""
_SEVERAL = re.compile(rf"{CODE}(?:(?:,| and| or|, and|, or|/|·| ·)\s*{CODE})+")
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9]|\w+: )")
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|CASE|SET|BEGIN)\b|\n")
_BACKTICKS = re.compile(r"(`+)[^`]+\1")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, an item of a list, a heading or a cell of a table; `place` is its line or its name."""

    place: str
    text: str


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph."""
    return [sentence for sentence in _END.split(_SEVERAL.sub(CODE, text)) if sentence.strip()]


def words(sentence: str) -> int:
    """Return the number of words."""
    return sum(1 for word in sentence.split() if re.search(r"\w", word))


def of_page(text: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a page in Markdown; blocks of code are none."""
    for token in _MARKDOWN.parse(text):
        if token.type == "inline":
            yield Paragraph(str((token.map or [0])[0] + 1), "".join(map(_shown, token.children or [])))


def _shown(token: Token) -> str:
    if token.type == "code_inline":
        return CODE
    return " " if token.type in {"softbreak", "hardbreak"} else token.content if token.type == "text" else ""


def of_rules() -> Iterator[Paragraph]:
    """Yield the title, the impact and the help of each code of the validator."""
    for rule in RULES.values():
        for name in ("title", "impact", "help"):
            yield Paragraph(f"{rule.code} {name}", getattr(rule, name) or "")


@cache
def commands() -> dict[str, click.Command]:
    """Return each command and group by its name in full."""
    found: dict[str, click.Command] = {}

    def add(command: click.Command, context: click.Context) -> None:
        found[context.command_path] = command
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            below = command.get_command(context, name)
            assert below is not None
            add(below, click.Context(below, info_name=name, parent=context))

    add(program, click.Context(program, info_name="kms-schema"))
    return found


def of_helps() -> Iterator[Paragraph]:
    r"""Yield the paragraphs of the help of each command, and of each option; those after a line `\b` are none."""
    for name, command in commands().items():
        for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
            if not paragraph.startswith("\b"):
                yield Paragraph(name, paragraph)
        for option in command.params:
            if isinstance(option, click.Option):
                yield Paragraph(f"{name} {option.opts[0]}", option.help or "")


def of_messages() -> Iterator[Paragraph]:
    """Yield the strings of the package that are neither docstrings nor SQL; a value in one counts as a word."""
    for file, tree in _trees():
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value if isinstance(part, ast.Constant) else CODE for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
                text = node.value
            else:
                continue
            if not _SQL.search(text):
                yield Paragraph(f"{file}:{node.lineno}", _BACKTICKS.sub(CODE, text))


def of_docstrings() -> Iterator[Paragraph]:
    """Yield the paragraphs of the docstrings of the package; each item of a list is one, and an example is none."""
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node) or ""
                for paragraph in re.split(r"\n\s*\n|\n\s*(?=(?:[-*]|[\w, *]+:) )", text):
                    if not paragraph.startswith("    "):
                        plain = re.sub(r"\s+", " ", _BACKTICKS.sub(CODE, paragraph))
                        yield Paragraph(f"{file}:{getattr(node, 'lineno', 1)}", plain)


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        yield file.relative_to(REPOSITORY), ast.parse(file.read_text(encoding="utf-8"))
