"""docs/compliance.md: every line names a paragraph and tests, and whatever the page names is there."""

import pkgutil
import re
from collections.abc import Iterator

import click
import pytest

from kms_schema.cli import program
from kms_schema.roles.definition import Role
from kms_schema.vocabulary import EVENT_TYPES
from support.engines.programs import REPOSITORY
from support.pages import NAMED, Page, cells, faults_in_named_tests, words_of_the_sql

PAGE = Page("compliance.md")
PARAGRAPHS = {
    "PCI DSS v4.0.1": r"(?:3|7|8|10)\.\d+(?:\.\d+)*(?:, \d+\.\d+\.\d+)*",
    "SOX": r"section (?:404\(a\), (?:change|access|operations)|802 \(.+?\))",
    "GDPR": r"\d+\(\d\)(?:\(\w\)(?:, \(\w\))*)?",
    "FIPS 140-3": "cryptographic module specification|roles, services and authentication"
    "|sensitive security parameter management|self-tests",
    "NIST SP 800-57 Part 1 Rev. 5": r"\d(?:\.\d)*",
    "NIST SP 800-38D, 38F and 108r1": r"SP 800-\w+ \d\.\d(?:\.\d)?",
}
"""How a line of each standard begins."""
NOT_THERE_YET = "Not there yet"
OF_OTHERS = {"boto3", "cryptography", "python-pkcs11", "pg_hba.conf", "kms.actor"}
"""Names on the page that are neither ours nor single words in the SQL."""

QUOTED = re.findall(r"`([^`]+)`", NAMED.sub("", PAGE.text))


def commands(text: str) -> list[str]:
    return re.findall(r"`kms-schema ([^`]+)`", text)


def command_of(line: str) -> click.Command | None:
    """Return the command that a line calls, or None where there is none or it has no such option."""
    command: click.Command | None = program
    context = click.Context(program)
    for word in line.split():
        if isinstance(command, click.Group):
            command = command.get_command(context, word)
        elif command is None or not (word in options_of(command) or takes_values(command, word)):
            return None
    return command


def options_of(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def takes_values(command: click.Command, word: str) -> bool:
    """Return whether a word is one of the values that an option of the command may have."""
    kinds = [parameter.type for parameter in command.params]
    return any(isinstance(kind, click.Choice) and word in kind.choices for kind in kinds)


def every_command(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from every_command(command)


def is_there(name: str) -> bool:
    """Return whether something of the package, its SQL, its programs or its tests has this name."""
    if name.startswith("kms_schema."):
        return pkgutil.resolve_name(name) is not None
    if name.startswith("--"):
        return any(name in options_of(command) for command in every_command(program))
    if name.startswith("tests/"):
        return (REPOSITORY / name).is_file()
    known = words_of_the_sql() | set(Role) | set(EVENT_TYPES) | OF_OTHERS
    return name in known or bool(re.fullmatch(r"KMS\d{3}", name))


def test_each_standard_has_its_table() -> None:
    assert [section for section in PAGE.sections if PAGE.lines(section)] == list(PARAGRAPHS)


@pytest.mark.parametrize("line", PAGE.all_lines, ids=lambda line: cells(line)[0])
def test_every_line_names_tests_that_there_are(line: str) -> None:
    assert faults_in_named_tests(line) == []


@pytest.mark.parametrize("section", PARAGRAPHS)
def test_every_line_has_its_paragraph_and_the_remaining_work(section: str) -> None:
    for line in PAGE.lines(section):
        demand, answer, tests, left = cells(line)
        assert re.fullmatch(f"(?:{PARAGRAPHS[section]}): .+", demand), demand
        assert re.sub("[ ,]", "", NAMED.sub("", tests)) == "", "something else than tests"
        assert "::" not in answer + left
        assert min(len(answer), len(left)) > 5


def test_no_demand_has_two_lines() -> None:
    demands = [cells(line)[0] for line in PAGE.all_lines]
    assert sorted(demands) == sorted(set(demands))


def test_rules_and_codes_are_those_of_the_package() -> None:
    assert len(PAGE.rules) > 20
    assert PAGE.unknown_rules() == []
    assert PAGE.unknown_codes() == []


def test_commands_and_their_options_are_there() -> None:
    elsewhere = [line for title, text in PAGE.sections.items() if title != NOT_THERE_YET for line in commands(text)]
    assert len(set(elsewhere)) > 8
    assert [line for line in elsewhere if command_of(line) is None] == []


def test_features_that_are_listed_as_missing_are_missing() -> None:
    """A new feature must be removed from the list of missing ones."""
    missing = commands(PAGE.sections[NOT_THERE_YET])
    assert {line for line in missing if command_of(line) is not None} == set()
    assert missing == []


def test_every_other_name_is_there() -> None:
    assert [name for name in QUOTED if not name.startswith("kms-schema ") and not is_there(name)] == []


def test_a_name_that_is_mistaken_is_noticed() -> None:
    assert command_of("audit seal --publish") is not None
    assert command_of("audit seel") is command_of("audit seal --publsh") is command_of("validate --level dota") is None
    assert not is_there("key_mastres")
    assert not is_there("--publsh")


def test_links_lead_to_pages_and_headings() -> None:
    links = re.findall(r"\]\(([\w-]*\.md)?(?:#([\w-]+))?\)", PAGE.text)
    assert len(links) > 15
    for page, heading in links:
        text = Page(page or PAGE.name).text
        headings = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        assert not heading or heading in headings, (page, heading)
