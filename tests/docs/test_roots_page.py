"""docs/roots.md: its moves, run as written, lose nothing and change what they say; its URIs are those of the code."""

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.engines import Database
from support.engines.programs import REPOSITORY
from support.engines.softhsm import SoftHsm, find_softhsm
from support.programs.commands import kms_schema
from support.rows.table_dump import TableDump, dump_tables
from tests.docs.readers import Block, Reader, blocks_of, commands, section
from tests.keyring.rings import ROOT, rows
from tests.roots import providers

PAGE = (REPOSITORY / "docs" / "roots.md").read_text(encoding="utf-8")
KEY = bytes(range(7, 39))
CREDENTIALS = {"pin": "0000-1234"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    providers.root_file(tmp_path, KEY).rename(tmp_path / "work" / "root-2026.key")
    return tmp_path / "work"


def dump(database: Database) -> TableDump:
    with closing(database.connect()) as connection:
        return dump_tables(connection)


def envelopes(dumped: TableDump) -> list[object]:
    """Return the columns that a root has to do with; the use of a key is counted in others."""
    columns = ("id", "encrypted_key_data", "encryption_metadata", "key_checksum", "authentication_config")
    kept = (*columns, "wrapping_key_ref", "wrapped_by_version_id")
    return [
        [row.get(name) for name in kept] for table in ("key_versions", "hsm_configurations") for row in dumped[table]
    ]


def reader_with(database: Database, hsm: SoftHsm, folder: Path) -> Reader:
    """A reader whose token is SoftHSM2, wherever it is."""
    module, program, variables = find_softhsm()
    libraries = "".join(f"{name}={shlex.quote(value)} " for name, value in variables.items())
    replaced = {
        "/usr/lib/softhsm/libsofthsm2.so": str(module),
        "softhsm2-util": f"{libraries}{program} --module {module}",
        '"sqlite:///kms.db"': repr(database.url),
    }
    variables = {"KMS_DATABASE_URL": database.url, "SOFTHSM2_CONF": str(hsm.folder / "softhsm2.conf")}
    return Reader(folder, replaced, variables)


def test_a_database_moves_from_a_file_to_a_token_and_on(database: Database, hsm: SoftHsm, folder: Path) -> None:
    reader = reader_with(database, hsm, folder)
    reader.types([block for block in section("roots.md", "Name a root") if block.language == "python"])
    providers.store_credentials(database, folder / "root-2026.key", CREDENTIALS)
    before = dump(database)
    token, switch, use = section("roots.md", "Move from a file to a token")
    reader.types([token])
    opened = "2026 (pkcs11:token=kms;object=root-2026): 1 key version and 1 HSM configuration open, 0 do not"
    assert opened in reader.types([switch])
    assert dump(database) == before, "the move changed the database"
    (folder / "root-2026.key").unlink()
    reader.types([use])
    assert (folder / "iban.txt").read_text() == "DE89 3704\n"
    assert envelopes(dump(database)) == envelopes(before), "using the token changed an envelope"

    (onward,) = section("roots.md", "Move from a token to another key")
    said = reader.types([onward])
    assert (
        "kms://root-2027 (pkcs11:token=kms-2027;object=root-2027): 1 key version and 1 HSM configuration open" in said
    )
    assert (folder / "iban-2027.txt").read_text() == "DE89 3704\n"
    assert rows(database, "SELECT DISTINCT wrapping_key_ref FROM hsm_configurations") == [("kms://root-2027",)]


@pytest.fixture
def aws() -> Iterator[None]:
    with providers.moto():
        yield


@pytest.mark.usefixtures("aws")
def test_a_database_moves_from_a_file_to_the_cloud(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto is in this process, so the commands are; `aws` itself is not run."""
    monkeypatch.chdir(folder)
    created = ("--root-key", f"{ROOT}=root-2026.key")
    assert (
        kms_schema("keys", "create", "kek-2026", "--type", "kek", "--under", ROOT, *created, url=database.url).status
        == 0
    )
    providers.store_credentials(database, folder / "root-2026.key", CREDENTIALS)
    rewrapping, importing = section("roots.md", "Move from a file to the cloud")

    before = dump(database)
    imported = providers.hmac_key("EXTERNAL")
    providers.set_material(imported, KEY)
    (same_key,) = run(importing, imported, database)
    assert "1 key version and 1 HSM configuration open, 0 do not" in same_key
    assert dump(database) == before

    rewrapped, checked = run(rewrapping, providers.hmac_key(), database)
    assert "1 key version and 1 HSM configuration rewrapped" in rewrapped
    assert "kms://root-aws" in checked
    assert "1 key version and 1 HSM configuration open, 0 do not" in checked


def run(block: Block, arn: str, database: Database) -> list[str]:
    """Run the lines of a block that are commands of ours; return their results."""
    lines = [line for line in commands(block.text.replace("$ARN", arn)) if line.startswith("kms-schema ")]
    said = [kms_schema(*shlex.split(line)[1:], url=database.url) for line in lines]
    assert [each.status for each in said] == [0] * len(lines), said
    return [each.out for each in said]


def test_the_example_of_the_suite_runs(tmp_path: Path) -> None:
    (block,) = (each for each in section("roots.md", "Write a provider") if each.language == "python")
    Reader(tmp_path).types([block])


def test_no_block_is_left_out() -> None:
    languages = [block.language for block in blocks_of(PAGE)]
    assert languages == ["python", "text", "sh", "sh", "sh", "sh", "sh", "text", "python"]


def test_every_scheme_is_in_the_table() -> None:
    table = re.search(r"\| URI \| is \| needs \|\n(.*?)\n\n", PAGE, re.DOTALL)
    assert table is not None
    assert all(f"`{scheme}:" in table[1] for scheme in providers.PROVIDERS[1:])
