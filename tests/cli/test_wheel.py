"""The package installed from a wheel, away from any checkout: the migrations travel inside it."""

import datetime as dt
import hashlib
import re
import subprocess
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from readme_renderer import markdown

from kms_schema.migrate import program
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.once import once
from support.programs.wheels import BUILT_AT, Built, Installed, build, install
from support.revisions import revisions

DESCRIBES_ITSELF = "kms_schema-"
"""How the folder begins that says what the wheel is."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return once(tmp_path_factory, "built", build)


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    def install_it(folder: Path) -> Installed:
        return install(built.wheel_of_source, folder)

    return once(tmp_path_factory, "installed", install_it).for_one(tmp_path_factory.mktemp("work"))


def checksums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def in_wheel(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return checksums({name: archive.read(name) for name in archive.namelist()})


def in_folder(folder: Path, prefix: str) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return checksums({f"{prefix}/{file.relative_to(folder).as_posix()}": file.read_bytes() for file in files})


def test_a_build_in_another_folder_is_the_same_to_the_byte(built: Built) -> None:
    assert in_wheel(built.wheel) == in_wheel(built.wheel_of_source)  # names the file that differs
    assert built.wheel.read_bytes() == built.wheel_of_source.read_bytes()
    assert built.source.read_bytes() == built.source_of_source.read_bytes()


def test_each_file_has_the_time_of_the_commit(built: Built) -> None:
    of_commit = dt.datetime.fromtimestamp(BUILT_AT, dt.UTC)
    with zipfile.ZipFile(built.wheel) as archive:
        assert {member.date_time for member in archive.infolist()} == {of_commit.timetuple()[:6]}
    with tarfile.open(built.source) as archive:
        assert {member.mtime for member in archive} == {BUILT_AT}


def test_the_source_distribution_holds_no_file_that_git_ignores(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        names = {member.name.partition("/")[2] for member in archive}
    assert {"pyproject.toml", "docs/quickstart.md", "tests/conftest.py", "LICENSE"} <= names
    ignored = {".venv", ".git", ".ci/.cache", "build", "dist", "__pycache__"}
    assert [name for name in names if {*Path(name).parts, name[:10]} & ignored] == []


def test_pypi_shows_the_description_and_each_link_of_it(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    shown = markdown.render(metadata.get_payload(decode=True).decode("utf-8"))
    assert shown is not None
    links = re.findall(r'(?:href|src)="([^"]*)"', shown)
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert "quickstart (<code>docs/quickstart.md</code>)" in shown


def test_the_migrations_in_the_wheel_are_the_checkouts(built: Built) -> None:
    travelled = {name: sha for name, sha in in_wheel(built.wheel).items() if name.startswith("kms_schema/migrations/")}
    assert travelled == in_folder(REPOSITORY / "migrations", "kms_schema/migrations")
    assert sum(name.startswith("kms_schema/migrations/versions/") for name in travelled) == len(revisions())


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    packed = {name: sha for name, sha in in_wheel(built.wheel).items() if not name.startswith(DESCRIBES_ITSELF)}
    # rglob does not follow the link kms_schema/migrations.
    expected = in_folder(REPOSITORY / "kms_schema", "kms_schema")
    expected |= in_folder(REPOSITORY / "migrations", "kms_schema/migrations")
    assert packed == expected
    assert [name for name in packed if Path(name).name.startswith(("test_", "conftest"))] == []


def test_the_environment_knows_no_checkout_and_only_what_the_package_requires(installed: Installed) -> None:
    asks = "import kms_schema, importlib.util as u; print(kms_schema.__file__, u.find_spec('pytest'))"
    where, _, pytest_found = installed.run(installed.python, "-c", asks).stdout.rpartition(" ")
    assert Path(where).is_relative_to(installed.folder)
    assert pytest_found.strip() == "None"


@pytest.mark.parametrize(
    "as_module", [False, pytest.param(True, marks=pytest.mark.full)], ids=["console script", "python -m"]
)
@pytest.mark.only_on("sqlite")  # on PostgreSQL by `alembic`, below: its commands are the same functions
def test_commands_find_migrations_and_snapshots(
    installed: Installed, empty_database: Database, *, as_module: bool
) -> None:
    def kms_schema(*words: str) -> str:
        start = [installed.python, "-m", "kms_schema"] if as_module else [installed.program]
        done = installed.run(*start, *words, KMS_DATABASE_URL=empty_database.url)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert kms_schema("upgrade") == f"the database is at {revisions()[-1]}\n"
    assert "no drift: " in kms_schema("validate")
    assert kms_schema("sql") == program.sql(empty_database.url, "head")
    assert [line.split()[0] for line in kms_schema("history").splitlines() if line[0] != " "] == list(revisions())
    assert list(installed.work.iterdir()) == []


def test_without_a_url_no_database_is_made(installed: Installed) -> None:
    assert installed.run(installed.program, "upgrade", "003").returncode == 2
    assert list(installed.work.glob("kms.db*")) == []


def test_alembic_finds_the_migrations_in_the_package(
    installed: Installed, empty_database: Database, tmp_path: Path
) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = kms_schema:migrations\npath_separator = os\n", encoding="utf-8")

    def alembic(*words: str) -> subprocess.CompletedProcess[str]:
        alembic_of_it = (installed.python, "-m", "alembic", "-c", ini, "-x", f"url={empty_database.url}")
        done = installed.run(*alembic_of_it, *words)
        assert done.returncode == 0, done.stderr
        return done

    alembic("upgrade", "head")
    assert "No new upgrade operations detected" in alembic("check").stdout


@pytest.mark.parametrize("as_module", [False, True], ids=["console script", "python -m"])
def test_the_version_of_the_program_is_that_of_the_wheel(
    installed: Installed, built: Built, *, as_module: bool
) -> None:
    start = [installed.python, "-m", "kms_schema"] if as_module else [installed.program]
    version = installed.run(*start, "--version").stdout.split()[-1]
    assert built.wheel.name.startswith(f"kms_schema-{version}-")
