"""The README: short, complete, and as PyPI shows it. `test_readers_order.py` runs its quickstart."""

import re

from support.engines.programs import REPOSITORY
from tests.docs.readers import blocks_of

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_readme_and_its_quickstart_are_short() -> None:
    assert len(README.splitlines()) <= 150
    (quickstart,) = [block.text for block in blocks_of(README) if "audit verify" in block.text]
    assert len(quickstart.splitlines()) <= 20


def test_each_block_is_run_or_is_no_code() -> None:
    # The two commands of the section above are those of .ci/run and of who clones the repository.
    kinds = [block.language for block in blocks_of(README)]
    assert kinds == ["", "sh", "sh", "sh", "python", ""]


def test_pypi_renders_what_the_readme_has() -> None:
    without_code = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert not re.search(r"<[a-z!]|!\[|\[!", without_code), (
        "PyPI shows neither HTML comments, diagrams nor relative images"
    )


def test_every_page_is_in_the_table_of_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([\w-]+)\.md\)", README))
    assert linked == {page.stem for page in (REPOSITORY / "docs").glob("*.md")}


def test_nothing_tells_a_reader_to_install_a_name_that_is_not_ours_on_pypi() -> None:
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / "site").glob("*.md")]
    told = r"pip install (?:-\S+ )*['\"]?kms[-_]schema"
    assert [page.name for page in pages if re.search(told, page.read_text(encoding="utf-8"))] == []
