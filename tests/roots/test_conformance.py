"""Every root answers with the same bytes, one of a package of others too; the suite fails what answers otherwise."""

import hashlib
import hmac
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kms_schema.crypto import Secret, SecretRoot, WrappingKeyError
from kms_schema.testing.root_conformance import NonconformingRootError, cases, check_root
from support.engines import Database
from support.engines.programs import REPOSITORY
from tests.keyring.rings import ROOT
from tests.roots.providers import MakeRoot


@pytest.mark.parametrize("case", [case for _, case in cases()], ids=[name for name, _ in cases()])
def test_a_root_conforms(make_root: MakeRoot, case: Callable[[MakeRoot], None]) -> None:
    case(make_root)


class Computing(SecretRoot):
    """A root that answers with another function of its key and the message."""

    def __init__(self, key: bytes, answer: Callable[[bytes, bytes], bytes]) -> None:
        super().__init__(Secret(bytearray(key)))
        self._answer = answer

    def derive(self, message: bytes) -> Secret:
        super().derive(message).wipe()
        return Secret(bytearray(self._answer(bytes(self._secret.view), message)))


NONCONFORMING: dict[str, Callable[[bytes, bytes], bytes]] = {
    "a wrong key": lambda _key, message: hmac.digest(b"k" * 32, message, "sha256"),
    "a truncated MAC": lambda key, message: hmac.digest(key, message, "sha256")[:16],
    "SHA-512": lambda key, message: hmac.digest(key, message, "sha512"),
    "SHA-512, of 32 bytes": lambda key, message: hmac.digest(key, message, "sha512")[:32],
    "no HMAC": lambda key, message: hashlib.sha256(key + message).digest(),
    "the hash of a long message": lambda key, message: hmac.digest(
        key, message if len(message) < 1024 else hashlib.sha256(message).digest(), "sha256"
    ),
}


@pytest.mark.parametrize("answer", NONCONFORMING.values(), ids=NONCONFORMING)
def test_the_suite_fails_a_root_that_answers_otherwise(answer: Callable[[bytes, bytes], bytes]) -> None:
    with pytest.raises((NonconformingRootError, WrappingKeyError)):
        check_root(lambda key: Computing(key, answer))


def test_the_suite_passes_a_root_that_answers_so() -> None:
    check_root(lambda key: Computing(key, lambda own, message: hmac.digest(own, message, "sha256")))


class Telling(SecretRoot):
    """A root that shows its key."""

    def __repr__(self) -> str:
        return bytes(self._secret.view).hex()


def test_the_suite_fails_a_root_that_shows_its_key() -> None:
    with pytest.raises(NonconformingRootError, match="shows the key"):
        check_root(lambda key: Telling(Secret(bytearray(key))))


CHECK = """
import itertools, sys, tempfile
from pathlib import Path
from kms_schema.roots import open_root
from kms_schema.testing.root_conformance import check_root

folder, number = Path(tempfile.mkdtemp()), itertools.count()

def make(key):
    path = folder / f"{next(number)}.hex"
    path.write_text(key.hex())
    return open_root(f"hexfile:{path}")

check_root(make)
"""


@pytest.fixture
def environment(tmp_path: Path, database: Database) -> dict[str, str]:
    """The variables of a process that has the example installed."""
    packages = tmp_path / "packages"
    words = ("-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", str(packages))
    subprocess.run([sys.executable, *words, str(REPOSITORY / "tests" / "example_root")], check=True)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(packages), str(REPOSITORY))),
        "KMS_DATABASE_URL": database.url,
        "TMPDIR": str(tmp_path),
    }


@pytest.mark.only_on("sqlite")
def test_a_package_provides_roots(environment: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CHECK], env=environment, check=True)
    (tmp_path / "root.hex").write_text("11" * 32)
    named = ("--root-key", f"{ROOT}=hexfile:{tmp_path / 'root.hex'}")
    for words in (("keys", "create", "orders", "--under", ROOT, *named), ("roots", "check", *named)):
        done = subprocess.run(
            [sys.executable, "-m", "kms_schema", *words], env=environment, capture_output=True, text=True, check=True
        )
    assert "1 key version and 0 HSM configurations open, 0 do not" in done.stdout
    assert "read from its file at each use" in done.stderr
