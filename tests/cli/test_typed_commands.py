"""Commands as people type them: with mistakes, with lists, and with numbers below zero."""

import pytest

from support.engines import Database
from support.programs.commands import kms_schema


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("auditt", "kms-schema audit?"), ("keys listt", "kms-schema keys list?"), ("seal", "kms-schema audit seal?"),
        ("xyz", "kms-schema --help lists them."), ("validate --formt json", "'--format'?"),
    ],
)  # fmt: skip
def test_a_mistyped_command_gets_the_one_that_was_meant(typed: str, meant: str) -> None:
    said = kms_schema(*typed.split())
    assert (said.status, said.error.endswith(meant)) == (2, True), said.error


def test_codes_are_separated_by_commas(database: Database) -> None:
    said = kms_schema("validate", "--select", "KMS1,KMS305", "--ignore", "KMS13, KMS14", url=database.url)
    assert said.status == 0, said.all
    for codes in ("KMS1,NONE", ",", ""):
        assert kms_schema("validate", "--select", codes, url=database.url).status == 2


def test_a_downgrade_goes_down_by_a_number_of_revisions(database: Database) -> None:
    assert kms_schema("downgrade", "-1", "--lock-wait", "5", url=database.url).status == 0
    assert kms_schema("current", url=database.url).out.startswith("006")
    assert kms_schema("downgrade", "--lock-wait", "-1", "004", url=database.url).status == 2
    assert kms_schema("downgrade", "--lock-wait", "5", "-2", url=database.url).status == 0
    assert kms_schema("current", url=database.url).out.startswith("004")
