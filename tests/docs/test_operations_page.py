"""docs/operations.md: each block of commands, run by a shell as it is written."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from support.engines import Database
from support.engines.postgresql import psycopg_url
from support.engines.programs import REPOSITORY, WHEEL_MAJOR
from support.revisions import revisions
from support.rows.population import populate
from tests.deploying.servers import server
from tests.docs.readers import Block, Reader, addresses, forget, section
from tests.docs.shell_blocks import deploy, run, url_of

pytestmark = pytest.mark.versions("oldest and newest")

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
IN_KMS = "-c search_path=kms"
"""The first deployment has a schema of its own."""


def blocks(section: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)


@pytest.fixture
def roles(empty_database: Database) -> Iterator[Database]:
    """A server that has nothing of the page's, before the test or after it."""
    yield empty_database
    forget(empty_database)


def test_no_block_of_the_page_is_left_out() -> None:
    tried = {"First deployment": 8, "Upgrade": 3, "Regular jobs": 0, "Back up": 3, "Rollback": 4, "Recovery": 4}
    tried["SQLite"] = 2
    assert {section: len(blocks(section)) for section in SECTIONS} == tried


@pytest.mark.only_on("postgresql-13")  # on the newest, test_readers_order.py deploys
def test_first_deployment(roles: Database, tmp_path: Path) -> None:
    deploy(Reader(tmp_path, addresses(roles)), url_of(roles, username="shop", database="kms"))


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("block", [0, 2], ids=["command", "script"])
def test_upgrade(empty_database: Database, tmp_path: Path, block: int) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        populate(connection)
    said = run(blocks("Upgrade")[block], tmp_path, KMS_DATABASE_URL=url_of(empty_database))
    assert f"compared with {revisions()[-1]}" in said


@pytest.mark.only_on("postgresql")
def test_rollback(roles: Database, tmp_path: Path) -> None:
    """A deployment with roles goes back and comes again; the roles get what the downgrade has dropped."""
    reader, owner = Reader(tmp_path, addresses(roles)), url_of(roles, database="kms")
    reader.types(section("operations.md", "First deployment")[:2])
    down, unsealed, up, away = (Block("sh", text) for text in blocks("Rollback"))
    with psycopg.connect(owner, autocommit=True, options=IN_KMS) as connection:
        populate(connection)
    become = blocks("Upgrade")[1].splitlines(keepends=True)[:2]
    sealed = reader.types([Block("sh", "".join(become)), Block("sh", "kms-schema audit seal\n"), down])
    assert f"the newest is {revisions()[-1]}" in sealed
    refused = Block("sh", "(kms-schema downgrade 004 2>&1 || true) | grep -e --allow-audit-loss\n")
    reader.types([refused, unsealed])
    assert (tmp_path / "before-downgrade.txt").read_text(encoding="utf-8").startswith("kms-schema/")
    upgrade, apply, validate = up.text.splitlines(keepends=True)
    without = reader.types([Block("sh", upgrade), Block("sh", f"{validate.strip()} || true\n")])
    assert re.findall(r"^error (KMS\d+)", without, re.MULTILINE) == ["KMS310"], without
    assert "kms-schema roles --apply" in without
    assert "no drift: 1 warning" in reader.types([Block("sh", apply), Block("sh", validate)])
    reader.types([away])
    assert (tmp_path / "before-downgrade.dump").stat().st_size > 0
    with psycopg.connect(owner, options=IN_KMS) as connection:
        assert connection.execute("SELECT to_regclass('key_audit_logs') IS NULL").fetchone() == (True,)


