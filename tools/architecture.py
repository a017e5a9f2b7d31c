"""The facts that ARCHITECTURE.md states: the packages in their order, the kernel, and the capabilities."""

import re
from dataclasses import dataclass
from functools import cache

from tools.environment import REPOSITORY

PAGE = REPOSITORY / "ARCHITECTURE.md"
END_OF_KERNEL = "---"


@dataclass(frozen=True)
class Capability:
    """A row of the table: a name, and what there is of it."""

    name: str
    commands: tuple[str, ...]
    packages: tuple[str, ...]
    tests: tuple[str, ...]
    pages: tuple[str, ...]


@cache
def text() -> str:
    """Return the page."""
    return PAGE.read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text below a heading. Raises `ValueError` if the page lacks it."""
    if found := re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text(), re.DOTALL | re.MULTILINE):
        return found[1]
    raise ValueError(f"ARCHITECTURE.md has no section {title}")


def kernel() -> tuple[str, ...]:
    """Return the modules and packages that protect keys and evidence, from the bottom up."""
    names = _names()
    return names[: names.index(END_OF_KERNEL)]


def kernel_size() -> str:
    """Return how many lines a reviewer of the kernel reads, in thousands: every change would be one here otherwise."""
    parts = [REPOSITORY / "kms_schema" / name for name in kernel()]
    files = [file for part in parts for file in (part.rglob("*") if part.is_dir() else [part.with_suffix(".py")])]
    python, sql = (
        sum(len(file.read_text("utf-8").splitlines()) for file in files if file.suffix == suffix) // 1000
        for suffix in (".py", ".sql")
    )
    return f"A reviewer of the kernel reads {python},000 lines of Python and {sql},000 of SQL."


def order() -> tuple[str, ...]:
    """Return the modules and packages of `kms_schema` from the bottom up: each imports from those before it."""
    return tuple(name for name in _names() if name != END_OF_KERNEL)


@cache
def _names() -> tuple[str, ...]:
    block = section("Packages and their order").partition("```\nkms_schema/\n")[2].partition("\ntools/")[0]
    named = re.findall(r"^  (\S.*?)(?:  .*)?$", block, re.MULTILINE)
    return tuple(name.rstrip("/") for names in named for name in names.split(", "))


def capabilities() -> dict[str, Capability]:
    """Return the rows of the table by their names."""
    rows = [line.strip("|").split("|") for line in section("Capabilities").splitlines() if line.startswith("| ")][1:]
    found = (
        Capability(row[0].strip(), *(tuple(filter(None, cell.strip().split(", "))) for cell in row[1:])) for row in rows
    )
    return {each.name: each for each in found}
