"""Each committed entry is sealed once, whatever transactions do meanwhile; of thousands of gaps a seal has few."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.encoding import PREFIX
from kms_schema.audit.formats.gaps import MOST, Gap, Run, bounded, joined, still_open, without
from kms_schema.audit.sealing import sealer
from kms_schema.audit.sealing.sealer import _sealed
from kms_schema.audit.sealing.status import sealing_status
from kms_schema.audit.storage.postgresql.entries import PostgresqlEntries
from kms_schema.audit.storage.records import TransactionHorizon
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.validator import validate
from support.engines import Database
from support.statements import execute
from tests.audit.totals import assert_exact
from tests.audit.trails import is_whole, open_trail, seal_all, some, verified, write

Step = tuple[str, int]
"""What one of a few clients does."""

CLIENTS = st.integers(0, 2)
STEP = st.tuples(st.sampled_from(["id", "draw", "draw", "commit", "commit", "roll back"]), CLIENTS)
MEANWHILE = st.lists(STEP, max_size=3)
SEAL = st.tuples(st.sampled_from([1, 2, 100]), MEANWHILE, MEANWHILE, MEANWHILE)
"""The size of a batch, and what others do before the entries are read, before it takes its id, and before it ends."""
HISTORY = st.lists(st.one_of(STEP, STEP, STEP, SEAL, st.just("restored")), min_size=10, max_size=40)

AN_EARLY_ID = [("id", 0), ("draw", 1), ("draw", 0), ("commit", 0), (100, [], [], []), ("draw", 2), ("commit", 2)]
"""The lower number is that of the higher id, which is above `xmax` of any snapshot until it is over."""


class Model:
    """Transactions, ids and numbers as a cluster gives them out; stands for the trail within a sealing transaction."""

    def __init__(self) -> None:
        self.next_id, self.next_number, self.cluster = 1, 1, 1
        self.latest_over = 0
        self.ids: dict[int, int] = {}
        self.drawn: dict[int, list[int]] = {}
        self.committed: set[int] = set()
        self.sealed: list[int] = []
        self.seals: list[StoredSeal] = []
        self._meanwhile: list[Sequence[Step]] = []
        self._read: list[int] = []

    def take(self, steps: Sequence[Step]) -> None:
        for what, client in steps:
            if what in {"id", "draw"}:
                self.give_id(client)  # as the guard does before it draws
            if what == "draw":
                self.drawn.setdefault(client, []).append(self.next_number)
                self.next_number += 1
            elif what != "id" and client in self.ids:
                self.end(client, committed=what == "commit")

    def give_id(self, client: int) -> int:
        if client not in self.ids:
            self.ids[client] = self.next_id
            self.next_id += 1
        return self.ids[client]

    def end(self, client: int, *, committed: bool) -> None:
        numbers = self.drawn.pop(client, [])
        self.committed.update(numbers if committed else ())
        self.latest_over = max(self.latest_over, self.ids.pop(client))

    def seal(self, batch: int, *meanwhile: Sequence[Step]) -> bool:
        self._meanwhile = list(meanwhile)
        before = self.seals[-1] if self.seals else None
        made = _sealed(self, before, None, None, batch)  # type: ignore[arg-type]
        if made is not None:
            self.take(self._meanwhile.pop())
            self.sealed += self._read
            self.seals.append(made[1])
        if SEALER in self.ids:
            self.end(SEALER, committed=True)
        return made is not None

    def restore(self) -> None:
        """Continue in another cluster, from a dump: its transaction ids start again, and no transaction is open."""
        self.ids.clear()
        self.drawn.clear()
        self.next_id, self.latest_over, self.cluster = 1, 0, self.cluster + 1

    # What `_sealed` asks of a transaction.

    @property
    def entries(self) -> "Model":
        return self

    def horizon(self) -> TransactionHorizon:
        horizon = TransactionHorizon(min(self.ids.values(), default=self.latest_over + 1), str(self.cluster))
        self.take(self._meanwhile.pop(0))
        return horizon

    def unsealed(self, after: int, gaps: Sequence[Gap], limit: int) -> Iterator[bytes]:
        wanted = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
        wanted -= set(self.sealed)  # a gap may span what earlier seals took
        found = [number for number in sorted(self.committed) if number > after or number in wanted]
        self._read = found[:limit]
        self.take(self._meanwhile.pop(0))
        return (PREFIX + struct.pack(">i16siq", 16, bytes(16), 8, number) for number in self._read)

    def transaction_id(self) -> int:
        return self.give_id(SEALER)

    def now(self) -> str:
        return "2026-11-25T12:00:00.000000Z"

    def first_id(self) -> str:
        return "the first"


SEALER = -1


@settings(deadline=None, max_examples=300)
@given(HISTORY, st.sampled_from([1, 2, MOST]))
@example([*AN_EARLY_ID, (100, [], [], [])], MOST)
def test_each_committed_entry_is_sealed_once_and_no_other(history: list[Any], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealer, "MOST", most)
        _seals_each_entry_once(history, most)


def _seals_each_entry_once(history: list[Any], most: int) -> None:
    model = Model()
    for event in history:
        if event == "restored":
            model.restore()
        elif len(event) == 2:
            model.take([event])
        else:
            model.seal(*event)
    model.take([("commit", client) for client in range(3)])
    for _ in "what is open", "what that seal has left open":
        model.take([("draw", 0), ("commit", 0)])
        while model.seal(3, [], [], []):
            pass
    assert sorted(model.sealed) == sorted(model.committed)
    assert model.seals[-1].open_gaps == ()
    for seal in model.seals:
        seal.seal()
        assert len(seal.open_gaps) <= most


RUNS = st.lists(st.integers(1, 30), unique=True).map(
    lambda numbers: joined(Run(each, each) for each in sorted(numbers))
)


@given(RUNS, RUNS, st.integers(1, 3))
def test_what_is_taken_out_of_gaps_leaves_the_rest(gaps: list[Run], taken: list[Run], ids: int) -> None:
    marked = [Gap(*run, xmax=1 + position % ids) for position, run in enumerate(gaps)]
    left = without(marked, taken)
    owner = {number: gap.xmax for gap in marked for number in range(gap.first, gap.last + 1)}
    gone = {number for run in taken for number in range(run.first, run.last + 1)}
    assert {number: gap.xmax for gap in left for number in range(gap.first, gap.last + 1)} == {
        number: xmax for number, xmax in owner.items() if number not in gone
    }
    assert all(one.last + 1 < two.first or one.xmax != two.xmax for one, two in pairwise(left))


def test_a_gap_is_open_as_long_as_a_transaction_can_fill_it() -> None:
    gaps = [Gap(2, 3, 10), Gap(5, 9, 11)]
    assert still_open(gaps, over_below=10, looked_until=None) == [Gap(5, 9, 11)]
    assert still_open(gaps, over_below=11, looked_until=None) == []
    assert still_open(gaps, over_below=None, looked_until=6) == [Gap(7, 9, 0)]


@given(RUNS, st.integers(1, 5), st.integers(1, 4))
def test_bounded_gaps_contain_all_and_close_no_earlier(runs: list[Run], most: int, ids: int) -> None:
    gaps = [Gap(*run, xmax=1 + position // ids) for position, run in enumerate(runs)]
    left = bounded(gaps, most)
    assert len(left) <= most
    for gap in gaps:
        (around,) = [each for each in left if each.first <= gap.first and gap.last <= each.last]
        assert around.xmax >= gap.xmax
    assert all(one.last < two.first for one, two in pairwise(left))
    if len(gaps) <= most:
        assert left == gaps


def test_gaps_of_one_seal_are_joined_before_those_of_two() -> None:
    flood = [Gap(2 * number, 2 * number, 50) for number in range(1, 20_001)]
    assert bounded([Gap(1, 1, 7), *flood], 3) == [Gap(1, 1, 7), Gap(2, 39_998, 50), Gap(40_000, 40_000, 50)]


def test_a_joined_gap_does_not_stay_open_for_ever() -> None:
    """Among overlapping transactions that each last 100 seals, with a gap for each seal."""
    gaps: list[Gap] = []
    for seal in range(1, 2000):
        gaps = bounded([*still_open(gaps, over_below=seal - 100, looked_until=None), Gap(seal, seal, seal)], 16)
        assert seal - gaps[0].first < 150


GAPS = 600


def flood(gaps: int = GAPS, kept: int = 1) -> str:
    """Return the statement that writes `gaps` times some entries, and one that is rolled back."""
    return f"""DO $$ BEGIN
    FOR number IN 1..{gaps} LOOP
        INSERT INTO key_audit_logs (event_type, event_category, event_description)
        SELECT 'X', 'SECURITY', 'kept' FROM generate_series(1, {kept});
        BEGIN
            INSERT INTO key_audit_logs (event_type, event_category, event_description) VALUES ('X', 'SECURITY', 'back');
            RAISE EXCEPTION 'back';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$"""  # noqa: S608  (numbers)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("late", some(["COMMIT", "ROLLBACK"], "COMMIT"))
def test_a_seal_has_few_gaps_and_loses_no_entry(database: Database, late: str) -> None:
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        write(connection, 1)
        execute(slow, "BEGIN")
        write(slow, 1)
        execute(connection, flood())
        write(slow, 2)
        write(connection, 1)
        first = seal_all(connection)[-1]
        assert len(first.open_gaps) == MOST
        assert sum(gap.last - gap.first + 1 for gap in first.open_gaps) > GAPS
        execute(connection, flood())
        second = seal_all(connection, batch=500)
        assert all(len(each.open_gaps) <= MOST for each in second)
        assert len(str(second[-1].row())) < 20_000
        unsealed(connection, 0)
        execute(slow, late)
        late_entries = 3 if late == "COMMIT" else 0
        unsealed(connection, late_entries)
        write(connection, 1)
        last = seal_all(connection)[-1]
        assert last.tree_size == second[-1].tree_size + late_entries + 1
        write(connection, 1)
        assert seal_all(connection)[-1].open_gaps == ()
        assert_exact(connection)
        assert not [each.code for each in validate(connection, level="data").findings if each.severity == "error"]
    is_whole(database)


def read_from(plan: dict[str, Any], table: str) -> int:
    """Return the rows that the scans of a table returned or filtered."""
    here = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    below = sum(read_from(each, table) for each in plan.get("Plans", ()))
    return below + (round(here) if plan.get("Relation Name") == table else 0)


@pytest.mark.only_on("postgresql")
def test_sealed_entries_in_joined_gaps_are_not_read_again(database: Database) -> None:
    """400 rollbacks beside a transaction that may be of another database: each seal read thousands of entries."""
    rollbacks, kept = 400, 20
    with closing(database.connect()) as connection, closing(database.connect()) as slow:
        execute(slow, "BEGIN")
        execute(slow, "SELECT pg_current_xact_id()")
        execute(connection, flood(rollbacks, kept))
        (made,) = seal_all(connection)
        assert len(made.open_gaps) == MOST
        assert made.tree_size > rollbacks * kept
        assert sum(gap.last - gap.first + 1 for gap in made.open_gaps) > kept * (rollbacks - MOST)
        write(connection, 1)
        execute(connection, "ANALYZE")
        with open_trail(connection).reading() as snapshot:
            assert isinstance(snapshot.entries, PostgresqlEntries)
            text = snapshot.entries.not_sealed("sequence", made.last_sequence, made.open_gaps)
        for query in (text, "SELECT * FROM key_audit_unsealed"):
            ((plan,),) = execute(connection, f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {query}").fetchone()
            assert read_from(plan["Plan"], "key_audit_logs") <= 10, query
            assert read_from(plan["Plan"], "key_audit_leaves") <= 2 * rollbacks, query
        unsealed(connection, 1)
        assert len(seal_all(connection)) == 1


def unsealed(connection: object, count: int) -> None:
    """The view, the status, and the verification count the same entries."""
    assert execute(connection, "SELECT count(*) FROM key_audit_unsealed").fetchone() == (count,)  # type: ignore[arg-type]
    with open_trail(connection).reading() as snapshot:  # type: ignore[arg-type]
        assert sealing_status(snapshot).unsealed == count
    verdict = verified(connection)  # type: ignore[arg-type]
    assert (verdict.faults, verdict.unsealed) == ([], count)