@pytest.mark.only_on(f"postgresql-{WHEEL_MAJOR}")  # what a pg_restore writes, older servers do not understand
def test_recovery(roles: Database, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    reader, owner = Reader(tmp_path, addresses(roles)), url_of(roles, database="kms")
    interrupted, restore, elsewhere, stamp = (Block("sh", text) for text in blocks("Recovery"))
    migrator = {"KMS_DATABASE_URL": url_of(roles, username="kms_migrator", database="kms")}
    reader.types(section("operations.md", "First deployment")[:1])
    reader.environment |= migrator
    reader.types([Block("sh", "kms-schema upgrade 004\n")])
    assert f"behind by {len(revisions()[2:])}, " in reader.types([interrupted])
    assert "\nno drift: 2 info" in reader.types([Block("sh", blocks("Upgrade")[1])])
    with psycopg.connect(owner, autocommit=True, options=IN_KMS) as connection:
        populate(connection)
        rows = connection.execute("SELECT * FROM key_audit_logs ORDER BY sequence").fetchall()
        connection.execute("ALTER ROLE shop PASSWORD 'of-the-shop'")
        connection.execute("ALTER ROLE shop IN DATABASE kms SET search_path TO shop, public")
        connection.execute("ALTER ROLE auditor PASSWORD 'of-the-auditor'")
    said = reader.types([*section("operations.md", "Back up"), restore])
    assert "no drift: 1 warning, 3 info" in said
    if pytestconfig.getoption("--full"):  # starts a second server
        restored_elsewhere(reader, elsewhere)
    evidence_with_a_waiver(reader, owner)
    restored = url_of(roles, database="kms_restored")
    with psycopg.connect(restored, autocommit=True, options=IN_KMS) as connection:
        assert connection.execute("SELECT * FROM key_audit_logs ORDER BY sequence").fetchall()[: len(rows)] == rows
        connection.execute("DELETE FROM alembic_version")
    reader.environment["KMS_DATABASE_URL"] = restored
    assert "1 warning, 3 info" in reader.types([stamp])


def restored_elsewhere(reader: Reader, restore: Block) -> None:
    """Restore on a second server, which asks for passwords, and log in there as before."""
    with server(WHEEL_MAJOR) as engine:
        address = engine.url
        for name in ("postgres", "kms"):
            shown = f"postgresql://postgres@other.example.com/{name}"
            reader.replaced[shown] = psycopg_url(address.set(database=name))
        assert "no drift: 1 warning, 3 info" in reader.types([restore])
        for login, password in (("shop", "of-the-shop"), ("auditor", "of-the-auditor")):
            url = psycopg_url(address.set(username=login, password=password, database="kms"))
            with psycopg.connect(url) as connection:
                path = connection.execute("SHOW search_path").fetchone()
                timeout = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
            assert (path == ("shop, public",)) is (timeout == ("1min",)) is (login == "shop")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url.replace("of-the-auditor", "another")).close()


def evidence_with_a_waiver(reader: Reader, owner: str) -> None:
    """The login that makes backups fails a control, unless it is waived; the report names it then."""
    waiver = '[[waiver]]\ncode = "KMS432"\nobject = "role backup"\nreason = "makes backups"\nexpires = 2999-01-01\n'
    (reader.folder / "waivers.toml").write_text(waiver, encoding="utf-8")
    reader.environment["KMS_DATABASE_URL"] = owner
    report = "kms-schema report --standard pci-dss-4.0.1 --period $(date -u +%Y) --format json --no-record --output -"
    for options, state in (("", "not satisfied"), (" --waivers waivers.toml", "for review")):
        said = reader.types([Block("sh", f"({report}{options} 2> /dev/null || true)\n")])
        (privileges,) = (each for each in json.loads(said)["claims"] if each["name"] == "privileges")
        assert privileges["state"] == state
        assert ("makes backups" in json.dumps(privileges)) is bool(options)


@pytest.mark.only_on("sqlite")
def test_sqlite(empty_database: Database, tmp_path: Path) -> None:
    del empty_database  # it says that the engine is asked for
    assert "\nGO\n" in run(blocks("SQLite")[0], tmp_path)
    assert "no findings" in run(blocks("SQLite")[1], tmp_path)
