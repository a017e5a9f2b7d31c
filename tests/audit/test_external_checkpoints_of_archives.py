"""The standalone checkers and what is kept outside: checkpoints of archives, successors of keys, and every time."""

import gzip
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.formats.encoding import columns, entry_from_columns, leaf_hash
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.proof_documents import consistency_document
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import Archive, Refused, check_archive, read_key
from tests.audit.archives import LEAVES, compressed, head, lines, note, written
from tests.audit.proofs import ENTRIES as GOLDEN
from tests.audit.proofs import KEY
from tests.audit.trees import proof

TRUSTED = [read_key(str(KEY.verifier))]
SECOND, THIRD = (SigningKey("kms.example/audit", bytes([each]) * 32) for each in (2, 3))
FIRST, END, SIZE = 2, 5, 6
REWRITTEN = [bytes(32), *LEAVES[1:]]
"""The leaves of another trail, which differs in its first entry."""
PROGRAM = Path(check_audit.__file__)


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
def test_the_program_takes_checkpoints(tmp_path: Path, kept: Any, status: int, says: str) -> None:
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
    done = subprocess.run(
        [sys.executable, PROGRAM, "archive", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert says in done.stdout + done.stderr


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
