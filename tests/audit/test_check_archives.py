"""The checker of all archives together, with checkpoints that were stored outside, and with successors of keys."""

import gzip
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.formats.encoding import columns, entry_from_columns, leaf_hash
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.proof_documents import consistency_document
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.retention.archive import sha256_of
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import Archive, Refused, check_archive, check_archives, read_key
from tests.audit.archives import ENTRIES, LEAVES, SIGNED, compressed, head, lines, note, written
from tests.audit.proofs import ENTRIES as GOLDEN
from tests.audit.proofs import KEY, program
from tests.audit.trees import proof

TRUSTED = [read_key(str(KEY.verifier))]
CUTS = (0, 2, 5, 6)
OF_TREE = 8


def archive(folder: Path, first: int, end: int, size: int = OF_TREE) -> Path:
    file = folder / f"{first}-{end}.jsonl.gz"
    file.write_bytes(compressed(lines(first, end, size)))
    return file


def tombstone(file: Path, end: int) -> str:
    last = max(int(str(columns(entry)["sequence"])) for entry in ENTRIES[int(file.name.partition("-")[0]) : end])
    return str(note(OF_TREE, time=SIGNED, tombstone=Tombstone(end, last, sha256_of(file))))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [archive(tmp_path, first, end) for first, end in pairwise(CUTS)]


@pytest.fixture
def tombstones(files: list[Path]) -> list[str]:
    return [tombstone(file, end) for file, end in zip(files, CUTS[1:], strict=True)]


def test_archives_that_follow_each_other_hold_in_any_order(files: list[Path], tombstones: list[str]) -> None:
    for some in ([], tombstones):
        found = check_archives(files[::-1], TRUSTED, some)
        assert [(each.first_leaf, each.end_leaf) for each in found] == [(0, 2), (2, 5), (5, 6)]


def test_an_archive_that_is_missing_is_missed(files: list[Path], tombstones: list[str]) -> None:
    for left_out, why in ((0, "begins with leaf 2.*are missing"), (1, "begins with leaf 5.*are missing")):
        with pytest.raises(Refused, match=why):
            check_archives([each for each in files if each != files[left_out]], TRUSTED)
    with pytest.raises(Refused, match="a tombstone is about none of these files"):
        check_archives(files[:2], TRUSTED, tombstones)
    with pytest.raises(Refused, match=r"5-6.jsonl.gz: no tombstone is about this file"):
        check_archives(files, TRUSTED, tombstones[:2])


def test_an_archive_of_a_part_of_what_its_tombstone_removed_is_found(tmp_path: Path, files: list[Path]) -> None:
    """Who has the key and may remove entries can write one. Alone it holds, and says which leaves are not in it."""
    part = archive(tmp_path, 4, 5)
    alone = check_audit.check_archive(part, TRUSTED, tombstone(part, 5))
    assert "leaves 0 to 3 are not in it: check_audit.py archives checks all together" in alone.lines
    with pytest.raises(Refused, match=r"begins with leaf 4, .* leaf 2: entries are missing"):
        check_archives([files[0], part], TRUSTED)
    with pytest.raises(Refused, match=r"begins with leaf 4, .* leaf 0: entries are missing"):
        check_archives([part], TRUSTED, [tombstone(part, 5)])


