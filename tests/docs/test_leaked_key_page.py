"""docs/leaked-key.md: its blocks, run in their order on both engines; afterwards the new keys open everything."""

import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import EncryptedColumn, KeyRevokedError, KeyRing
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.login_roles import login
from support.programs.commands import kms_schema
from support.statements import execute
from tests.docs.readers import blocks_of, commands

BLOCKS = blocks_of((REPOSITORY / "docs" / "leaked-key.md").read_text(encoding="utf-8"))
START = """
(umask 077; openssl rand -base64 32 > root.key)
export KMS_ROOT_KEYS=kms://root=root.key
kms-schema keys create kek --type kek --under kms://root
kms-schema keys create orders --under kek
kms-schema audit keygen example.com/audit
kms-schema audit seal --key seal.key > checkpoint.txt
"""
VERIFIED = "kms-schema audit verify --checkpoint announced.txt --checkpoint checkpoint-2.txt --trust seal.key.pub"


def test_the_steps_replace_each_key_and_lose_no_data(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def types(text: str) -> str:
        """Run lines of a shell, the commands of the package in this process; return what the last one said."""
        out = ""
        for line in commands(text):
            if line.startswith("export "):
                monkeypatch.setenv(*shlex.split(line)[1].split("=", 1))
            elif line.startswith("kms-schema "):
                command, _, file = line.partition(" > ")
                said = kms_schema(*shlex.split(command)[1:], environment={"KMS_DATABASE_URL": database.url})
                assert said.status == 0, (line, said)
                out = said.out
                if file:
                    Path(file).write_text(out, encoding="utf-8")
            else:
                subprocess.run(["bash", "-ec", line], check=True)
        return out

    types(START)
    engine = database.engine()
    with roots_of(tmp_path, "root") as roots, KeyRing(engine, roots) as ring:
        table = orders(ring, "orders")
        table.create(engine)
        with engine.begin() as connection:
            connection.execute(table.insert().values(id=1, iban="DE89 3704"))
    for block in BLOCKS:
        if block.language == "sh":
            types(block.text)
        elif database.dialect == "postgresql":
            with login(database) as somebody, closing(database.connect()) as administrator:
                execute(administrator, block.text.replace("shop", str(sa.make_url(somebody.url).username)))
    with roots_of(tmp_path, "root-2") as roots, KeyRing(engine, roots) as ring, engine.begin() as connection:
        assert connection.execute(sa.select(orders(ring, "orders-2").c.iban)).scalars().all() == ["DE89 3704"]
        with pytest.raises(KeyRevokedError):
            ring.key("orders").encrypt(b"", aad=b"")
    engine.dispose()
    assert types(VERIFIED).endswith("\nsound\n")


def roots_of(folder: Path, name: str) -> RootKeys:
    return RootKeys.from_files({f"kms://{name}": folder / f"{name}.key"})


def orders(ring: KeyRing, key: str) -> sa.Table:
    """Return the table of the page, whose column is encrypted with a key."""
    columns = sa.Column("id", sa.Integer, primary_key=True), sa.Column("iban", EncryptedColumn(key))
    table = sa.Table("orders", sa.MetaData(), *columns)
    ring.attach(table.metadata)
    return table
