"""docs/handover.md: its walk, typed as written, hands a key over; its table of the header is that of the code."""

import re
import shlex
from pathlib import Path

import pytest

from kms_schema.keyring.handover.handover_files import HandoverHeader
from tests.docs.readers import section
from tests.keyring.rings import ROOT
from tests.roots import providers
from tests.support.engines import Database, Engine, Engines
from tests.support.pages import Page, cells
from tests.support.programs.commands import kms_schema

PAGE = Page("handover.md")


def types(text: str, url: str) -> None:
    """Run the commands of a block in this process, on the database at a URL."""
    for line in text.replace("\\\n", "").splitlines():
        words = shlex.split(line)
        if words[0] == "export":
            continue
        words, file = (words[:-2], words[-1]) if words[-2] == ">" else (words, "")
        told = Path("told.txt").read_text() if "$SHA256" in words else ""
        words = [re.findall("^sha256: (.*)", told, re.MULTILINE)[0] if word == "$SHA256" else word for word in words]
        said = kms_schema(*words[1:], url=None if words[2] in ("new-key", "show") and words[1] == "handover" else url)
        assert (words[0], said.status) == ("kms-schema", 0), (line, said)
        if file:
            Path(file).write_text(said.out, encoding="utf-8")


@pytest.mark.only_on("sqlite")
def test_the_walk_hands_a_key_over(
    *, database: Database, engine: Engine, engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = engine.create(engines.migrated(engine.name, "template"))
    for year in (2026, 2027):
        providers.root_file(tmp_path, bytes(range(year - 2000, year - 1968))).rename(f"root-{year}.key")
    root = ("--root-key", f"{ROOT}=root-2026.key")
    assert kms_schema("keys", "create", "orders", "--under", ROOT, *root, url=database.url).status == 0
    *shell, program = section(PAGE.name, "Walk through it")
    for block, url in zip(shell, (other.url, database.url, other.url), strict=True):
        types(block.text, url)
    for shown, here in (("sqlite:///kms.db", database.url), ("sqlite:///shop-2.db", other.url)):
        program = type(program)(program.language, program.text.replace(shown, here))
    exec(compile(program.text, PAGE.name, "exec"), {})  # noqa: S102
    for name in ("shop-orders", "shop-orders-2"):
        assert kms_schema("keys", "show", name, url=other.url).status == 0
    engine.drop(other)


def test_the_header_is_described() -> None:
    names = [cells(line)[0].strip("`") for line in PAGE.lines("The bytes") if cells(line)[0].startswith("`")]
    fields = ["receiver" if name == "fingerprint" else name for name in names]
    assert sorted(fields) == sorted(HandoverHeader.__dataclass_fields__)
