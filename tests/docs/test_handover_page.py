"""docs/handover.md: its walk, typed as written, hands a key over; its table of the header is that of the code."""

from pathlib import Path

import pytest

from kms_schema.keyring.handover.handover_files import HandoverHeader
from support.engines import Database
from support.pages import Page, cells
from support.programs.commands import kms_schema
from tests.docs.readers import Reader, section

PAGE = Page("handover.md")


@pytest.mark.only_on("sqlite")
def test_the_walk_hands_a_key_over_from_an_empty_folder(empty_database: Database, tmp_path: Path) -> None:
    del empty_database  # it says that the engine is asked for
    Reader(tmp_path).types(section(PAGE.name, "Walk through it"))
    for name in ("shop-orders", "shop-orders-2"):
        assert kms_schema("keys", "show", name, url=f"sqlite:///{tmp_path / 'shop-2.db'}").status == 0


def test_the_header_is_described() -> None:
    names = [cells(line)[0].strip("`") for line in PAGE.lines("The bytes") if cells(line)[0].startswith("`")]
    fields = ["receiver" if name == "fingerprint" else name for name in names]
    assert sorted(fields) == sorted(HandoverHeader.__dataclass_fields__)
