"""The checker of archives: true ones hold, and nothing that is changed anywhere does."""

import copy
import datetime as dt
import gzip
import io
import json
import random
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.formats.encoding import columns
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.formats.texts import to_base64
from kms_schema.audit.retention.archive import sha256_of, write_archive
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import Archive, Refused, check_archive, read_key
from support.engines import Database
from tests.audit.archives import ENTRIES, FILE, LEAVES, SIGNED, compressed, head, lines, note, written
from tests.audit.proofs import KEY
from tests.audit.trails import open_trail, seal_all, write

TRUSTED = [read_key(str(KEY.verifier))]
STRANGER = SigningKey("kms.example/audit", bytes(32))
FIRST, END, SIZE = 2, 6, 8
DOCUMENTS = lines(FIRST, END, SIZE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "archive.jsonl.gz"


def checked(file: Path, data: bytes, **options: Any) -> Archive:
    file.write_bytes(data)
    return check_archive(file, TRUSTED, **options)


def tombstone_of(file: Path, *, key: SigningKey = KEY, time: dt.datetime = SIGNED, more: int = 0) -> str:
    """Return the checkpoint of a seal that says that the entries of a file were removed."""
    last = max(int(str(columns(entry)["sequence"])) for entry in ENTRIES[FIRST:END])
    return str(note(SIZE, key=key, time=time, tombstone=Tombstone(END, last + more, sha256_of(file))))


def test_every_true_archive_holds_also_of_one_entry_and_from_any_leaf_on(file: Path) -> None:
    for size in range(1, len(ENTRIES) + 1):
        for end in range(1, size + 1):
            for first in range(end):
                archive = checked(file, compressed(lines(first, end, size)))
                assert (archive.first_leaf, archive.end_leaf, archive.sha256) == (first, end, sha256_of(file))


def test_the_golden_archive_holds_with_its_tombstone() -> None:
    archive = check_archive(FILE, TRUSTED, tombstone_of(FILE), "kms.example/audit")
    assert (archive.first_leaf, archive.end_leaf) == (FIRST, END)
    assert gzip.decompress(FILE.read_bytes()) == written(DOCUMENTS)


def test_the_writer_writes_what_the_page_describes(database: Database) -> None:
    """The same lines as of the golden archive, of a trail in a database."""
    with closing(database.connect()) as connection:
        write(connection, 6)
        (seal,) = seal_all(connection)
        with open_trail(connection).reading() as trail:
            entries = list(trail.entries.read(1, 100))
            file = io.BytesIO()
            write_archive(trail, file, seal, range(seal.tree_size))
    leaves = [check_audit.hashlib.sha256(entry).digest() for entry in entries]
    first_line = {**head(0, len(entries), len(entries), leaves), "checkpoint": str(seal.note())}
    assert gzip.decompress(file.getvalue()) == written([first_line, *map(columns, entries)])
    assert file.getvalue()[4:8] == bytes(4), "no time in the gzip header"


def changes() -> Iterator[tuple[str, list[Any]]]:
    """Yield archives in which one thing is not as it was written."""
    for at in range(1, len(DOCUMENTS)):
        yield f"entry {at} left out", DOCUMENTS[:at] + DOCUMENTS[at + 1 :]
        yield f"entry {at} twice", DOCUMENTS[: at + 1] + DOCUMENTS[at:]
        yield f"entry {at} of another place", [*DOCUMENTS[:at], dict(columns(ENTRIES[0])), *DOCUMENTS[at + 1 :]]
        for column in DOCUMENTS[at]:
            value = DOCUMENTS[at][column]
            for other in (None, 7, "x", [], f"{value} ", True):
                if other != value:
                    yield f"{column} of entry {at} is {other!r}", _with(at, column, other)
            changed = copy.deepcopy(DOCUMENTS)
            del changed[at][column]
            yield f"{column} of entry {at} left out", changed
    for at in range(1, len(DOCUMENTS) - 1):
        swapped = copy.deepcopy(DOCUMENTS)
        swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
        yield f"entries {at} and {at + 1} swapped", swapped
    for member in DOCUMENTS[0]:
        for other in (None, -1, 0, 1, 2, 3, 7, 2**70, "x", [], ["x"], [to_base64(bytes(32))], {}, True):
            if other != DOCUMENTS[0][member] or type(other) is not type(DOCUMENTS[0][member]):
                yield f"{member} is {other!r}", _with(0, member, other)
    for member in ("before", "consistency"):
        yield f"a hash of {member} changed", _with(0, member, [to_base64(LEAVES[0]), *DOCUMENTS[0][member][1:]])
        yield f"{member} has a hash more", _with(0, member, [*DOCUMENTS[0][member], to_base64(LEAVES[0])])
    yield "a member more", _with(0, "more", 1)
    yield "a checkpoint by a stranger", _with(0, "checkpoint", str(note(SIZE, key=STRANGER)))
    yield "an older checkpoint", _with(0, "checkpoint", str(note(SIZE - 1)))
    yield "no entries", DOCUMENTS[:1]
    yield "no head", DOCUMENTS[1:]
    yield "nothing", []
    yield "a list for an entry", [*DOCUMENTS, []]


def _with(at: int, name: str, value: Any) -> list[Any]:
    changed = copy.deepcopy(DOCUMENTS)
    changed[at][name] = value
    return changed


def test_an_archive_that_is_changed_anywhere_is_refused(file: Path) -> None:
    assert checked(file, compressed(DOCUMENTS))
    tried = 0
    for what, documents in changes():
        tried += 1
        with pytest.raises(Refused):
            raise AssertionError((what, checked(file, compressed(documents)))) from None
    assert tried > 500


@pytest.fixture
def step(pytestconfig: pytest.Config) -> int:
    """Without --full, one byte in so many is changed."""
    return 1 if pytestconfig.getoption("--full") else 5


def test_a_file_that_is_cut_anywhere_is_refused(file: Path, step: int) -> None:
    data = compressed(DOCUMENTS)
    for length in range(0, len(data), step):
        with pytest.raises(Refused):
            checked(file, data[:length])


def test_a_file_with_one_other_byte_is_refused_with_its_tombstone(file: Path, step: int) -> None:
    """Bytes of the gzip header say nothing of entries; the tombstone is about the file."""
    data = compressed(DOCUMENTS)
    file.write_bytes(data)
    tombstone = tombstone_of(file)
    assert checked(file, data, tombstone=tombstone)
    for at in range(0, len(data), step):
        other = data[:at] + bytes([data[at] ^ random.Random(at).randrange(1, 256)]) + data[at + 1 :]  # noqa: S311
        with pytest.raises(Refused):
            checked(file, other, tombstone=tombstone)


@pytest.mark.parametrize(
    "more",
    [b"\0", b"\0" * 512, b"garbage", gzip.compress(b""), gzip.compress(b"{}\n"), compressed(DOCUMENTS)],
    ids=["a zero", "padding", "garbage", "an empty member", "a line in a member", "the same again"],
)
def test_what_follows_the_archive_is_refused(file: Path, more: bytes) -> None:
    with pytest.raises(Refused, match="data after the archive"):
        checked(file, compressed(DOCUMENTS) + more)


def test_json_that_can_be_read_in_two_ways_is_refused(file: Path) -> None:
    text = written(DOCUMENTS)
    for old, new in {
        b'"first_leaf":2': b'"first_leaf":1,"first_leaf":2',
        b'"duration_ms":null': b'"duration_ms":1,"duration_ms":null',
        b'"retention_period_days":2555': b'"retention_period_days":2555.0',
        b"\n": b"\n\n",
        b'"event_type"': b'"event\\u005ftype":"x","event_type"',
    }.items():
        assert old in text
        with pytest.raises(Refused):
            checked(file, gzip.compress(text.replace(old, new, 1)))
    with pytest.raises(Refused, match="the last line is incomplete"):
        checked(file, gzip.compress(text[:-1]))


def test_a_tombstone_has_to_be_about_this_file_of_this_trail_and_signed_after_the_period(file: Path) -> None:
    file.write_bytes(compressed(DOCUMENTS))
    until = check_audit.EPOCH + dt.timedelta(microseconds=check_archive(file, TRUSTED).kept_until)
    for tombstone, why in {
        tombstone_of(FILE.parent / "../archives.py"): "is not about this file",
        tombstone_of(file, more=1): "is not about this file",
        str(note(SIZE)): "is not about this file",
        tombstone_of(file, key=STRANGER): "not signed by a key that you trust",
        tombstone_of(file, time=until - dt.timedelta(microseconds=1)): "before the last entry was past its retention",
    }.items():
        with pytest.raises(Refused, match=why):
            check_archive(file, TRUSTED, tombstone)
    assert (
        check_archive(file, TRUSTED, tombstone_of(file, time=until)).lines[-1].startswith("removed under the tombstone")
    )


def test_the_name_of_a_trail_is_not_taken_for_the_time_of_a_tombstone(file: Path) -> None:
    origin = "time 9999-12-31T23:59:59.999999Z"
    first, *entries = DOCUMENTS
    file.write_bytes(compressed([{**first, "checkpoint": str(note(SIZE, origin=origin))}, *entries]))
    archive = check_archive(file, TRUSTED)
    early = check_audit.EPOCH + dt.timedelta(microseconds=archive.kept_until - 1)
    tombstone = Tombstone(END, archive.last_sequence, sha256_of(file))
    with pytest.raises(Refused, match="before the last entry was past its retention"):
        check_archive(file, TRUSTED, str(note(SIZE, time=early, origin=origin, tombstone=tombstone)))


def test_another_key_and_another_trail_are_refused(file: Path) -> None:
    with pytest.raises(Refused, match="not signed by a key that you trust"):
        check_archive(FILE, [read_key(str(STRANGER.verifier))])
    with pytest.raises(Refused, match="of another trail"):
        check_archive(FILE, TRUSTED, origin="kms.example/other")
    assert not file.exists()


ALONE = "import runpy, sys; sys.modules['kms_schema'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"


def test_the_program_works_as_one_file_alone(tmp_path: Path) -> None:
    """Its options are those of `proof`: test_check_proof_program.py."""
    for each in (check_audit.__file__, FILE):
        shutil.copy(each, tmp_path)
    command = [sys.executable, "-I", "-c", ALONE, "check_audit.py", "archive", FILE.name, "--key", str(KEY.verifier)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "the archive holds"), done.stderr


def test_memory_does_not_grow_with_the_archive(file: Path) -> None:
    """Ten times as many entries: every one is a line that is read, hashed and forgotten."""
    peaks = []
    larger = {**DOCUMENTS[0], "end_leaf": 5000, "checkpoint": str(note(5000))}
    for count in (200, 2000):
        file.write_bytes(gzip.compress(json.dumps(larger).encode() + b"\n" + written(DOCUMENTS[1:2]) * count))
        tracemalloc.start()
        with pytest.raises(Refused, match=f"there are {count} entries"):
            check_archive(file, TRUSTED)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 3 * check_audit.PIECE
