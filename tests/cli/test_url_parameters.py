"""Parameters of a URL reach the driver: `immutable=1` of a file, and psycopg's `prepare_threshold`."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from kms_schema.database.url import parse_database_url
from kms_schema.engine import create_engine
from support.programs.commands import kms_schema
from support.shared import SharedDatabase
from tests.cli.audit_trails import Trail

IMMUTABLE = ("?immutable=1", "?immutable=1&mode=ro", "?nolock=1&immutable=1")


@pytest.fixture
def read_only(trail: Trail, tmp_path: Path) -> Path:
    """Return a copy of a sealed trail with its write-ahead log switched on, as a file on a read-only medium has it."""
    trail.write(3)
    trail.seal()
    folder = tmp_path / "medium 100%"
    folder.mkdir()
    file = folder / "kms.db"
    with closing(trail.database.connect()) as source, closing(sqlite3.connect(file, isolation_level=None)) as target:
        assert isinstance(source, sqlite3.Connection)
        source.backup(target)
        target.execute("PRAGMA journal_mode = WAL")
    assert [each.name for each in folder.iterdir()] == ["kms.db"]
    return file


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("parameters", IMMUTABLE)
def test_a_file_in_a_folder_without_writes_is_validated_and_verified(read_only: Path, parameters: str) -> None:
    forms = [f"sqlite:///{read_only}{parameters}", f"sqlite:///file:{str(read_only).replace('%', '%25')}{parameters}"]
    for url in forms if parameters == IMMUTABLE[0] else forms[:1]:
        for command in ("validate --level data", "audit verify", "audit verify --jobs 2", "audit status", "current"):
            said = kms_schema(*command.split(), url=url)
            assert said.status == 0, (command, said.all)
            assert [each.name for each in read_only.parent.iterdir()] == ["kms.db"], command


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_changes_that_would_not_be_read_are_no_verdict(read_only: Path, suffix: str) -> None:
    Path(f"{read_only}{suffix}").write_bytes(b"committed")
    for command in ("validate", "audit verify", "current", "preflight"):
        said = kms_schema(*command.split(), url=f"sqlite:///{read_only}?immutable=1")
        assert said.status == 3, (command, said.all)
        assert f"kms.db{suffix} has changes that immutable=1 would not read" in said.error


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("threshold", ["0", "1", "none"])
def test_the_threshold_of_prepared_statements_is_a_number(shared: SharedDatabase, threshold: str) -> None:
    parameters = shared.connection.info.get_parameters() | {"prepare_threshold": threshold}  # type: ignore[union-attr]
    url = f"postgresql:///?{urlencode(parameters)}"
    expected = None if threshold == "none" else int(threshold)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.connection.driver_connection.prepare_threshold == expected  # type: ignore[union-attr]
    engine.dispose()
    assert parse_database_url(url).connection_parameters()["prepare_threshold"] == expected
    assert kms_schema("current", url="postgresql:///?prepare_threshold=often").status == 2


@pytest.mark.full
@pytest.mark.only_on("postgresql")
def test_every_statement_may_be_prepared_at_once(trail: Trail, pytestconfig: pytest.Config) -> None:
    """No text of several statements is prepared, which the server refuses."""
    url = f"{trail.database.url}?prepare_threshold=0"
    commands = [
        "downgrade 005 --allow-audit-loss",
        "preflight",
        "upgrade",
        "harden --apply",
        "harden --remove",
        f"audit seal --key {trail.key_file} --origin kms.example/audit",
        "audit status",
        "audit verify",
        "refresh",
        "rotations due",
        "validate --level data --ignore KMS4",
    ]
    if pytestconfig.getoption("--full"):
        commands += ["validate --probe --ignore KMS4", "audit verify --jobs 2"]
    for command in commands:
        said = kms_schema(*command.split(), url=url)
        assert said.status == 0, (command, said.all)


@pytest.mark.parametrize(
    ("url", "database", "uri"),
    [
        ("sqlite:///a b.db?immutable=1", "file:a%20b.db", "file:a%20b.db?mode=ro&immutable=1"),
        ("sqlite:////x/y.db?mode=rw&cache=shared", "file:/x/y.db", "file:/x/y.db?mode=ro"),
        ("sqlite:///file:///x/y.db?vfs=unix", "file:///x/y.db", "file:/x/y.db?mode=ro&vfs=unix"),
        ("sqlite:///y.db?timeout=3", "y.db", "file:y.db?mode=ro"),
    ],
)
def test_the_parameters_of_a_file_are_kept_in_its_uri(url: str, database: str, uri: str) -> None:
    parsed = parse_database_url(url)
    assert (parsed.database, parsed.file_uri("ro")) == (database, uri)
