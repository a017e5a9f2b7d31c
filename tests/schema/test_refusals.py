"""Each forbidden write is refused by exactly its rule, and each promised effect is there.

The writes are the probe's: `declared.json` has those at what the tables declare, Python those at triggers.
`refusals.ENGINE.json` says by what each is refused. `tools/declared_attempts.py` writes both lists, and
`tools/without-rule` writes neither: a rule that is removed leaves its attempts here, and accepted.
"""

import json
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema import snapshots
from kms_schema.validator.probe.attempt import Attempt, Promise
from kms_schema.validator.probe.every_attempt import attempts
from kms_schema.validator.probe.protections import Protection, protection
from kms_schema.validator.probe.runner import Kind, make
from kms_schema.validator.probe.session import Session
from support.engines import Database
from support.engines.database import Dialect
from tests.validator.probe.sessions import expected_of, session_on
from tools.declared_attempts import words_of

pytestmark = pytest.mark.versions("oldest and newest")

LISTS: dict[Dialect, dict[str, dict[str, list[str]]]] = {
    engine: json.loads((Path(__file__).with_name(f"refusals.{engine}.json")).read_text("utf-8"))
    for engine in ("postgresql", "sqlite")
}


def table_of(key: str) -> str:
    """Return the table of a protection; an index and a function have none."""
    return key.partition(" ")[2].partition(".")[0] if "." in key else "others"


TABLES = sorted({table_of(key) for listed in LISTS.values() for key in listed})


def listed(session: Session, table: str) -> list[tuple[Attempt | Promise, Protection]]:
    """Return the listed attempts, each with what must refuse it, whether or not the snapshots still expect that."""
    by_words: dict[str, list[Protection]] = {}
    for key, of in LISTS[session.engine].items():
        for says, tried in of.items():
            for words in tried if table_of(key) == table else ():
                by_words.setdefault(words, []).append(protection(key, says))
    expected = expected_of(session.engine, snapshots.chain()[-1], session.version or None)
    written = list(attempts(session.engine, session.version, expected))
    assert by_words.keys() - set(map(words_of, written)) == set(), "listed, but nowhere tried"
    return [
        (attempt, each)
        for attempt in written
        for each in by_words.get(words_of(attempt), ())
        if isinstance(attempt, Attempt) or each.object in attempt.protections.get(session.engine, ())
    ]


@pytest.mark.parametrize("table", TABLES)
def test_each_forbidden_write_is_refused_by_its_rule(database: Database, table: str) -> None:
    with closing(database.connect()) as connection, session_on(connection) as session:
        tried = listed(session, table)
        outcomes = [outcome for _ in session.circumstances() for outcome in make(session, tried)]
    wrong = [
        f"{each.protection}: {each.tries}: {each.kind.name}: {each.refusal and each.refusal.message}"
        for each in outcomes
        if each.kind is not Kind.AS_PROMISED
    ]
    assert not wrong, "\n".join(wrong)
    assert outcomes or not any(table_of(key) == table for key in LISTS[session.engine])
