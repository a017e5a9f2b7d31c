"""What `alembic … --sql` writes for PostgreSQL is safe to run on a database in use, as squawk sees it."""

import json
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from kms_schema.snapshots import chain
from support.engines import Database
from support.later import LAID_OVER

OFFLINE = Database("postgresql", "postgresql", "postgresql+psycopg://nobody@nowhere/none")
"""Nobody connects to it: its URL only says which SQL to write."""

CHAIN = ("base", *(revision[:3] for revision in chain()))
STEPS = tuple(pairwise(CHAIN))
SCRIPTS = (
    ("upgrade", "head"),
    *(("upgrade", f"{before}:{after}") for before, after in STEPS),
    ("downgrade", "head:base"),
    *(("downgrade", f"{after}:{before}") for before, after in reversed(STEPS)),
)
"""The whole history, and each revision alone, in both directions."""
OLDEST_POSTGRESQL = "13.0"
OPT_IN = "require-table-schema"


@dataclass(frozen=True)
class Violation:
    """What squawk objects to: a rule, and the lines that break it."""

    rule: str
    text: str


@dataclass(frozen=True)
class Accepted:
    """Violations that are meant: of this rule, where the lines match all of `pattern`; `reason` says why."""

    rule: str
    pattern: str
    reason: str

    def covers(self, violation: Violation) -> bool:
        return self.rule == violation.rule and re.search(self.pattern, violation.text, re.MULTILINE) is not None


BOUNDED = (
    r"(max_)?key_size_bits|(version|risk)_\w+|(old|new)_version|(generation|response)_time_ms|rotation_interval_days"
    r"|max_key_age_days|notify_before_rotation_hours|retry_count|max_retries|retention_period_days|level|risk_score"
)
"""Columns of four bytes: sizes, versions, days, a tree's levels. Whatever counts use, volume or entries has eight."""

ALEMBICS = "alembic_version is made by Alembic, in its own words, and by some of its versions dropped"
ACCEPTED = (
    Accepted("prefer-robust-stmts", r"^(CREATE|DROP) TABLE alembic_version", ALEMBICS),
    Accepted("require-table-schema", r"^(CREATE|DROP) TABLE alembic_version", ALEMBICS),
    Accepted(
        "prefer-text-field",
        r"^ *\w+ VARCHAR\(\d+\)|::varchar\(\d+\)|AS varchar\(255\)|ADD COLUMN (IF NOT EXISTS )?\w+ VARCHAR\(\d+\)",
        "the contract gives these lengths, and PostgreSQL has made a varchar longer without a rewrite since 9.2",
    ),
    Accepted(
        "prefer-bigint-over-int",
        rf"^ *({BOUNDED}) INTEGER",
        "what these columns hold stays far below 2^31",
    ),
    Accepted(
        "require-statement-timeout",
        "",
        "an index of a large table may take hours to build, and harms nobody meanwhile; what waits for locks ends by "
        "lock_timeout",
    ),
    Accepted(
        "require-concurrent-index-creation",
        r"^CREATE (UNIQUE INDEX uq_key_(management_dashboard|health_monitor)|INDEX idx_key_health_monitor_score) ON",
        "a view that was made a moment ago has no readers yet",
    ),
    Accepted(
        "require-concurrent-index-deletion",
        r"^DROP INDEX (IF EXISTS )?(public\.)?(uq|idx)_key_",
        "the view or the triggers of the table go as well, under the same lock",
    ),
    Accepted(
        "require-concurrent-index-deletion",
        r"^DROP INDEX (IF EXISTS )?(public\.)?idx_kms_audit_logs_",
        "a script cannot know whether the host has the table, and dropping takes no time once it has the lock",
    ),
    *(
        Accepted(f"ban-drop-{kind}", rf"^DROP (MATERIALIZED )?{kind.upper()} ", "this is what a downgrade is for")
        for kind in ("function", "table", "view")
    ),
)

