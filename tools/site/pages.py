"""The sources of the site: the pages of docs/ as they are, those of site/, and pages that are generated from code."""

import gzip
import inspect
import io
import re
import tarfile
import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from kms_schema.validator.rules import RULES, Remediation, Rule, Scope
from tools.site.commands import command_page, commands
from tools.site.diagram import drawn
from tools.site.docstrings import to_rst
from tools.site.public_names import PUBLIC, RESULTS, documented_here, names_of

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
ARCHIVE = "examples.tar.gz"
SOURCES = (REPOSITORY / "docs", REPOSITORY / "site")

CHECKED: Mapping[Scope, str] = {
    Scope.CATALOG: "in every run",
    Scope.POSTURE: "in every run on PostgreSQL",
    Scope.STRICT: "with `--strict`",
    Scope.ROWS: "with `--level data`",
    Scope.PROBE: "with `--probe`",
    Scope.WAIVERS: "in every run with waivers",
}
"""The runs of `kms-schema validate` that check a code."""

_COMMAND = re.compile(r"kms-schema (?:audit )?[a-z-]+(?: --[a-z-]+)*")
"""A command in the text of a rule."""

MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)

OUTSIDE = re.compile(r"\[(?P<text>[^\]]+)\]\(\.\./(?P<path>[^)#]+)(?:#[^)]*)?\)")
"""A link from a page to a file of the repository that is not in docs/."""


def write_sources(folder: Path) -> None:
    """Write all sources into a folder; what is the same keeps its time, so that Sphinx reads only what has changed.

    Parameters:
        folder: the folder; files in it that are no source are removed.

    Raises `ValueError` if two sources have the same name, and `OSError` if the folder cannot be written.
    """
    wanted: dict[Path, bytes] = {}
    for name, content in (*_files(), *examples(), *((name, text.encode()) for name, text in generated())):
        if Path(name) in wanted:
            raise ValueError(f"two sources of the site are called {name}: rename one")
        wanted[Path(name)] = content
    for file in sorted(folder.rglob("*"), reverse=True):
        if file.is_file() and file.relative_to(folder) not in wanted:
            file.unlink()
    for path, content in wanted.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or target.read_bytes() != content:
            target.write_bytes(content)


def _files() -> Iterator[tuple[str, bytes]]:
    for source in SOURCES:
        for file in sorted(source.rglob("*")):
            name = str(file.relative_to(source))
            if file.suffix == ".md":
                text = without_outside_links(file.read_text("utf-8"))
                yield name, MERMAID.sub(lambda block: _diagram(drawn(block[1])), text).encode()
            elif file.is_file() and "__pycache__" not in file.parts:
                yield name, file.read_bytes()


def examples() -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each example, then the archive of all, which is the same in each build."""
    files = [file for file in sorted(EXAMPLES.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for file in files:
            name, content = str(file.relative_to(REPOSITORY)), file.read_bytes()
            yield name, content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if file.stat().st_mode & 0o100 else 0o644
            archive.addfile(entry, io.BytesIO(content))
    yield ARCHIVE, packed.getvalue()


def _diagram(svg: str) -> str:
    """Return the block of a drawn diagram, in a box that scrolls where it is wider than the page."""
    return f'```{{raw}} html\n<div class="diagram" tabindex="0">\n{svg}\n</div>\n```'


def without_outside_links(text: str) -> str:
    """Replace links to files outside docs/ with the text and the path: the site does not have these files.

    It has the examples: each file is a download, and a link to a folder leads to the archive of all.

    without_outside_links("[a test](../tests/a.py)") == "a test (`tests/a.py` in the repository)"
    """

    def replaced(link: re.Match[str]) -> str:
        words, path = link["text"], link["path"]
        if path.split("/")[0] == EXAMPLES.name:
            return f"[{words}]({path if (REPOSITORY / path).is_file() else ARCHIVE})"
        return f"`{path}` in the repository" if path in words else f"{words} (`{path}` in the repository)"

    return OUTSIDE.sub(replaced, text)


def generated() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each generated page."""
    yield "cli/index.md", command_line()
    yield from ((f"cli/{name}.md", command_page(name)) for name in commands())
    yield "api/index.md", modules()
    yield from ((f"api/{module}.md", module_page(module)) for module in PUBLIC)
    yield "api/results.md", results_page()
    yield "codes/index.md", codes()
    yield from ((f"codes/{rule.code}.md", code_page(rule)) for rule in RULES.values())


