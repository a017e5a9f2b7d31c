"""`kms-schema audit seal`, `checkpoint` and `keygen`."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.audit import Note, SigningKey, VerifierKey, read_checkpoint, read_signing_key, write_signing_key
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema
from support.statements import execute
from tests.cli.audit_trails import ORIGIN, Trail


def process(trail: Trail, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start `kms-schema audit seal` as a process group of its own."""
    return python.Popen(
        [sys.executable, "-m", "kms_schema", "audit", "seal", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "KMS_DATABASE_URL": trail.database.url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def seals(trail: Trail) -> int:
    with closing(trail.database.connect()) as connection:
        (count,) = execute(connection, "SELECT count(*) FROM key_audit_seals").fetchone()
        return int(count)


def test_a_seal_prints_its_checkpoint_and_the_last_one_where_there_is_nothing(trail: Trail) -> None:
    kept = trail.seal()
    outside = read_checkpoint(kept, [trail.key.verifier])
    assert (outside.checkpoint.origin, outside.checkpoint.size) == (ORIGIN, 1)
    assert outside.note.trusted([trail.key.verifier])
    again = trail.audit("seal", "--key", trail.key_file)
    assert (again.status, again.out) == (0, kept.read_text(encoding="utf-8"))
    assert again.err == "nothing to seal: seal 1 covers every entry, and its checkpoint is printed again\n"
    plain = json.loads(trail.audit("seal", "--key", trail.key_file, "--format", "json").out)
    assert (plain["sealed"], plain["number"], plain["checkpoint"]) == (False, 1, again.out)
    trail.write()
    quiet = trail.audit("seal", "--quiet", "--key", trail.key_file)
    assert (quiet.status, quiet.all) == (0, ""), "so that cron sends no mail"
    assert trail.audit("seal", "--quiet", "--key", trail.key_file).all == ""
    missing = trail.audit("seal", "--key", "none.key")
    assert missing.error.endswith("does not exist. Make a key with kms-schema audit keygen NAME --output FILE")
    refused = trail.audit("seal")
    assert (refused.status, refused.out) == (1, "")  # a checkpoint only for the key that signs
    assert trail.audit("checkpoint", "--seal", 1).out == kept.read_text(encoding="utf-8")
    trail.write()
    trail.seal(name="second.txt")
    assert trail.audit("checkpoint", "--seal", 1).out == kept.read_text(encoding="utf-8")
    done = trail.audit("checkpoint", "--seal", 4)
    assert (done.status, done.out) == (1, "")
    assert "there is no seal 4: the last is 3" in done.error


def test_nothing_sealed_has_no_checkpoint(trail: Trail) -> None:
    done = trail.audit("checkpoint")
    assert (done.status, done.out) == (1, "")
    assert "run: kms-schema audit seal" in done.error


def test_an_unsigned_seal_is_said_loudly(trail: Trail) -> None:
    done = trail.audit("seal")
    assert done.status == 0
    assert "seal 1 is UNSIGNED" in done.err
    assert "—" not in done.out
    kept = trail.folder / "kept.txt"
    kept.write_text(done.out, encoding="utf-8")
    assert "UNSIGNED" in trail.audit("status").out
    verified = trail.audit("verify", "--checkpoint", kept)
    assert verified.status == 0
    assert "1 unsigned" in verified.out
    assert trail.audit("verify", "--trust", trail.trusted).status == 1


def test_the_key_of_the_environment_signs_and_no_command_gets_it(trail: Trail) -> None:
    published = trail.folder / "published.txt"
    command = f"cat > {published}; echo key=[$KMS_SEAL_KEY]"
    done = process(trail, "--publish", command, KMS_SEAL_KEY=trail.key.private_text())
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert published.read_text(encoding="utf-8") == out
    assert Note.parse(out).trusted([trail.key.verifier])
    assert "key=[]" in err
    assert "key=" not in out
    assert "PRIVATE" not in out + err


def test_a_checkpoint_is_the_same_bytes_in_every_locale(trail: Trail) -> None:
    command = [sys.executable, "-m", "kms_schema", "audit"]
    elsewhere = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "latin-1"}
    kept = trail.seal("--origin", "kms.example/\N{CJK UNIFIED IDEOGRAPH-9375}")
    for arguments, expected in ((["checkpoint"], kept.read_bytes()), (["status"], b"trail: kms.example/\\u9375, tree")):
        done = subprocess.run(
            [*command, *arguments, "--database-url", trail.database.url],
            capture_output=True,
            check=False,
            env=elsewhere,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(expected)


def test_a_key_that_cannot_be_used_is_not_shown(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    mistyped = trail.key.private_text()[:-3]
    monkeypatch.setenv("KMS_SEAL_KEY", mistyped)
    done = trail.audit("seal")
    assert done.status == 2
    assert "KMS_SEAL_KEY: not an Ed25519 signing key" in done.error
    assert mistyped[-20:] not in done.all
    trail.key_file.chmod(0o644)
    done = trail.audit("seal", "--key", trail.key_file)
    assert done.status == 2
    assert "chmod 600" in done.error
    assert seals(trail) == 0


def test_a_seal_stays_when_publishing_fails_and_has_a_status_of_its_own(trail: Trail) -> None:
    done = trail.audit("seal", "--key", trail.key_file, "--publish", "exit 7")
    assert done.status == 4
    assert Note.parse(done.out).trusted([trail.key.verifier])
    assert "seal 1: the command of --publish ended with status 7" in done.err
    assert "kms-schema audit checkpoint | COMMAND" in done.error
    assert seals(trail) == 1
    assert trail.audit("seal", "--key", trail.key_file, "--publish", "exit 7").status == 0, (
        "there is nothing to publish"
    )


def test_ctrl_c_while_publishing_leaves_the_seal_and_prints_its_checkpoint(trail: Trail) -> None:
    begun = trail.folder / "begun"
    # One process: a shell that is interrupted between two commands may go on with the second.
    program = f"import signal, time; signal.signal(2, signal.SIG_DFL); open('{begun}', 'w'); time.sleep(60)"
    publisher = f'exec {sys.executable} -c "{program}"'
    done = process(trail, "--key", trail.key_file, "--publish", publisher)
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert done.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(done.pid, signal.SIGINT)
    out, err = done.communicate(timeout=30)
    assert done.returncode == 130
    assert err.endswith("Interrupted.\n")
    assert "Traceback" not in err
    assert out == trail.audit("checkpoint").out


def test_another_key_another_name_and_none_are_refused(trail: Trail) -> None:
    trail.seal()
    trail.write()
    other = trail.folder / "other.key"
    write_signing_key(other, SigningKey.generate(ORIGIN))
    for given, says in (
        ((), "give it with --key"),
        (("--key", other), "announce the new key first"),
        (("--key", trail.key_file, "--origin", "another"), "leave --origin out"),
    ):
        done = trail.audit("seal", *given)
        assert (done.status, done.out) == (1, "")
        assert says in done.error
    assert seals(trail) == 1


def test_a_new_key_is_announced_by_the_old_one_and_then_signs(trail: Trail) -> None:
    assert kms_schema("audit", "keygen", "kms.example/2027", "--output", str(trail.folder / "new.key")).status == 0
    new, public = trail.folder / "new.key", trail.folder / "new.key.pub"
    assert trail.audit("seal", "--next-key", public).status == 2, "nobody would announce it"
    trail.seal("--next-key", public)
    announced = str(read_signing_key(new).verifier)
    assert "+".join(announced.split("+")[:2]) in trail.audit("status").out
    assert announced in trail.audit("status", "--format", "json").out
    done = trail.audit("seal", "--key", new, "--next-key", public)
    assert done.status == 1
    assert "was not announced" in done.error
    trail.write()
    assert trail.audit("seal", "--key", trail.key_file).status == 1
    assert trail.audit("seal", "--key", new).status == 0
    verified = trail.told("verify", "--trust", trail.trusted)
    assert (verified["sound"], verified["seals"]) == (True, 2)
    assert trail.audit("verify", "--trust", public).status == 1, "the first seal is signed by a key that is not there"


def test_keygen_writes_a_pair_and_overwrites_nothing(tmp_path: Path) -> None:
    files = tmp_path / "seal.key", tmp_path / "seal.key.pub"
    done = kms_schema("audit", "keygen", "kms.example/audit", "--output", str(files[0]))
    assert done.status == 0
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    key = read_signing_key(files[0])
    assert VerifierKey.parse(done.out.strip()) == key.verifier
    assert files[1].read_text(encoding="utf-8") == done.out
    assert key.private_text()[-20:] not in done.all
    before = [file.read_bytes() for file in files]
    for kept in (0, 1):
        done = kms_schema("audit", "keygen", "kms.example/audit", "--output", str(files[0]))
        assert (done.status, done.out) == (2, "")
        assert "name another file" in done.error
        files[1 - kept].unlink()
        done = kms_schema("audit", "keygen", "kms.example/audit", "--output", str(files[0]))
        assert done.status == 2
        assert not files[1 - kept].exists()
        files[1 - kept].write_bytes(before[1 - kept])
    assert [file.read_bytes() for file in files] == before


def test_a_name_that_no_key_can_have_makes_no_file(tmp_path: Path) -> None:
    for arguments in (("two words",), ("a+b",), ("name", "--output", str(tmp_path / "none" / "seal.key"))):
        done = kms_schema("audit", "keygen", "--output", str(tmp_path / "seal.key"), *arguments)
        assert done.status == 2
        assert done.error
    assert not list(tmp_path.iterdir())
