"""`kms-schema audit export` and `retain`: what they print, what they refuse, and that nothing goes then."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.audit.formats.keys import SigningKey, write_signing_key
from kms_schema.audit.standalone.check_audit import check_archive, read_key
from kms_schema.cli.audit import retention as command
from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import login
from support.programs.commands import Said, kms_schema
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from tests.audit.retaining import EXPIRED, Retaining, retaining
from tests.audit.trails import KEY, faults, written_sequences


class Prepared:
    """A trail whose beginning is past its period, its key in a file, and an empty folder."""

    def __init__(self, place: Retaining, folder: Path) -> None:
        """Write the key, and make the folder."""
        self.place, self.folder, self.archive = place, folder, folder / "archive"
        self.key = folder / "seal.key"
        self.archive.mkdir()
        write_signing_key(self.key, KEY)
        self.private = self.key.read_text(encoding="utf-8").strip()

    def audit(self, *arguments: object, url: str | None = None) -> Said:
        done = kms_schema("audit", *map(str, arguments), url=url or self.place.retention.url)
        assert self.private not in done.all
        assert self.private.rpartition("+")[2] not in done.all
        return done

    def retain(self, *arguments: object, url: str | None = None) -> Said:
        return self.audit("retain", "--archive", self.archive, "--key", self.key, *arguments, url=url)

    def sequences(self) -> list[int]:
        with closing(self.place.database.connect()) as connection:
            return written_sequences(connection)

    def nothing_went(self) -> bool:
        with closing(self.place.database.connect()) as connection:
            count = execute(connection, "SELECT count(*) FROM key_audit_tombstones").fetchone()
            return bool(written_sequences(connection)[0] == 1 and count == (0,) and faults(connection) == [])


@pytest.fixture
def prepared(database: Database, tmp_path: Path) -> Iterator[Prepared]:
    with retaining(database) as place:
        place.write()
        yield Prepared(place, tmp_path)


def test_what_is_removed_is_said_and_its_checkpoint_printed(prepared: Prepared) -> None:
    done = prepared.retain()
    assert done.status == 0
    removed = prepared.sequences()[0] - 1
    assert removed >= EXPIRED
    (archive,) = prepared.archive.iterdir()
    assert done.err == f"removed: {removed}; seal 3; archive {archive}\n"
    assert f"\ntombstone {removed} {removed} " in done.out
    cut = prepared.folder / "cut.txt"
    cut.write_text(done.out, encoding="utf-8")
    shown = check_archive(archive, [read_key(str(KEY.verifier))], done.out)
    assert shown.end_leaf == removed
    again = prepared.retain()
    assert (again.status, again.out, again.err) == (0, "", "no entry has expired\n")
    verified = prepared.audit("verify", "--checkpoint", cut)
    assert (verified.status, verified.out.splitlines()[-1]) == (0, "sound")
    assert f"removed under tombstones: {removed};" in verified.out


def test_the_same_as_json(prepared: Prepared) -> None:
    (would,) = [json.loads(prepared.retain("--dry-run", "--format", "json").out)]
    (done,) = json.loads(prepared.retain("--format", "json").out)
    assert done["removed"] == would["entries"] == would["end_leaf"] - would["first_leaf"]
    assert Path(done["archive"]).name == would["archive"]
    assert done["checkpoint"].splitlines()[-1].startswith("— kms.example/audit ")
    assert json.loads(prepared.retain("--format", "json").out) == []
    assert json.loads(prepared.retain("--dry-run", "--format", "json").out) is None


def test_a_dry_run_writes_nothing(prepared: Prepared) -> None:
    before = prepared.sequences()
    done = prepared.audit("retain", "--archive", prepared.archive, "--dry-run")
    assert (done.status, done.out) == (0, f"expired: {len(before) - 5} entries, up to sequence"
                                          f" {len(before) - 5}\n")  # fmt: skip
    assert (prepared.sequences(), list(prepared.archive.iterdir())) == (before, [])


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_run_that_completes_another_one_prints_and_publishes_its_checkpoint(prepared: Prepared, style: str) -> None:
    """The other one ended after its tombstone, before it had done either."""
    prepared.place.write_tombstone(prepared.archive)
    kept = prepared.folder / "published.txt"
    done = prepared.retain("--publish", f"cat >> {kept}", "--format", style)
    removed = prepared.sequences()[0] - 1
    assert done.status == 0
    assert done.err == f"removed entries of an earlier run: {removed}; seal 3\n"
    assert kept.exists(), "the checkpoint of the tombstone was not published"
    published = kept.read_text(encoding="utf-8")
    (archive,) = prepared.archive.iterdir()
    assert check_archive(archive, [read_key(str(KEY.verifier))], published).end_leaf == removed
    if style == "text":
        assert done.out == published
    else:
        assert json.loads(done.out) == [{"removed": removed, "archive": None, "seal": 3, "checkpoint": published}]


def test_a_checkpoint_that_cannot_be_published_is_said_and_the_cut_stays(prepared: Prepared) -> None:
    done = prepared.retain("--publish", "cat > published.txt; exit 3")
    assert done.status == 4
    assert "entries were removed, but the command of --publish failed" in done.error
    assert "run kms-schema audit checkpoint --seal 3 | COMMAND" in done.error
    assert prepared.sequences()[0] > EXPIRED
    Path("published.txt").unlink()


def test_the_checkpoint_is_published_before_anything_is_removed(prepared: Prepared) -> None:
    kept = prepared.folder / "published.txt"
    done = prepared.retain("--publish", f"cat > {kept}")
    assert done.status == 0
    assert kept.read_text(encoding="utf-8") == done.out


def refusals(prepared: Prepared) -> dict[str, tuple[list[Any], int, str]]:
    other = prepared.folder / "other.key"
    write_signing_key(other, SigningKey.generate("kms.example/audit"))
    with_key = ["--key", prepared.key]
    return {
        "no key": (["--archive", prepared.archive], 2, "a tombstone must be signed: give the private key with --key"),
        "no such key": (["--archive", prepared.archive, "--key", "nowhere"], 2, "nowhere"),
        "no folder": (["--archive", prepared.folder / "nowhere", *with_key], 2, "does not exist"),
        "a file": (["--archive", prepared.key, *with_key], 2, "is a file"),
        "nothing given": (with_key, 2, "--archive"),
        "another key": (["--archive", prepared.archive, "--key", other], 1, " signs, but this is "),
    }


@pytest.mark.parametrize("case", ["no key", "no such key", "no folder", "a file", "nothing given", "another key"])
def test_what_is_refused_is_one_sentence_and_removes_nothing(prepared: Prepared, case: str) -> None:
    arguments, status, says = refusals(prepared)[case]
    done = prepared.audit("retain", *arguments)
    assert (done.status, done.out) == (status, "")
    assert says in done.error
    assert prepared.nothing_went()


def test_a_folder_that_is_full_or_may_not_be_written(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    done = prepared.retain()
    assert (done.status, done.error) == (3, f"Error: cannot write to {prepared.archive}: No space left on device")
    assert list(prepared.archive.iterdir()) == []
    assert prepared.nothing_went()


def test_ctrl_c_removes_nothing_and_the_next_run_goes_on(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(command.progress, "show_count", interrupted)
        done = prepared.retain()
    assert done.status == 130
    assert prepared.nothing_went()
    assert list(prepared.archive.iterdir()) == []
    assert prepared.retain().status == 0


def test_an_entry_that_was_changed_stops_both_with_status_1(prepared: Prepared) -> None:
    with closing(prepared.place.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, "UPDATE key_audit_logs SET user_id = 'mallory' WHERE sequence = 3")
    for arguments in (
        ("retain", "--archive", prepared.archive, "--key", prepared.key),
        ("export", prepared.archive / "export.gz"),
    ):
        done = prepared.audit(*arguments)
        assert done.status == 1
        assert "the entry with sequence 3 is not what was sealed" in done.error
    assert list(prepared.archive.iterdir()) == []
    assert prepared.sequences()[0] == 1


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ((Role.SEALER,), "as a member of {prefix}kms_retention"),
        ((Role.RETENTION,), "permission denied for function lock_key_audit_seals"),
        ((Role.AUDITOR,), "as a member of {prefix}kms_retention"),
        ((Role.APP,), "as a member of {prefix}kms_retention"),
    ],
)
def test_without_the_rights_nothing_is_removed(prepared: Prepared, roles: tuple[Role, ...], says: str) -> None:
    prefix = prepared.place.prefix
    with login(prepared.place.database, *(prefix + role for role in roles)) as seen:
        done = prepared.retain(url=seen.url)
    assert (done.status, done.out) == (3, "")
    assert says.format(prefix=prefix) in done.error
    assert prepared.nothing_went()


def test_an_export_is_an_archive_and_removes_nothing(prepared: Prepared) -> None:
    before = prepared.sequences()
    file = prepared.folder / "all.jsonl.gz"
    done = prepared.audit("export", file)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"entries: {len(before)}, leaves 0 to {len(before) - 1} of kms-schema/")
    later = prepared.folder / "later.jsonl.gz"
    assert prepared.audit("export", later, "--since", 1, "--until", 2).status == 0
    archives = [check_archive(each, [read_key(str(KEY.verifier))]) for each in (file, later)]
    assert [each.end_leaf for each in archives] == [len(before)] * 2
    assert prepared.sequences() == before
    content = file.read_bytes()
    again = prepared.audit("export", file)
    assert (again.status, file.read_bytes()) == (2, content)
    assert "exists, and is never overwritten" in again.error


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["nowhere/file.gz"], 2, "cannot write nowhere/file.gz: the folder nowhere does not exist"),
        (["new.gz", "--since", "2"], 2, "none of them is after --since"),
        (["new.gz", "--since", "9"], 1, "there is no seal 9"),
        (["new.gz", "--until", "9"], 1, "there is no seal 9"),
        (["new.gz", "--since", "0"], 2, "0"),
    ],
    ids=["no folder", "nothing", "no seal to begin with", "no seal to end with", "no number"],
)
def test_an_export_that_is_refused_leaves_no_file(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, says: str
) -> None:
    monkeypatch.chdir(prepared.archive)
    done = prepared.audit("export", *arguments)
    assert done.status == status
    assert says in done.error
    assert list(prepared.archive.iterdir()) == []


@pytest.mark.parametrize("name", ["export", "retain"])
def test_help_and_lines_fit_a_terminal(name: str) -> None:
    done = kms_schema("audit", name, "--help")
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "Examples:" in done.out
    assert "Exit status:" in done.out
