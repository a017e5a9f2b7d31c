"""`kms-schema audit prove` and `consistency`: what they print is what the checker accepts, and costs little to make."""

import json
import uuid
from contextlib import closing
from typing import Self

import pytest

from kms_schema.audit import open_trail, prove_inclusion, seal
from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.proofs.prover import CannotProveError, Nodes
from kms_schema.audit.storage.records import Page, Subtree
from kms_schema.audit.storage.transactions import Snapshot
from support.engines import Database
from support.statements import execute
from tests.cli import audit_trails
from tests.cli.audit_trails import tamper


@pytest.fixture
def sealed(trail: audit_trails.Trail) -> audit_trails.Trail:
    """Return a trail of 6 and 13 entries in two seals, and one entry more."""
    trail.write(5)
    trail.seal(name="1.txt")
    trail.write(7)
    trail.seal(name="2.txt")
    trail.write()
    return trail


def test_each_entry_is_proved_to_the_checker(sealed: audit_trails.Trail) -> None:
    with closing(sealed.database.connect()) as connection:
        rows = execute(connection, "SELECT id, sequence FROM key_audit_logs WHERE sequence IN (1, 6, 7, 13)").fetchall()
    for name, seal_number, sequences in (("2.txt", (), (1, 6, 7, 13)), ("1.txt", ("--seal", 1), (1, 6))):
        for entry_id, sequence in rows:
            if sequence in sequences:
                done = sealed.audit("prove", uuid.UUID(str(entry_id)), *seal_number)
                assert (done.status, done.err) == (0, "")
                assert sealed.audit("prove", sequence, *seal_number).out == done.out
                status, said = sealed.check(done.out, "--checkpoint", sealed.folder / name)
                assert status == 0, said
                assert f"sequence {sequence}, is leaf" in said
    changed = json.loads(done.out)
    changed["entry"]["user_id"] = "somebody else"
    assert sealed.check(json.dumps(changed))[0] == 1


def test_what_cannot_be_proved_is_said(sealed: audit_trails.Trail) -> None:
    nobody = uuid.uuid4()
    for given, says in (
        (("14",), "entry 14 is unsealed; run: kms-schema audit seal"),
        (("15",), "there is no entry 15, or this role may not see it; kms-schema audit list shows the entries"),
        ((str(2**63 - 1),), f"there is no entry {2**63 - 1}"),
        ((nobody,), f"there is no entry {nobody}"),
        (("7", "--seal", "1"), "entry 7 was sealed after seal 1"),
        (("7", "--seal", "3"), "there is no seal 3: the last is 2"),
    ):
        done = sealed.audit("prove", *given)
        assert (done.status, done.out) == (1, ""), given
        assert says in done.error
    for given in ("0", "-1", str(2**63), "no-entry"):
        assert sealed.audit("prove", "--", given).status == 2
    tamper(sealed, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 7")
    done = sealed.audit("prove", 7)
    assert (done.status, done.out) == (1, "")
    assert "is not the one that seal 2 covers" in done.error
    assert sealed.audit("prove", 8).status == 0


def test_an_unsigned_seal_proves_nothing_to_others(trail: audit_trails.Trail) -> None:
    trail.audit("seal")
    trail.write()
    trail.audit("seal")
    for command in (("prove", 1), ("consistency", 1, 2)):
        done = trail.audit(*command)
        assert done.status == 1
        assert "is not signed" in done.error


def test_a_trail_that_only_grew_is_proved_to_the_checker(sealed: audit_trails.Trail) -> None:
    one, two = sealed.folder / "1.txt", sealed.folder / "2.txt"
    documents = {sealed.audit("consistency", *given).out for given in ((1, 2), (one, 2), (1, two), (one, two))}
    assert len(documents) == 1
    status, said = sealed.check(documents.pop(), "--checkpoint", one)
    assert (status, said.splitlines()[-1]) == (0, "the proof holds"), said
    assert sealed.check(sealed.audit("consistency", 2, 2).out)[0] == 0
    done = sealed.audit("consistency", two, one)
    assert (done.status, done.out) == (1, "")
    assert "name the older first" in done.error
    done = sealed.audit("consistency", 2, 9)
    assert (done.status, done.out) == (1, "")
    for given in ("0", sealed.folder / "none.txt", sealed.trusted):
        assert sealed.audit("consistency", given, 2).status == 2


def test_no_proof_leads_from_a_checkpoint_of_before_to_a_trail_that_was_rewritten(sealed: audit_trails.Trail) -> None:
    tamper(sealed, "UPDATE key_audit_logs SET risk_score = 99 WHERE sequence = 3")
    for table in ("key_audit_subtrees", "key_audit_leaves", "key_audit_seals"):
        tamper(sealed, f"DELETE FROM {table}")  # noqa: S608
    sealed.seal(name="anew.txt")
    done = sealed.audit("consistency", sealed.folder / "1.txt", 1)
    assert (done.status, done.out) == (1, "")
    assert "is not an extension of the old one" in done.error
    tamper(sealed, "DELETE FROM key_audit_leaves WHERE first_leaf > 0")
    tamper(sealed, "DELETE FROM key_audit_leaves")
    assert "hashes of the tree are missing" in sealed.audit("consistency", sealed.folder / "1.txt", 1).error


class Counted:
    """A snapshot whose tree notes which pages and subtrees it was asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.pages: set[int] = set()
        self.hashes = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._snapshot, name)

    @property
    def tree(self) -> Self:
        return self

    def page_of_sequence(self, sequence: int) -> Page | None:
        return self._snapshot.tree.page_of_sequence(sequence)

    def pages_over(self, first_leaf: int, last_leaf: int) -> list[Page]:
        found = self._snapshot.tree.pages_over(first_leaf, last_leaf)
        self.pages |= {page.first_leaf for page in found}
        return found

    def subtrees_at(self, level: int, first: int, last: int) -> list[Subtree]:
        found = self._snapshot.tree.subtrees_at(level, first, last)
        self.hashes += len(found)
        return found


def test_a_proof_reads_a_few_pages_and_not_the_trail(database: Database) -> None:
    """5 000 entries in seals of 700: pages of 256, 256 and 188 leaves, and 19 kept subtrees."""
    with closing(database.connect()) as connection:
        execute(connection, audit_trails.MANY.format(count=4999))
        trail = open_trail(connection)
        key = audit_trails.SigningKey.generate("kms.example/audit")
        assert len(list(seal(trail, key, batch=700))) == 8
        with trail.reading() as snapshot:
            every = [leaf for page in snapshot.tree.pages(0, 100) for leaf in page.leaves]
            expected: dict[tuple[int, int], bytes] = {(0, index): leaf for index, leaf in enumerate(every)}
            tree = CompactRange()
            for leaf in every:
                tree.extend(leaf, lambda level, index, node: expected.update({(level, index): node}))
            nodes = Nodes(snapshot.tree)
            asked = [place for place in expected if place[0] > 5 or place[1] % 97 == 0]
            assert len(asked) > 150
            assert {place: nodes(*place) for place in asked} == {place: expected[place] for place in asked}
            with pytest.raises(CannotProveError, match="are missing"):
                nodes(8, 19)
            for sequence in (1, 256, 257, 2500, 4096, 4999, 5000):
                counted = Counted(snapshot)
                document = json.loads(prove_inclusion(counted, sequence))  # type: ignore[arg-type]
                assert document["leaf_index"] == sequence - 1
                assert len(counted.pages) <= 4, f"of {len(snapshot.tree.pages(0, 100))}"
                assert counted.hashes < 32
