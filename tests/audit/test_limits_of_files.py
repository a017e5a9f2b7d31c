"""Files that would fill the memory or never end: each reader refuses them with one sentence, and stays small."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kms_schema.audit.formats.checkpoints import read_checkpoint
from kms_schema.audit.formats.keys import MOST_KEYS, SealKeyError, VerifierKey, read_signing_key, read_verifier_keys
from kms_schema.audit.formats.notes import sign
from kms_schema.audit.retention.archive import sha256_of
from kms_schema.audit.standalone import check_audit
from kms_schema.database.sources import find_source
from kms_schema.database.url import DatabaseUrlError
from kms_schema.validator.waivers import read_waivers
from tests.audit.proofs import KEY, inclusion

MOST_MEMORY = 100 * 1024
"""In kB. The peak that getrusage returns can be that of the process that started the program."""
SECONDS = 60
IRREGULAR, LONG = "not a regular file; copy its content into one", "that such a file can have"
DOCUMENT = json.loads(inclusion(4, 7))
SIGNATURE = DOCUMENT["checkpoint"].splitlines()[-1] + "\n"


def proof(**members: object) -> bytes:
    return json.dumps(DOCUMENT | members).encode()


FILES: dict[str, tuple[bytes, str]] = {
    "objects": (b"[" + b"{},{}," * 340_000 + b"{}]", "has at most 2097152 bytes and 150000 brackets"),
    "objects with a member": (b"[" + b'{"a":0},' * 149_000 + b"{}]", "has no format that this program knows"),
    "names": (b"{" + b",".join(b'"%x":0' % each for each in range(190_000)) + b"}", "has no format"),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, "this is not JSON"),
    "a long number": (b"9" * 2_000_000, "this is not JSON"),
    "a long number in a proof": (proof(leaf_index=1).replace(b": 1", b": " + b"1" * 4000), "leaf_index is not one of"),
    "signatures": (proof(checkpoint=DOCUMENT["checkpoint"] + SIGNATURE * 10_000), "at most 100 signatures"),
    "hashes": (proof(hashes=DOCUMENT["hashes"][:1] * 40_000), "too many or too few hashes"),
    "a large tree": (proof(checkpoint=str(sign(f"a\n{2**63}\n{'A' * 43}=\n", KEY))), f"a size of at most {2**63 - 1}"),
    "CRLF": (proof() + b"\r\n", "lines that end with CRLF"),
    "CRLF in it": (proof(checkpoint=DOCUMENT["checkpoint"].replace("\n", "\r\n")), "lines that end with CRLF"),
}  # fmt: skip
"""Contents by name, with the words of the program that checks a proof."""

CHILD = """
import contextlib, io, json, re, sys
import check_audit
for arguments in json.load(sys.stdin):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            status = check_audit.main(arguments)
        except SystemExit as error:
            status = error.code
    with open("/proc/self/status") as file:
        peak = re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1]
    print(json.dumps([status, told.getvalue().splitlines()[-1], int(peak)]))
"""


def programs(*runs: tuple[str, ...]) -> list[tuple[int, str]]:
    """Run programs one after the other in one process; return status and last line of each. It must stay small."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD], cwd=Path(check_audit.__file__).parent, input=json.dumps(runs), text=True,
            stdout=subprocess.PIPE, timeout=SECONDS, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.fail(f"a program reads for more than {SECONDS} seconds")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for run, (_, _, memory) in zip(runs, found, strict=True):
        assert memory < MOST_MEMORY, run
    return [(status, told) for status, told, _ in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files without an end, with a gigabyte of blanks, and archives that become 60 and 128 MB."""
    folder = tmp_path_factory.mktemp("files")
    os.mkfifo(folder / "fifo")
    (folder / "blanks").touch()
    os.truncate(folder / "blanks", 2**30)
    (folder / "blanks.gz").write_bytes(gzip.compress(b" " * 2**27, 1))
    (folder / "all").write_bytes(gzip.compress(b"[" + b"{}," * 20_000_000 + b"{}]\n", 1))
    (folder / "proof.json").write_bytes(proof())
    keys = (str(VerifierKey(f"k{each}", bytes(32))) for each in range(MOST_KEYS + 1))
    (folder / "keys").write_text("\n".join(keys), encoding="ascii")
    for name, (content, _) in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_checker_refuses_what_is_too_much_in_little_memory(folder: Path) -> None:
    key = ("--key", str(KEY.verifier))
    expected: list[tuple[tuple[str, ...], int, str]] = []
    for name, (_, says) in FILES.items():
        expected.append((("proof", name), 1, says))
    for program in ("proof", "proofs", "archive", "archives"):
        for name in ("fifo", "/dev/zero"):
            expected.append(((program, name), 2, IRREGULAR))
            for option in ("--trust", "--announcement"):
                expected.append(((program, "proof.json", option, name), 2, IRREGULAR))
    for program, name in (("archive", "all"), ("archives", "all"), ("archive", "blanks.gz")):
        expected.append(((program, name), 1, "a line is longer than the 2097152 bytes"))
    expected += [
        (("proofs", "all"), 1, "a line has more than 2097152 bytes"),
        (("proofs", "blanks"), 1, "a line has more than 2097152 bytes"),
        (("proof", "blanks"), 2, LONG),
        (("archive", "all", "--tombstone", "blanks"), 2, LONG),
        (("archive", "all", "--consistency", "fifo"), 2, IRREGULAR),
        (("archives", "all", "--tombstone", "fifo"), 2, IRREGULAR),
        (("proof", "proof.json", "--trust", "keys"), 2, f"keys that you trust, {MOST_KEYS} at most"),
    ]
    for program in ("proof", "proofs", "archive"):
        expected.append(((program, "proof.json", "--checkpoint", "blanks"), 2, LONG))
        expected.append(((program, "proof.json", "--checkpoint", "fifo"), 2, IRREGULAR))
    files = {"fifo", "blanks", "blanks.gz", "all", "proof.json", "keys", *FILES}
    runs = [tuple(str(folder / word) if word in files else word for word in run) + key for run, _, _ in expected]
    for (run, status, says), (was, told) in zip(expected, programs(*runs), strict=True):
        assert (was, says in told) == (status, True), (run, was, told[-200:])


READERS: dict[str, Callable[[Path], object]] = {
    "an external checkpoint": read_checkpoint,
    "a signing key": read_signing_key,
    "an archive": sha256_of,
    "verifier keys": read_verifier_keys,
    "waivers": read_waivers,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["fifo", "/dev/zero"])
def test_no_reader_waits_for_a_file_without_an_end(folder: Path, reader: str, name: str) -> None:
    with pytest.raises(Exception, match=IRREGULAR):
        READERS[reader](folder / name)


@pytest.mark.parametrize("reader", ["an external checkpoint", "verifier keys", "waivers"])
def test_a_file_that_is_read_whole_has_a_limit(folder: Path, reader: str) -> None:
    with pytest.raises(OSError, match=LONG):
        READERS[reader](folder / "blanks")


def test_a_file_of_trusted_keys_has_a_limit(folder: Path) -> None:
    with pytest.raises(SealKeyError, match=f"more than {MOST_KEYS} verifier keys"):
        read_verifier_keys(folder / "keys")


@pytest.mark.parametrize("name", ["pyproject.toml", "alembic.ini"])
def test_a_configuration_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KMS_DATABASE_URL", raising=False)
    os.mkfifo(name)
    with pytest.raises(DatabaseUrlError, match=f"{name}: OSError"):
        find_source()
