"""docs/operations.md: each block of commands, run by a shell as it is written."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.docs.readers import Block, Reader, addresses, forget, section
from tests.support.engines import Database
from tests.support.engines.postgresql import psycopg_url
from tests.support.engines.programs import REPOSITORY, WHEEL_MAJOR, find_programs
from tests.support.engines.sqlite_shell import install_sqlite_shell
from tests.support.programs import python
from tests.support.revisions import revisions
from tests.support.rows.population import populate
from tests.support.rows.smallest import audit_entry, insert
from tests.support.statements import execute

pytestmark = pytest.mark.versions("oldest and newest")

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
PREFLIGHT = "(kms-schema preflight --database-url postgresql://kms_migrator@db.example.com/kms 2>&1 || true)"


def blocks(section: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)


def run(script: str, folder: Path, **environment: str) -> str:
    """Run commands in `folder` and return what they said; any that fails, fails the test."""
    ours = python.programs(folder / "programs")
    install_sqlite_shell(ours)
    programs = [ours, Path(sys.executable).parent, find_programs(WHEEL_MAJOR).folder]
    inherited = {name: os.environ[name] for name in ("HOME", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**inherited, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def url_of(server: Database, **over: str) -> str:
    return psycopg_url(sa.make_url(server.url).set(**over))


@pytest.fixture
def roles(empty_database: Database) -> Iterator[Database]:
    """A server that has nothing of the page's, before the test or after it."""
    yield empty_database
    forget(empty_database)


def test_no_block_of_the_page_is_left_out() -> None:
    tried = {"First deployment": 8, "Upgrade": 2, "Regular jobs": 0, "Rollback": 4, "Recovery": 3, "SQLite": 2}
    assert {section: len(blocks(section)) for section in SECTIONS} == tried


@pytest.mark.only_on("postgresql-13")  # on the newest, test_readers_order.py deploys
def test_first_deployment(roles: Database, tmp_path: Path) -> None:
    deploy(Reader(tmp_path, addresses(roles)), url_of(roles, username="shop", database="kms"))


def deploy(administrator: Reader, shop: str) -> None:
    """Have an administrator type the section, then try what the login of the application may do, by its URL."""
    for block in section("operations.md", "First deployment"):
        said = administrator.types([block])
        assert ("preflight" in block.text) == ("\nGO\n" in said)
        assert ("check_proof" in block.text) == said.endswith("\nthe proof holds\n")
        assert ("decrypt" in block.text) == said.endswith("\nDE89 3704\n")
    assert "no drift: 2 info" in said
    refused = administrator.types([Block("sh", f"{PREFLIGHT} | grep -c 'GRANT kms_owner TO kms_migrator'\n")])
    assert refused.strip().endswith("1")
    with psycopg.connect(shop, autocommit=True) as application:
        application.execute("SELECT * FROM key_masters, key_versions")
        insert(application, "key_audit_logs", **audit_entry())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM key_audit_logs")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("block", [0, 1], ids=["command", "script"])
def test_upgrade(empty_database: Database, tmp_path: Path, block: int) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        populate(connection)
    said = run(blocks("Upgrade")[block], tmp_path, KMS_DATABASE_URL=url_of(empty_database))
    assert f"compared with {revisions()[-1]}" in said


@pytest.mark.only_on("postgresql")
def test_rollback(database: Database, tmp_path: Path) -> None:
    with closing(database.connect()) as connection:
        populate(connection)
    down, unsealed, up, away = blocks("Rollback")
    run("kms-schema audit seal", tmp_path, KMS_DATABASE_URL=url_of(database))
    assert f"the newest is {revisions()[-1]}" in run(down, tmp_path, KMS_DATABASE_URL=url_of(database))
    refused = subprocess.run(
        [sys.executable, "-m", "kms_schema", "downgrade", "004", "--database-url", database.url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (refused.returncode, "--allow-audit-loss" in refused.stderr) == (1, True)
    run(unsealed, tmp_path, KMS_DATABASE_URL=url_of(database))
    assert (tmp_path / "before-downgrade.txt").read_text(encoding="utf-8").startswith("kms-schema/")
    assert f"compared with {revisions()[-1]}" in run(up, tmp_path, KMS_DATABASE_URL=url_of(database))
    run(away, tmp_path, KMS_DATABASE_URL=url_of(database))
    assert (tmp_path / "before-downgrade.dump").stat().st_size > 0
    with closing(database.connect()) as connection:
        assert execute(connection, "SELECT to_regclass('key_audit_logs') IS NULL").fetchone() == (True,)


@pytest.mark.only_on(f"postgresql-{WHEEL_MAJOR}")  # what a pg_restore writes, older servers do not understand
def test_recovery(roles: Database, tmp_path: Path) -> None:
    Reader(tmp_path, addresses(roles)).types(section("operations.md", "First deployment")[:1])
    migrator = url_of(roles, username="kms_migrator", database="kms")
    interrupted, restore, stamp = blocks("Recovery")
    run("kms-schema upgrade 004", tmp_path, KMS_DATABASE_URL=migrator)
    assert f"behind by {len(revisions()[2:])}, " in run(interrupted, tmp_path, KMS_DATABASE_URL=migrator)
    with psycopg.connect(migrator, autocommit=True) as connection:
        populate(connection)
        rows = connection.execute("SELECT * FROM key_audit_logs ORDER BY sequence").fetchall()
    restored = url_of(roles, username="kms_migrator", database="kms_restored")
    said = run(restore, tmp_path, KMS_DATABASE_URL=migrator, RESTORED_URL=restored, ADMIN_URL=url_of(roles))
    assert "no drift: 1 warning, 2 info" in said
    with psycopg.connect(restored, autocommit=True) as connection:
        assert connection.execute("SELECT * FROM key_audit_logs ORDER BY sequence").fetchall() == rows
        connection.execute("DELETE FROM alembic_version")
    assert "1 warning, 2 info" in run(stamp, tmp_path, KMS_DATABASE_URL=restored)


@pytest.mark.only_on("sqlite")
def test_sqlite(empty_database: Database, tmp_path: Path) -> None:
    del empty_database  # it says that the engine is asked for
    assert "\nGO\n" in run(blocks("SQLite")[0], tmp_path)
    assert "no findings" in run(blocks("SQLite")[1], tmp_path)
