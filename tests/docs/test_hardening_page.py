"""docs/hardening.md, and the names of attacks that the command gives, which stand in docs/threat-model.md."""

import re

import pytest

from kms_schema.hardening.definition import LEFT_OPEN, LEFT_OPEN_ON_SQLITE, REFUSED, Event
from kms_schema.validator.rules import RULES
from support.pages import Page, cells

PAGE = Page("hardening.md")
THREATS = Page("threat-model.md")


@pytest.mark.parametrize("name", [*REFUSED, *LEFT_OPEN])
def test_the_limits_that_the_command_names_are_in_the_threat_model(name: str) -> None:
    assert any(cells(line)[0].startswith(name) for line in THREATS.lines("Found on PostgreSQL"))


@pytest.mark.parametrize("name", LEFT_OPEN_ON_SQLITE)
def test_so_it_is_on_sqlite(name: str) -> None:
    assert any(cells(line)[0].startswith(name) for line in THREATS.lines("Found on SQLite"))


def test_every_event_is_listed() -> None:
    assert [cells(line)[1] for line in PAGE.lines("Refused statements")] == [f"`{event}`" for event in Event]


def test_the_codes_have_their_severity() -> None:
    listed = {cells(line)[0].strip("`"): cells(line)[1] for line in PAGE.lines("Findings of `validate`")}
    assert PAGE.unknown_codes() == []
    assert listed == {code: RULES[code].severity for code in listed}


def test_each_managed_service_has_its_source_and_no_claim_of_a_trial() -> None:
    section = PAGE.sections["Where there is no superuser"]
    services = [cells(line) for line in PAGE.lines("Where there is no superuser")]
    assert len(services) == 7
    for service, *rest in services:
        assert re.search(r"\]\(https://[\w./-]+\)", service), service
        assert len(rest) == 4
    assert re.search(r"on \d{4}-\d\d-\d\d; \*\*none of it was tried by us\*\*", " ".join(section.split()))