def command_line() -> str:
    """Return the page that lists the commands."""
    listed = "\n".join(commands())
    return _page(
        "Commands",
        "Every command with its options. `kms-schema COMMAND --help` prints the same text. "
        "[All commands](../command-line.md) have the same variables, forms of output and completion.",
        f"```{{toctree}}\n:maxdepth: 2\n\n{listed}\n```",
    )


def modules() -> str:
    """Return the page that lists the modules of the public API."""
    rows = (
        f"| [`{module}`]({module}.md) | {', '.join(f'`{name}`' for name in documented_here(module))} |"
        for module in PUBLIC
    )
    return _page(
        "Python",
        "Public names. Import a name from the module of its page: other modules may change in any release. "
        "The types of [results](results.md) have a page of their own.",
        "\n".join(["| module | names |", "|---|---|", *rows]),
    )


def module_page(module: str) -> str:
    """Return the page of a module, which autodoc fills."""
    here = documented_here(module)
    others = [name for name in names_of(module) if name not in here]
    blocks = [_rst(f".. automodule:: {module}\n   :no-members:")]
    if others:
        blocks.append(f"It also exports {', '.join(f'`{name}`' for name in others)}, which another page describes.")
    blocks += [_rst(entry(module, name)) for name in here]
    return _unlisted(f"`{module}`", *blocks)


def results_page() -> str:
    """Return the page of the types that public functions return."""
    entries = (_rst(entry(*name.rsplit(".", 1))) for name in RESULTS)
    return _unlisted(
        "Results", "Types that functions of the other pages return or take. No program imports them.", *entries
    )


def entry(module: str, name: str) -> str:
    """Return the directive of Sphinx that describes a public name."""
    public = getattr(import_module(module), name)
    if type(public).__module__.startswith("_pytest"):  # autodoc takes no fixture for a function
        text = textwrap.indent(to_rst(inspect.getdoc(public) or ""), "   ")
        return f".. py:function:: {name}\n   :module: {module}\n\n{text}"
    if inspect.isclass(public):
        kind = "exception" if issubclass(public, BaseException) else "class"
    else:
        kind = "function" if inspect.isfunction(public) else "data"
    return f".. auto{kind}:: {module}.{name}"


def codes() -> str:
    """Return the page that lists the codes of the validator."""
    rows = "\n".join(
        f"| [{rule.code}]({rule.code}.md) | {_cell(rule.title)} | {rule.severity} |" for rule in RULES.values()
    )
    return _page(
        "Codes of the validator",
        "Each finding of [`kms-schema validate`](../validator.md) has a code. A code never changes what it stands for.",
        f"| code | title | severity |\n|---|---|---|\n{rows}",
        "```{toctree}\n:hidden:\n\n" + "\n".join(RULES) + "\n```",
    )


def code_page(rule: Rule) -> str:
    """Return the page of a code, whose address reports contain."""
    rows = [
        ("Severity", f"{rule.severity}"),
        ("Checked", CHECKED[rule.scope]),
        ("Impact", rule.impact or "see the finding"),
    ]
    if rule.expected:
        rows.append(("Expected", rule.expected))
    return _page(
        f"{rule.code}: {rule.title}",
        "\n".join(f"- {name}: {value}" for name, value in rows),
        "## Fix",
        *_fix(rule),
        "## More",
        f"Report only this code, or leave it out:\n\n```sh\nkms-schema validate --select {rule.code}\n"
        f"kms-schema validate --ignore {rule.code}\n```",
        "[Waivers](../validator.md#waivers) accept single findings until a day. [All codes](index.md)."
        + (f" Read also: [](../{rule.page}.md)." if rule.page != "validator" else ""),
    )


def _fix(rule: Rule) -> Iterator[str]:
    action = _COMMAND.sub(r"`\g<0>`", rule.help)
    if rule.help.startswith("no action"):
        yield f"{action[:1].upper()}{action[1:]}."
        return
    by_sql = rule.remediation is Remediation.SQL
    if by_sql:
        yield "The finding has the SQL that fixes it. `kms-schema validate` never runs it."
    if action:
        yield f"{'If no statement can fix it' if by_sql else 'Manual action'}: {action}."


def _unlisted(title: str, *blocks: str) -> str:
    """Return a page that the navigation of the site leaves out: its entry there would be on each of 200 pages."""
    return "---\norphan: true\n---\n\n" + _page(title, *blocks)


def _page(title: str, *blocks: str) -> str:
    return "\n\n".join([f"# {title}", *blocks]) + "\n"


def _rst(text: str) -> str:
    return f"```{{eval-rst}}\n{text}\n```"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
