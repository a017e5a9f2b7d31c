"""What a sealer does not sign over, and the recorded way back from each such state, as docs/audit.md has it."""

# ruff: noqa: S608  (the names in these statements are the module's own)

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kms_schema.audit.formats.merkle import CompactRange
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.sealing.sealer import seal_tombstone
from kms_schema.audit.storage.errors import TrailError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.validator import validate
from support.engines import Database
from support.engines.database import Connection
from support.engines.programs import REPOSITORY
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.retaining import Retaining
from tests.audit.totals import assert_exact
from tests.audit.trails import FORGER, KEY, checkpoint_of, open_trail, seal_all, some, verified, write

PAGE = REPOSITORY / "docs" / "audit.md"
BLOCK = re.compile(r"<!-- way back: (.+?) -->\n```sql\n(.+?)```", re.DOTALL)
WAYS = {match[1]: match[2] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}


def go_back(connection: Connection, what: str, **numbers: int) -> None:
    """Run the steps of the page, and what the validator prints afterwards."""
    dialect = "sqlite" if isinstance(connection, sqlite3.Connection) else "postgresql"
    steps = WAYS[f"{what} on {dialect}"]
    for name, number in numbers.items():
        steps = steps.replace(f":{name}", str(number))
    for step in re.split(r";\n", steps.strip()):
        execute(connection, step.removesuffix(";"))
    for finding in validate(connection, level="data").findings:
        if finding.code in {"KMS141", "KMS516", "KMS517"}:
            assert finding.remediation is not None
            if finding.code == "KMS141":
                connection.execute(finding.remediation)
                continue
            for statement in finding.remediation.removesuffix(";").split("; "):
                execute(connection, statement)


@pytest.fixture
def sealed(database: Database) -> Iterator[tuple[Connection, list[StoredSeal]]]:
    with closing(database.connect()) as connection:
        write(connection, 3)
        seals = seal_all(connection)
        write(connection, 2)
        yield connection, seals + seal_all(connection)


def forged(connection: Connection, change: Callable[[StoredSeal], StoredSeal], *, leaves: bool = True) -> None:
    """Insert a seal and its leaves as a role that may seal, without the key."""
    write(connection, 2)
    with open_trail(connection).reading() as snapshot:
        last = snapshot.seals.last()
    assert last is not None
    size, sequence = last.tree_size + 2, last.last_sequence + 2
    made = replace(
        last, number=last.number + 1, tree_size=size, last_sequence=sequence, previous_seal_hash=last.seal().hash(),
        root_hash=b"7" * 32, compact_range=bytes(32 * size.bit_count()),
    )  # fmt: skip
    row = change(made).row()
    places = ", ".join(["?" if isinstance(connection, sqlite3.Connection) else "%s"] * len(row))
    connection.execute(f"INSERT INTO key_audit_seals VALUES ({places})", row)  # type: ignore[arg-type]
    if leaves:
        page = {"leaf": last.tree_size, "sequence": last.last_sequence + 1, "hashes": bytes(64)}
        statement = (
            "INSERT INTO key_audit_leaves (first_leaf, first_sequence, hashes) VALUES (:leaf, :sequence, :hashes)"
        )
        execute(connection, statement, page)


FORGERIES: dict[str, tuple[Callable[[StoredSeal], StoredSeal], str]] = {
    "with the signature of another seal": (lambda made: made, "its signature is not one of kms.example/audit"),
    "signed by another key": (lambda made: made.signed_by(FORGER), "compact range"),
    "of a true root, signed by another key": (
        lambda made: true_root(made).signed_by(FORGER), "but the seal before leads to",
    ),
    "not signed": (
        lambda made: replace(true_root(made), signature=None, verifier_key=None),
        "it is not signed, but the seal before leads to",
    ),
    "that follows another": (
        lambda made: replace(true_root(made), previous_seal_hash=bytes([1]) * 32).signed_by(KEY), "it follows another",
    ),
    "that cannot be read": (lambda made: replace(made, verifier_key="x"), "cannot be read"),
}  # fmt: skip


def true_root(made: StoredSeal) -> StoredSeal:
    return replace(made, root_hash=CompactRange(made.tree_size, made.subtree_hashes).root())


@pytest.mark.parametrize(
    "name", some(FORGERIES, "with the signature of another seal", "of a true root, signed by another key", "not signed")
)
def test_nothing_is_signed_over_a_forged_seal_and_the_way_back_is_recorded(
    sealed: tuple[Connection, list[StoredSeal]], name: str
) -> None:
    connection, seals = sealed
    change, why = FORGERIES[name]
    forged(connection, change)
    before = execute(connection, "SELECT count(*) FROM key_audit_seals").fetchone()
    with pytest.raises(TrailError, match=f"{why}.*nothing is sealed after it.*When sealing is refused"):
        seal_all(connection)
    assert execute(connection, "SELECT count(*) FROM key_audit_seals").fetchone() == before
    go_back(connection, "seals", last=2)
    is_whole_again(connection, seals, "SEAL_TAKEN_OUT")


def is_whole_again(connection: Connection, seals: list[StoredSeal], entry: str) -> None:
    assert seal_all(connection)
    verdict = verified(connection, checkpoints=tuple(map(checkpoint_of, seals)), trusted=(KEY.verifier,))
    assert (verdict.faults, verdict.unsealed, verdict.checkpoints) == ([], 0, len(seals))
    assert execute(connection, f"SELECT count(*) FROM key_audit_logs WHERE event_type = '{entry}'").fetchone() == (1,)
    assert [each.code for each in validate(connection, level="data").findings if each.severity == "error"] == []
    assert_exact(connection)


