"""The words of the project: none that the glossary forbids in names, messages, docstrings, comments, SQL and pages."""

import io
import re
import tokenize
from functools import cache
from pathlib import Path

from support import prose
from support.engines.programs import REPOSITORY

FOLDERS = ("kms_schema", "migrations", "scripts", "tools", "benchmarks", "examples")

PHRASES = {
    "mend, mends, mended, mender": r"\b(un)?mend(s|ed|er|ers|ing)?\b",
    "by hand": r"\bby hand\b",
    "as the package made it": r"\bas the package made\b",
    "rights": r"\brights\b",
    "guards": r"\bguards?\b(?![ -]triggers?\b)",
    "dependants": r"\bdependants?\b",
    "stranger, strays": r"\bstrangers?\b|\bstrays?\b",
    "anew": r"\banew\b",
    "likewise": r"\blikewise\b",
    "in the way": r"\bin the way\b",
    "whoever": r"\bwho(m)?ever\b",
    "who keeps": r"\bwho keeps\b",
    "holds up": r"\b(hold|holds|held|holding) up\b",
    "bury": r"\bbur(y|ies|ied|ying)\b",
    "the owner logs in": r"\bowner logs in\b",
    "nobody, no one": r"\bnobody\b|\bno one\b",
    "is none": r"\b(is|are|was|were|be) (?-i:none)\b(?! of\b)",
    "switched off or on": r"\bswitche?[sd]? (it )?(on|off)\b",
}
"""What is forbidden in a text, as the glossary has it, and the pattern, whose case does not matter."""

BEGINNING = re.compile(r"""(?:^|[.!?:]["')]*\s+)(What|Who|Whom|Whose|Whether)\b""")
"""A sentence that begins with one of these."""

NAME_PARTS = {
    *("mend", "mends", "mended", "mender", "mending", "rights", "guards", "dependant", "dependants", "stranger"),
    *("strays", "settled", "facts", "unasked", "haste", "losses", "bury", "anew", "likewise", "trial", "trials"),
}
"""Parts of names of modules, functions, classes, arguments and variables, in lower case."""

ALLOWED = {
    "RIGHTS_CHANGED": "a type of entries in the audit log, which databases store",
    "RIGHTS_": "the prefix of RIGHTS_CHANGED",
    "AUTOCOMMIT": "an isolation level of SQLAlchemy",
}
"""Texts in which the words are right, each with its reason."""


PAGES_WITH_FAULTS = {
    "docs/validator-matrix.md": "it has the names of mutations, and `python -m tests.validator.mutations` writes it",
}
"""Pages that may have the words, each with its reason."""


TEXTS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
"""The tokens with texts."""


def spaced(text: str) -> str:
    """Return a text on one line, without the marks of comments and strings."""
    text = re.sub(r"^[rbfuRBFU]*(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')$", "", text.strip())
    return " ".join(re.sub(r"^\s*(#:?|--)", " ", text, flags=re.MULTILINE).split())


def faults_of_text(text: str) -> list[str]:
    """Return the forbidden words of a comment, a string or a message."""
    plain = spaced(text)
    for allowed in ALLOWED:
        plain = plain.replace(allowed, "")
    found = [word for word, pattern in PHRASES.items() if re.search(pattern, plain, re.IGNORECASE)]
    return found + [f"a sentence begins with {match[1]}" for match in BEGINNING.finditer(plain)]


def faults_of_name(name: str) -> list[str]:
    """Return the forbidden parts of a name, which are apart by underscores or capital letters."""
    if name in ALLOWED:
        return []
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    return [f"the name {name}"] if NAME_PARTS & set(parts) else []


def faults_of_python(text: str) -> list[str]:
    """Return the line and the word of each fault of a module; adjacent comments are one text."""
    found: list[str] = []
    comments: list[str] = []
    first = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            if comments and line == last + 1:
                comments.append(token.string)
            else:
                found += [f"{first}: {fault}" for fault in faults_of_text("\n".join(comments))]
                comments, first = [token.string], line
            last = line
        elif token.type in TEXTS:
            found += [f"{line}: {fault}" for fault in faults_of_text(token.string)]
        elif token.type == tokenize.NAME:
            found += [f"{line}: {fault}" for fault in faults_of_name(token.string)]
    return found + [f"{first}: {fault}" for fault in faults_of_text("\n".join(comments))]


