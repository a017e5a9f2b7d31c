"""The imports of the package, read from its source: which module imports which, where and for what."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.engines.programs import REPOSITORY

ROOT = "kms_schema"
LOADERS = {"import_module", "__import__"}


@dataclass(frozen=True)
class Import:
    """One import statement, or one name that is given to `import_module`."""

    module: str
    target: str
    in_function: bool = False
    """The interpreter runs the import when the function is called."""
    for_types: bool = False
    """The import stands under `if TYPE_CHECKING`."""


def name_of(file: Path) -> str:
    """Return the dotted name of a module's file."""
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Return the files of all modules by name. The migrations are linked into the package: rglob skips the link."""
    folders = (REPOSITORY / ROOT, REPOSITORY / ROOT / "migrations")
    return {name_of(file): file for folder in folders for file in sorted(folder.rglob("*.py"))}


class Reader(ast.NodeVisitor):
    """Collects the imports of one module."""

    def __init__(self, module: str, known: dict[str, Path], tree: ast.Module) -> None:
        self.module, self.known = module, known
        self.strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        self.found: list[Import] = []
        self.in_function = self.for_types = False
        self.visit(tree)

    def add(self, target: str, *, in_function: bool | None = None) -> None:
        inside = self.in_function if in_function is None else in_function
        self.found.append(Import(self.module, target, inside, self.for_types))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            package = self.module.split(".")
            if self.known[self.module].name != "__init__.py":
                package.pop()
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
        for alias in node.names:
            name = f"{base}.{alias.name}"
            self.add(name if name in self.known else base)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self.generic_visit(node)
            return
        outside, self.for_types = self.for_types, True
        for child in node.body:
            self.visit(child)
        self.for_types = outside
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        outside, self.in_function = self.in_function, True
        self.generic_visit(node)
        self.in_function = outside

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815

    def visit_Call(self, node: ast.Call) -> None:
        called = getattr(node.func, "id", getattr(node.func, "attr", None))
        if called == "files":  # importlib.resources: it reads a folder and imports nothing new
            return
        if called in LOADERS:
            name = node.args[0] if node.args else None
            self.add(str(name.value) if isinstance(name, ast.Constant) else "import_module")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Take a text that names a module, as `module` or `module:name`: `import_module` gets it from a table."""
        if isinstance(node.value, str):
            name = node.value.partition(":")[0]
            if name in self.known and name not in (ROOT, self.module):
                self.add(name, in_function=False)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Take `{__name__}.{…}`: the modules of the package whose names stand in the file as texts."""
        first = node.values[0]
        if isinstance(first, ast.FormattedValue) and ast.unparse(first.value) == "__name__":
            for name in self.known:
                package, _, last = name.rpartition(".")
                if package == self.module and last in self.strings:
                    self.add(name, in_function=False)
        self.generic_visit(node)


def read(module: str, known: dict[str, Path], source: str) -> list[Import]:
    """Return the imports of a module from its source."""
    return Reader(module, known, ast.parse(source)).found


@cache
def all_imports() -> tuple[Import, ...]:
    """Return every import of the package."""
    known = modules()
    return tuple(found for name, file in known.items() for found in read(name, known, file.read_text("utf-8")))


def in_circles(arrows: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each arrow whose target leads back to its start."""
    targets: dict[str, set[str]] = {}
    for start, target in arrows:
        targets.setdefault(start, set()).add(target)

    @cache
    def reachable(start: str) -> frozenset[str]:
        seen: set[str] = set()
        unread = [start]
        while unread:
            name = unread.pop()
            if name not in seen:
                seen.add(name)
                unread.extend(targets.get(name, ()))
        return frozenset(seen)

    yield from (arrow for arrow in arrows if arrow[0] in reachable(arrow[1]))
