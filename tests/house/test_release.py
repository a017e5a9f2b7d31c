"""A release: what workflows may do, the form of the changelog, the check of a tag, and the links of the root pages."""

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from support.engines.programs import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
CHANGELOG = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
ROOT_PAGES = sorted(REPOSITORY.glob("*.md"))


def load() -> ModuleType:
    loader = SourceFileLoader("build_release", str(REPOSITORY / "tools" / "build-release"))
    spec = spec_from_loader("build_release", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


tool = load()


def jobs(workflow: Path) -> dict[str, str]:
    """Return the text of each job of a workflow by its name; what stands before the jobs has the name ""."""
    head, _, text = workflow.read_text("utf-8").partition("\njobs:\n")
    found = re.split(r"^  (\w+):\n", text, flags=re.MULTILINE)
    return {"": head, **dict(zip(found[1::2], found[2::2], strict=True))}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned_and_no_workflow_has_a_secret_or_more_than_it_needs(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")
    assert "secrets." not in text
    assert re.search(r"^permissions:( \{\}|\n  contents: read)\n", text, re.MULTILINE)
    assert "pull_request_target" not in text


def test_only_a_tag_publishes() -> None:
    publishing = [(file.stem, name) for file in WORKFLOWS for name, job in jobs(file).items() if "pypi-publish" in job]
    writing = [(file.stem, name) for file in WORKFLOWS for name, job in jobs(file).items() if ": write" in job]
    assert publishing == [("release", "publish")]
    assert writing == [("release", "attest"), ("release", "publish")]
    of_release = jobs(REPOSITORY / ".github" / "workflows" / "release.yml")
    assert re.findall(r"^on:\n((?:  .*\n)+)", of_release[""], re.MULTILINE) == [
        '  push:\n    tags: ["v[0-9]+.[0-9]+.[0-9]+"]\n'
    ]
    assert "environment: pypi" in of_release["publish"]
    assert "tools/build-release --tag" in of_release["build"]


def test_a_tag_is_that_of_the_version_and_of_the_newest_release_in_the_changelog() -> None:
    changelog = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n\n### Added\n\n## [0.1.0] - 2026-12-01\n"
    tool.check_tag("v0.2.0", "0.2.0", changelog)
    for tag, version, text, says in (
        ("v0.2.1", "0.2.0", changelog, "tag v0.2.0"),
        ("0.2.0", "0.2.0", changelog, "tag v0.2.0"),
        ("v0.1.0", "0.1.0", changelog, "no release 0.1.0 on top"),
        ("v0.2.0", "0.2.0", "## [Unreleased]\n", "no release 0.2.0 on top"),
        ("v0.2.0", "0.2.0", "## [0.2.0]\n", "no release 0.2.0 on top"),
    ):
        with pytest.raises(tool.ReleaseError, match=re.escape(says)):
            tool.check_tag(tag, version, text)


def test_the_changelog_has_releases_with_groups_of_entries_of_one_line() -> None:
    head, *releases = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)
    assert "keepachangelog.com" in head
    assert releases[0].startswith("[Unreleased]\n")
    assert [each for each in releases[1:] if not tool.RELEASE.match(f"## {each}")] == []
    for release in releases:
        _, *groups = re.split(r"^### ", release, flags=re.MULTILINE)
        names = [group.partition("\n")[0] for group in groups]
        assert names == [name for name in GROUPS if name in names]
        lines = [line for group in groups for line in group.splitlines()[1:] if line]
        assert [line for line in lines if not line.startswith("- ")] == []
        assert [line for line in lines if len(line) > 160] == []


@pytest.mark.parametrize("page", ROOT_PAGES, ids=lambda file: file.name)
def test_each_link_of_a_root_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for path, heading in re.findall(r"\]\((?!https?://)([\w./-]+)(?:#([\w-]+))?\)", page.read_text("utf-8")):
        assert (REPOSITORY / path).exists(), path
        if heading:
            titles = re.findall(r"^#+ (.*)$", (REPOSITORY / path).read_text("utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, path