def faults_of_sql(text: str) -> list[str]:
    """Return the line and the word of each fault of an SQL file, in its comments and strings."""
    found = []
    for match in re.finditer(r"(?:^[ \t]*--[^\n]*\n?)+|--[^\n]*|'(?:[^']|'')*'", text, re.MULTILINE):
        line = text.count("\n", 0, match.start()) + 1
        found += [f"{line}: {fault}" for fault in faults_of_text(match[0])]
    return found


def faults_of(file: Path) -> list[str]:
    """Return the faults of a file, in its name, too."""
    text = file.read_text(encoding="utf-8")
    return faults_of_name(file.stem) + (faults_of_sql(text) if file.suffix == ".sql" else faults_of_python(text))


@cache
def faults() -> dict[str, list[str]]:
    """Return the faults of each file that has some, by its path."""
    files = (file for folder in FOLDERS for file in sorted((REPOSITORY / folder).rglob("*")))
    checked = (
        file
        for file in files
        if file.suffix in {".py", ".sql"} or (file.parent.name == "tools" and file.is_file() and not file.suffix)
    )
    return {str(file.relative_to(REPOSITORY)): found for file in checked if (found := faults_of(file))}


def test_no_file_has_a_forbidden_word() -> None:
    assert not faults(), "\n".join(f"{path}:{fault}" for path, found in faults().items() for fault in found)


def test_no_page_has_a_forbidden_word() -> None:
    found, outside = [], []
    for page in prose.PAGES:
        name = str(page.relative_to(REPOSITORY))
        paragraphs = list(prose.of_page(page.read_text(encoding="utf-8")))
        outside += [f"{name}:{each.place}" for each in paragraphs if each.text.startswith("|")]
        if name not in PAGES_WITH_FAULTS:
            found += [f"{name}:{each.place}: {fault}" for each in paragraphs for fault in faults_of_text(each.text)]
    assert found == [], "\n".join(found)
    assert outside == [], "rows outside of their table"


FILE_OF_DOCS = re.compile(r"^(?!\s*(?:#|--)).*(\bdocs/[\w-]+\.(?:md|html))", re.MULTILINE)
PAGE_OF_DOCS = re.compile(r'"([a-z-]+)"\s+of\s+(?:the|its)\s+documentation')


def test_texts_name_pages_and_not_files_that_only_the_repository_has() -> None:
    """Readers of a message have the wheel, or the site."""
    named = set()
    for file in (REPOSITORY / "kms_schema").rglob("*"):
        if file.suffix in {".py", ".sql"}:
            text = file.read_text(encoding="utf-8")
            files = FILE_OF_DOCS.findall(text) if "docs/" in text else []
            assert files == [], f'{file}: write: the page "roles" of the documentation'
            named |= set(PAGE_OF_DOCS.findall(text))
    assert len(named) > 5
    assert named <= {page.stem for page in (REPOSITORY / "docs").glob("*.md")}


def test_forbidden_words_are_found_and_others_are_not() -> None:
    """In comments over several lines, strings, docstrings, names, and SQL."""
    python = '# It runs.\n# Who runs it?\nf"the guards of {table}"\n"""Made by\n    hand."""\nclass RowRights: pass\n'
    words = ["a sentence begins with Who", "guards", "by hand", "the name RowRights"]
    assert sorted(fault.partition(": ")[2] for fault in faults_of_python(python)) == sorted(words)
    assert faults_of_python('x = "guard_key_audit_log_insert is a guard trigger"; amendment = "commended"\n') == []
    sql = "-- Rows that a trigger\n-- holds up.\nSELECT RAISE(ABORT, 'rule: nobody''s rights'), whoever; -- Whether\n"
    assert faults_of_sql(sql) == ["1: holds up", "3: rights", "3: nobody, no one", "3: a sentence begins with Whether"]
