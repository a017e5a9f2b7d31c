"""The checker of all archives together: none is missing, and a tombstone is about no part of what was removed."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from kms_schema.audit.formats.encoding import columns
from kms_schema.audit.formats.seals import Tombstone
from kms_schema.audit.retention.archive import sha256_of
from kms_schema.audit.standalone import check_audit
from kms_schema.audit.standalone.check_audit import Refused, check_archives, read_key
from tests.audit.archives import ENTRIES, SIGNED, compressed, lines, note
from tests.audit.proofs import KEY

TRUSTED = [read_key(str(KEY.verifier))]
CUTS = (0, 2, 5, 6)
SIZE = 8


def archive(folder: Path, first: int, end: int, size: int = SIZE) -> Path:
    file = folder / f"{first}-{end}.jsonl.gz"
    file.write_bytes(compressed(lines(first, end, size)))
    return file


def tombstone(file: Path, end: int) -> str:
    last = max(int(str(columns(entry)["sequence"])) for entry in ENTRIES[int(file.name.partition("-")[0]) : end])
    return str(note(SIZE, time=SIGNED, tombstone=Tombstone(end, last, sha256_of(file))))


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