HIDDEN: dict[str, tuple[tuple[Callable[[StoredSeal], StoredSeal], ...], str]] = {
    "by another key, then with the way back to this one": (
        (
            lambda made: true_root(made).signed_by(FORGER),
            lambda made: replace(true_root(made), next_key=str(KEY.verifier)).signed_by(FORGER),
        ),
        "seal 3 does not hold: it is signed by .*, but the seal before leads to",
    ),
    "not signed, twice": (
        (lambda made: unsigned(true_root(made)), lambda made: unsigned(true_root(made))),
        "seal 3 does not hold: it is not signed, but the seal before leads to",
    ),
    "announced by a signature that is none": (
        (
            lambda made: replace(true_root(made), next_key=str(FORGER.verifier)),
            lambda made: replace(true_root(made), next_key=str(KEY.verifier)).signed_by(FORGER),
        ),
        "seal 3 does not hold: its signature is not one of",
    ),
}  # fmt: skip


def unsigned(made: StoredSeal) -> StoredSeal:
    return replace(made, signature=None, verifier_key=None)


@pytest.mark.parametrize("name", HIDDEN)
def test_nothing_is_signed_over_a_forged_seal_that_others_hide(
    sealed: tuple[Connection, list[StoredSeal]], name: str
) -> None:
    connection, seals = sealed
    changes, why = HIDDEN[name]
    for change in changes:
        forged(connection, change)
    write(connection, 1)
    with pytest.raises(TrailError, match=f"{why}.*nothing is sealed after it"):
        seal_all(connection)
    assert execute(connection, "SELECT max(seal_number) FROM key_audit_seals").fetchone() == (4,)
    go_back(connection, "seals", last=2)
    assert seal_all(connection)
    verdict = verified(connection, checkpoints=tuple(map(checkpoint_of, seals)), trusted=(KEY.verifier,))
    assert (verdict.faults, verdict.unsealed) == ([], 0)


def test_a_key_that_was_announced_seals_on(sealed: tuple[Connection, list[StoredSeal]]) -> None:
    connection, _ = sealed
    for signer, following in ((KEY, FORGER), (FORGER, KEY), (KEY, None)):
        write(connection, 1)
        assert seal_all(connection, signer, next_key=following and following.verifier)
    assert verified(connection, trusted=(KEY.verifier,)).faults == []


@pytest.mark.full
def test_a_seal_without_its_leaves_has_the_same_way_back(sealed: tuple[Connection, list[StoredSeal]]) -> None:
    connection, seals = sealed
    forged(connection, lambda made: made, leaves=False)
    with pytest.raises(TrailError, match="its signature is not one of"):
        seal_all(connection)
    go_back(connection, "seals", last=2)
    is_whole_again(connection, seals, "SEAL_TAKEN_OUT")


CHANGES = {
    "the root of the last seal": ("root_hash = previous_seal_hash", 2, "its signature is not one of"),
    "the tree that the next seal extends": ("compact_range = {zeros}", 2, "its compact range is not that of its tree"),
    "the seal before": ("root_hash = compact_range", 1, "it follows another seal"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_signed_over_a_changed_seal(sealed: tuple[Connection, list[StoredSeal]], name: str) -> None:
    connection, seals = sealed
    change, number, why = CHANGES[name]
    zeros = bytes(len(seals[1].compact_range)).hex()
    zeros = f"x'{zeros}'" if isinstance(connection, sqlite3.Connection) else f"'\\x{zeros}'::bytea"
    if name == "the seal before":
        zeros, change = "", f"root_hash = (SELECT root_hash FROM key_audit_seals WHERE seal_number = {3 - number})"
    with triggers_disabled(connection):
        execute(connection, f"UPDATE key_audit_seals SET {change.format(zeros=zeros)} WHERE seal_number = {number}")
    write(connection, 1)
    with pytest.raises(TrailError, match=why):
        seal_all(connection)


@pytest.mark.parametrize("later", [False, True], ids=["under the last seal", "under an older seal"])
def test_nothing_is_signed_over_a_tombstone_that_was_put_in(place: Retaining, later: bool, tmp_path: Path) -> None:
    place.write()
    with closing(place.database.connect()) as connection:
        ((leaves, last),) = execute(
            connection, "SELECT tree_size, last_sequence FROM key_audit_seals ORDER BY seal_number LIMIT 1"
        ).fetchall()
        ((newest,),) = execute(connection, "SELECT max(seal_number) FROM key_audit_seals").fetchall()
        put_in = (
            f"INSERT INTO key_audit_tombstones SELECT seal_number, {leaves}, {last}, root_hash FROM key_audit_seals"
            f" WHERE seal_number = {newest}"
        )
        if later:
            for _ in "the seal after", "the newest":
                write(connection, 1)
                seal_all(connection)
            with triggers_disabled(connection):
                execute(connection, put_in)
        else:
            execute(connection, put_in)
        write(connection, 1)
        with pytest.raises(TrailError, match=r"its signature is not one of.*tombstone was changed or put in"):
            seal_all(connection)
        with pytest.raises(TrailError, match="its signature is not one of"):
            seal_tombstone(open_trail(connection), KEY, Tombstone(leaves, last, bytes(32)))
        go_back(connection, "tombstone", seal=newest)
        assert seal_all(connection)
        assert verified(connection, trusted=(KEY.verifier,)).faults == []
        said = "SELECT count(*) FROM key_audit_logs WHERE event_type = 'TOMBSTONE_TAKEN_OUT'"
        assert execute(connection, said).fetchone() == (1,)
        assert "KMS141" not in {each.code for each in validate(connection).findings}
    place.write_tombstone(tmp_path)
