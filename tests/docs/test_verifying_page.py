"""docs/verifying.md: an entry that was changed, and each answer. test_readers_order.py runs the blocks."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.roles.definition import Role
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.cli.audit_trails import CHECKER, Trail, trail_of
from tests.docs.readers import alike
from tests.docs.shell_blocks import run, url_of
from tests.docs.verifying_page import BLOCKS, LET_IN, PAGE

(CHANGED,) = re.findall(r"^<!-- measured: changed -->\n```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(ROLE,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def handed_over(database: Database, tmp_path: Path) -> Trail:
    """The files of an auditor on the page: a checkpoint, a key, the checker, and a trail that has grown since."""
    trail = trail_of(database, tmp_path)
    shutil.copy(CHECKER, tmp_path / "check_audit.py")
    shutil.copy(trail.trusted, tmp_path / "seal.key.pub")
    trail.write(3)
    trail.seal(name="checkpoint.txt")
    trail.write(1)
    trail.seal(name="made-later.txt")
    return trail


@pytest.fixture
def url(handed_over: Trail) -> Iterator[str]:
    """The URL by which the auditor reads: on PostgreSQL as the role that the page makes."""
    database = handed_over.database
    if database.dialect == "sqlite":
        yield database.url
        return
    with closing(database.connect()) as owner:
        assert kms_schema("roles", "--apply", url=database.url).status == 0
        execute(owner, ROLE)
        try:
            yield url_of(database, username="trail_auditor")
        finally:
            drop_roles(owner, "trail_auditor", *Role)


def test_no_block_of_the_page_is_left_out() -> None:
    assert len(BLOCKS) == PAGE.count("```sh") - 1 == 7  # the first one, which sets up: test_readers_order.py
    assert PAGE.count("```text") == len(BLOCKS) + 1
    assert PAGE.count("```") == 2 * (2 * len(BLOCKS) + 3)


def test_an_entry_that_was_changed_looks_as_the_page_shows(handed_over: Trail, url: str) -> None:
    with closing(handed_over.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, "UPDATE key_audit_logs SET user_id = 'mallory' WHERE sequence = 2")
    ((block, _),) = [each for each in BLOCKS if LET_IN in each[0]]
    said = run(f'{block.rstrip()} || echo "exit status $?"\n', handed_over.folder, AUDIT_URL=url)
    assert alike(said) == alike(f"{CHANGED}exit status 1\n")


def test_every_answer_that_the_page_explains_is_one_that_the_program_gives() -> None:
    answers = re.findall(r"^\| `([^|]+?)`.* \|", PAGE, re.MULTILINE)
    assert len(answers) > 9
    code = "".join((REPOSITORY / "kms_schema" / path).read_text(encoding="utf-8") for path in (
        "cli/audit/verify.py", "audit/verification/verify_entries.py", "audit/verification/verify_leaves.py",
        "audit/verification/verifier.py",
    ))  # fmt: skip
    said = re.sub(r'"\s*f?"', "", code)
    for answer in answers:
        for part in re.split(r"…|\bN\b|, with|\d+ of \d+", answer):
            assert part.strip(" :") in said, part