if LAID_OVER:
    ACCEPTED += (
        Accepted(
            "require-concurrent-index-creation",
            r"^CREATE UNIQUE INDEX uq_key_label_counts(_next)? ON",
            "a view that was made a moment ago has no readers yet",
        ),
        Accepted(
            "constraint-missing-not-valid",
            r"^ALTER TABLE public\.key_labels ADD COLUMN colour ",
            "the table has a row for each label, and is looked at once, in a moment",
        ),
        Accepted(
            "renaming-object",
            r"^ALTER (MATERIALIZED VIEW|INDEX|FUNCTION) public\.\w+_next(\(\))? RENAME TO ",
            "what was made a moment ago takes the name of what it replaces, which nobody can use meanwhile",
        ),
    )

OF_DOWNGRADES = (Accepted("ban-drop-column", r" DROP COLUMN \w+;", "a downgrade drops what its upgrade added"),)
"""Accepted where a downgrade has such statements, which depends on the revisions that there are."""

CARELESS = (
    ("CREATE INDEX careless ON public.key_masters (algorithm);", "require-concurrent-index-creation"),
    ("ALTER TABLE public.key_masters ALTER COLUMN algorithm TYPE text;", "changing-column-type"),
    ("ALTER TABLE public.key_masters ADD CONSTRAINT careless CHECK (true);", "constraint-missing-not-valid"),
    ("DROP DATABASE careless;", "ban-drop-database"),
    ("CREATE TABLE public.careless (id int);", "prefer-bigint-over-int"),
    ("CREATE TABL careless;", "syntax-error"),
)


@cache
def script(command: str, revisions: str) -> str:
    return OFFLINE.alembic(command, revisions, "--sql")


@cache
def squawk(text: str) -> list[Violation]:
    """Return all that squawk objects to in a script, before anything is accepted."""
    program = Path(sysconfig.get_path("scripts"), "squawk")
    command = [str(program), "--reporter=json", f"--pg-version={OLDEST_POSTGRESQL}", f"--include={OPT_IN}"]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    lines = text.splitlines()
    return [
        Violation(found["rule_name"], "\n".join(lines[found["line"] : found["line_end"] + 1]))
        for found in json.loads(run.stdout)
    ]


def not_accepted(text: str, command: str) -> list[Violation]:
    accepted = ACCEPTED + (OF_DOWNGRADES if command == "downgrade" else ())
    return [found for found in squawk(text) if not any(each.covers(found) for each in accepted)]


@pytest.mark.parametrize(("command", "revisions"), SCRIPTS, ids=map(" ".join, SCRIPTS))
def test_nothing_is_found_but_what_is_accepted(command: str, revisions: str) -> None:
    text = script(command, revisions)
    assert "alembic_version" in text
    assert not_accepted(text, command) == []


@pytest.mark.parametrize(("statement", "rule"), CARELESS, ids=[rule for _, rule in CARELESS])
@pytest.mark.parametrize(
    ("command", "revisions"), [("upgrade", "head"), ("downgrade", "head:base")], ids=["up", "down"]
)
def test_a_careless_statement_after_all_others_is_found(
    command: str, revisions: str, statement: str, rule: str
) -> None:
    """squawk has then understood all that stands before it."""
    found = not_accepted(f"{script(command, revisions)}\n{statement}\n", command)
    assert (rule, {violation.text for violation in found}) == (rule, {statement})
    assert rule in {violation.rule for violation in found}


@pytest.mark.parametrize(("command", "revisions"), [("upgrade", "003:004"), ("upgrade", "004:005")], ids=["004", "005"])
def test_a_script_that_waits_for_locks_for_ever_is_found(command: str, revisions: str) -> None:
    without, removed = re.subn(r"^SET lock_timeout.*$", "", script(command, revisions), flags=re.MULTILINE)
    assert removed
    assert {found.rule for found in not_accepted(without, command)} == {"require-lock-timeout"}


@pytest.mark.parametrize("accepted", ACCEPTED, ids=lambda accepted: f"{accepted.rule} {accepted.pattern}")
def test_every_accepted_warning_occurs(accepted: Accepted) -> None:
    assert accepted.reason
    assert any(accepted.covers(found) for each in SCRIPTS for found in squawk(script(*each)))
