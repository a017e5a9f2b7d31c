"""The sources of the site, and the check of what a built page requests. `tools/build-site` in .ci/run builds it all."""

import io
import re
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kms_schema.validator import RULES
from support.engines.programs import REPOSITORY
from support.import_graph import modules
from support.public_api import exported, imported_in_texts
from tools.entity_diagram import entity_diagram
from tools.site.diagram import drawn
from tools.site.docstrings import to_rst
from tools.site.external import requested_by
from tools.site.pages import ARCHIVE, examples, generated, without_outside_links, write_sources
from tools.site.public_names import INTERNAL, PUBLIC, names_of

GROUPS = ("tutorial", "how-to", "reference", "explanation")
PAGES = dict(generated())


def test_each_page_is_in_one_group() -> None:
    texts = [(REPOSITORY / "site" / f"{group}.md").read_text("utf-8") for group in GROUPS]
    blocks = [block for text in texts for block in re.findall(r"```{toctree}(.*?)```", text, re.DOTALL)]
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    listed = [line for line in lines if not line.endswith("/index")]
    assert sorted(listed) == sorted(page.stem for page in (REPOSITORY / "docs").glob("*.md"))


def test_each_code_has_a_page_with_its_title_severity_and_fix() -> None:
    for rule in RULES.values():
        page = PAGES[f"codes/{rule.code}.md"]
        assert f"# {rule.code}: {rule.title}" in page
        assert f"- Severity: {rule.severity}\n" in page
        assert f"{rule.help}.\n".lower() in page.replace("`", "").lower() or not rule.help
        assert "\n## Fix\n\n" in page
        assert "orphan" not in page


def test_each_command_and_option_is_described() -> None:
    assert "\n`--docs-url URL`\n: " in PAGES["cli/validate.md"]
    assert "## kms-schema audit seal\n" in PAGES["cli/audit.md"]
    assert "```sh\nkms-schema roles --prefix shop_ > roles.sql\n" in PAGES["cli/roles.md"]


def test_the_diagram_is_drawn_with_every_table_column_and_foreign_key(tmp_path: Path) -> None:
    write_sources(tmp_path)
    page = (tmp_path / "schema.md").read_text(encoding="utf-8")
    assert "```mermaid" not in page
    assert drawn(entity_diagram()) in page
    svg = ElementTree.fromstring(drawn(entity_diagram()))  # noqa: S314  (our own text)
    texts = [text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    source = entity_diagram().splitlines()
    tables = [line.split()[0] for line in source if line.endswith("{")]
    columns = [line.split()[1] for line in source if line.startswith("        ")]
    actions = [line.rpartition("<br>")[2].strip('"') for line in source if "<br>" in line]
    assert len(tables) > 10
    assert sorted(texts[: -2 * len(columns) - len(tables)]) == sorted(actions)
    assert [name for name in (*tables, *columns) if name not in texts] == []


def test_each_public_name_is_described() -> None:
    described = {(module, name) for module in PUBLIC for name in names_of(module)}
    needed = {
        (module, name)
        for module, name in {*exported(), *imported_in_texts()}
        if module in modules() and module not in INTERNAL and f"{module}.{name}" not in modules()
    }
    attributes = {(module, name) for module, name in needed if module == "kms_schema" and name not in names_of(module)}
    assert sorted(needed - described - attributes) == [], "add them to tools/site/public_names.py"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example/a.js"></script>'),
        ("a.html", '<link rel="preload stylesheet" href="//cdn.example/a.css">'),
        ("a.html", '<img srcset="https://cdn.example/a.png 2x">'),
        ("a.html", "<style>@import 'https://cdn.example/a.css';</style>"),
        ("a.html", '<p style="background: url(https://cdn.example/a.png)">'),
        ("a.html", '<script>fetch("https://cdn.example/a.json")</script>'),
        ("a.css", "@font-face { src: url(https://cdn.example/a.woff2) }"),
        ("a.js", 'const script = document.createElement("script"); script.src = "https://cdn.example/a.js"'),
        ("a.svg", '<image href="https://cdn.example/a.png"/>'),
    ],
)
def test_a_request_to_another_host_is_found(name: str, text: str) -> None:
    assert len(requested_by(name, text)) == 1


@pytest.mark.parametrize(
    "text",
    ['<a href="https://example.com">', '<link rel="canonical" href="https://example.com">', '<img src="_images/a.svg">',
     '<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/></svg>'],
)  # fmt: skip
def test_a_link_that_a_reader_follows_is_no_request(text: str) -> None:
    assert requested_by("a.html", text) == []


def test_a_link_out_of_the_documentation_becomes_text() -> None:
    assert without_outside_links("See [a test](../tests/a.py) and [b](b.md).") == (
        "See a test (`tests/a.py` in the repository) and [b](b.md)."
    )


def test_the_examples_are_downloads() -> None:
    text = "[examples/](../examples), [a](../examples/compose/compose.yaml)"
    assert without_outside_links(text) == "[examples/](examples.tar.gz), [a](examples/compose/compose.yaml)"
    files = dict(examples())
    with tarfile.open(fileobj=io.BytesIO(files.pop(ARCHIVE))) as archive:
        assert {entry.name for entry in archive} == files.keys()
        assert archive.getmember("examples/postgresql/make-secrets").mode == 0o755


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('See the page "audit" of the documentation.', "See the page :doc:`/audit` of the documentation.\n"),
        ("See `a_b` and *args.", "See ``a_b`` and \\*args.\n"),
        ("First.\n\n    x = `1`\n", "First.\n\n.. code-block:: text\n\n    x = `1`\n"),
        ("Use::\n\n    x = 1", "Use:\n\n.. code-block:: python\n\n    x = 1\n"),
        ("It::\n\nx = 1", "It:\n\n.. code-block:: python\n\n    x = 1\n"),
        ("Do.\n\n```sh\nls *\n```", "Do.\n\n.. code-block:: sh\n\n    ls *\n"),
        (
            "Parameters:\n    a: one\n        more\n\nRaises it.",
            "Parameters:\n\n\n- ``a``: one\n  more\n\n\nRaises it.\n",
        ),
    ],
)
def test_a_docstring_is_translated(text: str, expected: str) -> None:
    assert to_rst(text, ("a",)) == expected
