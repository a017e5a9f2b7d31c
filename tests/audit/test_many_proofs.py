"""Proofs of many entries: the same as one by one, with few queries, and none of an entry that was changed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit import prove_inclusion
from kms_schema.audit.proofs.many import Prover
from kms_schema.audit.proofs.prover import CannotProveError
from kms_schema.audit.standalone import check_audit
from support.engines import Engines
from support.engines.database import Connection
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.trails import KEY, open_trail, seal_all, write

KEYS = [check_audit.read_key(str(KEY.verifier))]


@pytest.fixture(scope="module")
def connection(engines: Engines, engine_name: str) -> Iterator[Connection]:
    """A trail of three seals whose leaves fill one stored subtree and a part of the next, and one unsealed entry."""
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as opened:
        for count in (3, 254, 63):
            with_many(opened, count)
            seal_all(opened)
        write(opened, 1)
        yield opened
    engine.drop(database)


def with_many(connection: Connection, count: int) -> None:
    rows = ", ".join(["('TEST', 'LIFECYCLE', 'x', 'LOW')"] * count)
    columns = "event_type, event_category, event_description, security_level"
    execute(connection, f"INSERT INTO key_audit_logs ({columns}) VALUES {rows}")  # noqa: S608


def places(connection: Connection) -> list[tuple[int, int | None]]:
    rows = execute(connection, "SELECT sequence, leaf_index FROM key_audit_trail ORDER BY sequence").fetchall()
    return [(row[0], row[1]) for row in rows]


def test_each_proof_is_that_of_the_entry_alone(connection: Connection) -> None:
    found = places(connection)
    with open_trail(connection).reading() as snapshot:
        seal = snapshot.seals.last()
        assert seal is not None
        proven = list(Prover(snapshot, seal).prove(found))
        for at in (0, 1, 255, 256, len(found) - 2):
            line = proven[at].line
            assert line is not None
            assert json.loads(line) == json.loads(prove_inclusion(snapshot, found[at][0]))
    assert [each.sequence for each in proven] == [sequence for sequence, _ in found]
    assert [each.line is None for each in proven] == [False] * (len(found) - 1) + [True]
    assert proven[-1].fault == f"no seal up to seal {seal.number} covers it"


def test_the_number_of_queries_does_not_grow_with_the_entries(connection: Connection) -> None:
    found = places(connection)[:-1]
    with open_trail(connection).reading() as snapshot:
        seal = snapshot.seals.last()
        assert seal is not None
        prover, asked = Prover(snapshot, seal), Counter[str]()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("pages_over", "subtrees_at"):
                patch.setattr(snapshot.tree, name, counted(asked, name, getattr(snapshot.tree, name)))
            assert all(each.line for each in prover.prove(found))
    assert asked == {"pages_over": 1, "subtrees_at": 1}


def counted(asked: Counter[str], name: str, read: Callable[..., Any]) -> Callable[..., Any]:
    def count(*arguments: Any) -> Any:
        asked[name] += 1
        return read(*arguments)

    return count


def test_a_changed_entry_and_an_unsealed_one_have_no_proof(connection: Connection) -> None:
    found = places(connection)[:5]
    with triggers_disabled(connection):
        execute(connection, "UPDATE key_audit_logs SET user_id = 'x' WHERE sequence = 2")
        with open_trail(connection).reading() as snapshot:
            seal = snapshot.seals.last()
            assert seal is not None
            proven = list(Prover(snapshot, seal).prove(found))
            early = snapshot.seals.get(1)
            assert early is not None
            before = list(Prover(snapshot, early).prove(found))
        execute(connection, "UPDATE key_audit_logs SET user_id = NULL WHERE sequence = 2")
    assert [each.sequence for each in proven if each.line is None] == [2]
    assert proven[1].fault == f"it is not the entry that seal {seal.number} covers"
    # Four entries are in the first seal.
    assert [each.line is None for each in before] == [False, True, False, False, True]


def test_a_file_of_proofs_is_about_one_checkpoint(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "proofs.jsonl"
    lines = []
    with open_trail(connection).reading() as snapshot:
        for number, place in ((1, (1, 0)), (2, (3, 2))):
            seal = snapshot.seals.get(number)
            assert seal is not None
            lines += [each.line or b"" for each in Prover(snapshot, seal).prove([place])]
    path.write_bytes(b"".join(lines))
    with pytest.raises(check_audit.Refused, match="line 2: it is about another checkpoint"):
        check_audit.check_proofs(path, KEYS)
    path.write_bytes(lines[0])
    assert check_audit.check_proofs(path, KEYS)[0] == 1


def test_an_unsigned_seal_proves_nothing(engines: Engines, engine_name: str) -> None:
    database = engines[engine_name].create(engines.migrated(engine_name, "template"))
    with closing(database.connect()) as opened:
        write(opened, 1)
        (seal,) = seal_all(opened, None)
        with open_trail(opened).reading() as snapshot, pytest.raises(CannotProveError, match="seal 1 is not signed"):
            Prover(snapshot, seal)
    engines[engine_name].drop(database)