def test_archives_that_overlap_or_are_of_two_trees_are_refused(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(Refused, match="they overlap"):
        check_archives([files[0], archive(tmp_path, 1, 3)], TRUSTED)
    with pytest.raises(Refused, match="they overlap"):
        check_archives([files[0], files[0]], TRUSTED)
    files[1].write_bytes(files[1].read_bytes()[:-1])
    with pytest.raises(Refused, match=r"2-5.jsonl.gz: the gzip file is incomplete"):
        check_archives(files, TRUSTED)


def test_the_program_runs_as_a_copy(tmp_path: Path, files: list[Path], tombstones: list[str]) -> None:
    shutil.copy(check_audit.__file__, tmp_path)
    given = []
    for number, text in enumerate(tombstones):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
        given += ["--tombstone", str(tmp_path / f"{number}.txt")]

    def run(*arguments: object) -> tuple[int, str]:
        words = [sys.executable, "-I", str(tmp_path / "check_audit.py"), "archives", *map(str, arguments)]
        done = subprocess.run([*words, "--key", str(KEY.verifier)], capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout or done.stderr).splitlines()[-1]

    assert run(*files, *given) == (0, "the archives hold")
    assert run(*files[:2], *given)[0] == 1
    assert run(tmp_path / "none", *given)[0] == 2


SECOND, THIRD = (SigningKey("kms.example/audit", bytes([each]) * 32) for each in (2, 3))
FIRST, END, SIZE = 2, 5, 6
REWRITTEN = [bytes(32), *LEAVES[1:]]
"""The leaves of another trail, which differs in its first entry."""


def checked(folder: Path, documents: list[Any], **options: Any) -> Archive:
    file = folder / "archive.jsonl.gz"
    file.write_bytes(compressed(documents))
    return check_archive(file, TRUSTED, **options)


def consistent(old: int, new: int, leaves: list[bytes] = LEAVES) -> bytes:
    notes = (note(each, leaves=leaves) for each in (old, new))
    return consistency_document(*notes, proof(old, leaves[:new])).encode()


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_a_kept_checkpoint_within_the_archive_is_compared(tmp_path: Path, size: int) -> None:
    documents = lines(FIRST, END, SIZE)
    archive = checked(tmp_path, documents, kept=[str(note(size)), str(note(END))])
    assert "checkpoints that you kept and that agree with it: 2" in archive.lines
    with pytest.raises(Refused, match=f"the checkpoint of {size} entries that you kept has another root"):
        checked(tmp_path, documents, kept=[str(note(END)), str(note(size, leaves=REWRITTEN))])


def test_the_empty_tree_agrees_with_an_archive_from_the_first_leaf_on(tmp_path: Path) -> None:
    empty = str(note(2)).replace("\n2\n", "\n0\n")
    with pytest.raises(Refused, match="is not one of this checkpoint"):
        checked(tmp_path, lines(0, END, SIZE), kept=[empty])


@pytest.mark.parametrize("size", [1, 7, 8])
def test_another_checkpoint_needs_a_consistency_proof(tmp_path: Path, size: int) -> None:
    documents, kept = lines(FIRST, END, SIZE), [str(note(size))]
    old, new = sorted((size, SIZE))
    with pytest.raises(Refused, match="ask for a proof by kms-schema audit consistency"):
        checked(tmp_path, documents, kept=kept, consistent=[consistent(3, SIZE)])
    assert checked(tmp_path, documents, kept=kept, consistent=[consistent(3, SIZE), consistent(old, new)])
    with pytest.raises(Refused, match="ask for a proof"):
        checked(tmp_path, documents, kept=kept, consistent=[consistent(old, new, REWRITTEN)])
    broken = json.loads(consistent(old, new)) | {"new_checkpoint": str(note(new, leaves=REWRITTEN))}
    with pytest.raises(Refused, match="not an extension"):
        checked(tmp_path, documents, kept=kept, consistent=[json.dumps(broken).encode()])


def test_a_checkpoint_of_another_trail_or_key_is_refused(tmp_path: Path) -> None:
    for kept, why in (
        (note(END, origin="kms.example/other"), "of another trail"),
        (note(END, key=SECOND), "not signed by a key that you trust"),
    ):
        with pytest.raises(Refused, match=why):
            checked(tmp_path, lines(FIRST, END, SIZE), kept=[str(kept)])


LATER = 2555 * 86_400_000_000
UNTIL = (
    f"{check_audit.INFINITE[0]} microseconds after 2000-01-01T00:00:00+00:00",
    "infinity",
    "0007-12-30T23:59:59.999999+00:00",
    f"{252455616000000000 + LATER} microseconds after 2000-01-01T00:00:00+00:00",
    f"{check_audit.INFINITE[1] - 1 + LATER} microseconds after 2000-01-01T00:00:00+00:00",
)


def test_an_archive_of_entries_at_any_time_holds(tmp_path: Path) -> None:
    """Infinite times, those before Christ and those after 9999: an archive has what the database had."""
    times = (*check_audit.INFINITE, -63082281600000001, 252455616000000000, check_audit.INFINITE[1] - 1)
    entries = [entry_from_columns({**columns(GOLDEN[0]), "timestamp": time}) for time in times]
    entries += [entry for entry in GOLDEN if isinstance(columns(entry)["retention_period_days"], int)]
    leaves = [leaf_hash(entry) for entry in entries]
    size = len(entries)
    archive = checked(tmp_path, [head(0, size, size, leaves), *(dict(columns(entry)) for entry in entries)])
    assert archive.kept_until >= check_audit.INFINITE[1]
    for at, entry in enumerate(entries):
        one = checked(tmp_path, [head(at, at + 1, size, leaves), dict(columns(entry))])
        assert one.end_leaf == at + 1
        if at < len(times):
            assert one.lines[2] == f"the last of them was to be kept until {UNTIL[at]}"


def test_nothing_is_read_after_the_last_leaf(tmp_path: Path) -> None:
    documents = lines(FIRST, END, SIZE)
    file = tmp_path / "archive.jsonl.gz"
    file.write_bytes(gzip.compress(written([*documents, documents[-1]]) + b"not read\n"))
    with pytest.raises(Refused, match=f"more than {END - FIRST} entries"):
        check_archive(file, TRUSTED)


ANNOUNCED = [str(note(3, successor=SECOND)), str(note(4, key=SECOND, successor=THIRD))]


@pytest.mark.parametrize("given", ["announced", "kept"])
def test_the_successors_of_a_key_are_followed(tmp_path: Path, given: str) -> None:
    documents = lines(FIRST, END, SIZE)
    documents[0]["checkpoint"] = str(note(SIZE, key=THIRD))
    for announced in (ANNOUNCED, ANNOUNCED[::-1]):
        assert checked(tmp_path, documents, **{given: announced})
    for announced in ([], ANNOUNCED[:1], ANNOUNCED[1:]):
        with pytest.raises(Refused, match="not signed by a key that you trust"):
            checked(tmp_path, documents, announced=announced)
    inclusion = consistency_document(note(3), note(SIZE, key=THIRD), proof(3, LEAVES[:SIZE])).encode()
    assert check_audit.check_proof(inclusion, TRUSTED, None, None, tuple(ANNOUNCED))
    with pytest.raises(Refused, match="not signed by a key that you trust"):
        check_audit.check_proof(inclusion, TRUSTED)


def test_a_proof_from_the_announcement_itself_needs_no_other(tmp_path: Path) -> None:
    del tmp_path
    document = consistency_document(note(3, successor=SECOND), note(SIZE, key=SECOND), proof(3, LEAVES[:SIZE]))
    assert check_audit.check_proof(document.encode(), TRUSTED)[-1].startswith("the second tree is the first one")


FALSE_ANNOUNCEMENTS = {
    "by the key itself": str(note(3, key=SECOND, successor=SECOND)),
    "of another trail": str(note(3, successor=SECOND, origin="kms.example/other")),
    "put into a signed one": ANNOUNCED[0].replace(str(SECOND.verifier), str(THIRD.verifier)),
    "in the root": str(note(3)).replace("\n3\n", f"\nnext-key {SECOND.verifier}\n"),
}


@pytest.mark.parametrize("name", FALSE_ANNOUNCEMENTS)
def test_a_false_announcement_is_not_followed(tmp_path: Path, name: str) -> None:
    documents = lines(FIRST, END, SIZE)
    for key in (SECOND, THIRD):
        documents[0]["checkpoint"] = str(note(SIZE, key=key))
        with pytest.raises(Refused):
            checked(tmp_path, documents, announced=[FALSE_ANNOUNCEMENTS[name]])


@pytest.mark.parametrize(
    ("kept", "status", "says"),
    [
        (note(END), 0, "checkpoints that you kept and that agree with it: 2"),
        (note(END, leaves=REWRITTEN), 1, "they were rewritten"),
        (None, 2, "No such file"),
    ],
    ids=["agrees", "rewritten", "missing"],
)
def test_the_program_takes_checkpoints(
    *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    kept: Any, status: int, says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive.gz").write_bytes(compressed(lines(FIRST, END, SIZE)))
    (tmp_path / "announced").write_text(ANNOUNCED[0], encoding="utf-8")
    (tmp_path / "new").write_text(str(note(8, key=SECOND)), encoding="utf-8")
    document = consistency_document(note(SIZE), note(8, key=SECOND), proof(SIZE, LEAVES[:8]))
    (tmp_path / "grown.json").write_text(document, encoding="utf-8")
    if kept:
        (tmp_path / "kept").write_text(str(kept), encoding="utf-8")
    arguments = [
        "archive.gz", "--key", str(KEY.verifier), "--checkpoint", "new", "--checkpoint", "kept",
        "--consistency", "grown.json", "--announcement", "announced",
    ]  # fmt: skip
    found, shown = program(capsys, "archive", *arguments)
    assert (found, says in shown) == (status, True), shown


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "reversed"])
def test_the_work_does_not_grow_with_keys_and_announcements(monkeypatch: pytest.MonkeyPatch, order: int) -> None:
    """Each note is read once: the same one a hundred times, and a chain of forty that each announce the next key."""
    seed = [SigningKey(f"k{each}", bytes([each + 1]) * 32) for each in range(41)]
    chain = [str(note(3, key=key, successor=after)) for key, after in pairwise(seed)]
    notes: list[str] = []
    read = check_audit.read_checkpoint

    def counted(text: str, trusted: list[check_audit.Key]) -> check_audit.Checkpoint:
        notes.append(text)
        return read(text, trusted)

    monkeypatch.setattr(check_audit, "read_checkpoint", counted)
    first = check_audit.read_key(str(seed[0].verifier))
    found = check_audit.with_successors([first] * 5000, [chain[0]] * 100 + chain[::order])
    assert [each.name for each in found] == [each.name for each in seed]
    assert len(notes) == len(chain)
