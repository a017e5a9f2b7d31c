"""No command repeats a key that stands where the name of its file or variable belongs, as `--key "$(cat seal.key)"`."""

import hashlib
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import click
import pytest

from kms_schema.crypto import RootKeyError, RootKeys
from kms_schema.pkcs11.errors import PinError
from kms_schema.pkcs11.uri import read_pin
from support.engines import Database
from support.programs.commands import kms_schema
from tests.cli.every_command import COMMANDS, words_of

MATERIAL = hashlib.sha256(b"0").digest()
BASE64 = b64encode(MATERIAL).decode()
ROOT_KEYS = (BASE64, BASE64.rstrip("="), urlsafe_b64encode(MATERIAL).decode(), MATERIAL.hex())
PRIVATE_KEYS = (
    f"PRIVATE+KEY+example.com/audit+62b582b8+{BASE64}",
    f"KMS-HANDOVER-PRIVATE-1 {BASE64}{BASE64}",
    f"-----BEGIN PRIVATE KEY-----\n{BASE64}\n-----END PRIVATE KEY-----\n",
)
WITH_FILES = [
    name
    for name, (_, command) in COMMANDS.items()
    if name != "handover new-key"
    and any(isinstance(each.type, click.Path) and each.name != "output" for each in command.params)
]
"""The commands that read files; what `new-key` is given is the name of a new one."""
WITH_ROOTS = [name for name, (_, command) in COMMANDS.items() if any(each.name == "roots" for each in command.params)]


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_private_key_in_place_of_a_file_is_not_repeated(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch(mode=0o600)
    monkeypatch.chdir(tmp_path)
    words, command = words_of(name, tmp_path), COMMANDS[name][1]
    for key in PRIVATE_KEYS:
        for parameter in command.params:
            reads = isinstance(parameter.type, click.Path) and parameter.name not in {"output", "textfile"}
            if reads and isinstance(parameter, click.Option):
                said = kms_schema(*words, parameter.opts[0], key, url=url_of(command))
                assert said.status in {1, 2, 3}, (parameter.name, said)
                assert BASE64 not in said.all, parameter.name
        for number, word in enumerate(words):
            if number >= len(COMMANDS[name][0]) and word == str(tmp_path / "file"):
                said = kms_schema(*words[:number], key, *words[number + 1 :], url=url_of(command))
                assert BASE64 not in said.all, word


def url_of(command: click.Command) -> str | None:
    return "sqlite:///missing.db" if any(each.name == "database_url" for each in command.params) else None


@pytest.mark.parametrize("name", WITH_ROOTS)
def test_a_root_key_in_place_of_a_file_or_variable_is_not_repeated(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch(mode=0o600)
    monkeypatch.chdir(tmp_path)
    for key in ROOT_KEYS:
        for place in (key, f"file:{key}", f"env:{key}"):
            said = kms_schema(
                *words_of(name, tmp_path), "--root-key", f"kms://root={place}", url="sqlite:///missing.db"
            )
            assert said.status in {1, 2, 3}
            assert key not in said.all, place


@pytest.mark.parametrize("words", ["keys create data --under ", "keys create data --under=", "keys show ", "keys "])
@pytest.mark.only_on("sqlite")
def test_a_root_key_in_place_of_the_name_of_a_key_is_not_repeated(database: Database, words: str) -> None:
    for key in ROOT_KEYS:
        said = kms_schema(*f"{words}{key}".split(), url=database.url if words != "keys " else None)
        assert said.status in {1, 2, 3}
        assert key not in said.all
        assert "(an argument that is like a root key, and is not repeated here)" in said.all


@pytest.mark.parametrize("key", ROOT_KEYS)
def test_a_program_is_not_shown_it_either(key: str) -> None:
    for open_roots in (RootKeys.from_files, RootKeys.from_environment):
        with pytest.raises(RootKeyError, match="like a key and not repeated here") as caught:
            open_roots({"kms://root": key})
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_a_file_with_such_a_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("0" * 64)
    file.touch(mode=0o600)
    file.write_text(BASE64, "ascii")
    RootKeys.from_files({"kms://root": file}).close()


def test_a_pin_in_place_of_a_variable_is_not_repeated() -> None:
    with pytest.raises(PinError, match="takes the name of a variable"):
        read_pin("env:4711")


def test_what_a_private_key_begins_with_is_named() -> None:
    said = kms_schema("audit", "seal", url="sqlite:///missing.db", environment={"KMS_SEAL_KEY": "PRIVATE-KEY"})
    assert said.status == 2
    assert said.error == "Error: KMS_SEAL_KEY: a signing key begins with PRIVATE+KEY+"
