"""The plugin as another project meets it: a folder of its own, a pytest of its own, and our entry point."""

import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from support.engines import Database
from support.engines.programs import REPOSITORY
from support.reports import run

pytest_plugins = ["pytester"]

DRIFT = "CREATE INDEX extra ON key_audit_logs (user_id)"
MATCHES = "def test_schema(kms_schema_matches):\n    assert kms_schema_matches.engine\n"
WITHOUT_OTHERS = "-p no:alembic -p no:hypothesispytest -p no:cacheprovider"
ACCEPTED = "[[waiver]]\ncode = 'KMS132'\nreason = 'TICKET-7'\nexpires = 9999-12-31\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project in whose environment the package is installed, as far as pytest can tell."""
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    installed = pytester.mkdir("site")
    information = installed / "downstream_kms_schema-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: downstream-kms-schema\nVersion: 1\n")
    lines = [f"{name} = {module}" for name, module in declared["pytest11"].items()]
    (information / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", f"{installed}:{REPOSITORY}")
    for name in ("KMS_DATABASE_URL", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    # These plugins of our environment take two seconds of each run to import; one test has them beside ours.
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_OTHERS)
    return pytester


on_either_engine = pytest.mark.only_on("sqlite")
"""What goes on between pytest and the plugin; the tests before it have the connections, on each engine."""


def drift(database: Database) -> None:
    with closing(database.connect()) as connection:
        run(connection, DRIFT)


def test_a_database_as_the_package_made_it_passes(
    project: pytest.Pytester, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside every other plugin that is installed here."""
    monkeypatch.delenv("PYTEST_ADDOPTS")
    project.makepyfile(MATCHES)
    project.runpytest_subprocess("--kms-database-url", database.url).assert_outcomes(passed=1)


def test_the_message_is_the_report_and_no_traceback(project: pytest.Pytester, database: Database) -> None:
    drift(database)
    project.makepyfile(MATCHES)
    result = project.runpytest_subprocess("--kms-database-url", database.url)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["error KMS132 index extra: index unexpected", "  fix:      DROP INDEX *extra;", "drift detected: 1 error*"]
    )
    assert "kms_schema/" not in result.stdout.str()


@on_either_engine
@pytest.mark.parametrize("how", ["environment", "configuration"])
def test_the_url_is_taken_from(
    project: pytest.Pytester, database: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "environment":
        monkeypatch.setenv("KMS_DATABASE_URL", database.url)
    else:
        project.makeini(f"[pytest]\nkms_database_url = {database.url}\n")
    project.makepyfile(MATCHES)
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_project_gives_a_connection_of_its_own(project: pytest.Pytester, database: Database) -> None:
    driver = "sqlite3" if database.dialect == "sqlite" else "psycopg"
    place = database.url.removeprefix("sqlite:///").replace("postgresql+psycopg", "postgresql")
    project.makeconftest(
        f"import {driver}, pytest\n\n@pytest.fixture(scope='session')\ndef kms_schema_connection():\n"
        f"    connection = {driver}.connect({place!r})\n    yield connection\n    connection.close()\n"
    )
    project.makepyfile(MATCHES)
    project.runpytest_subprocess().assert_outcomes(passed=1)
    drift(database)
    project.runpytest_subprocess().assert_outcomes(errors=1)


@on_either_engine
def test_the_assertion_fails_the_test_that_makes_it(project: pytest.Pytester, database: Database) -> None:
    """Beside it, the report is there for assertions of the project's own."""
    drift(database)
    project.makepyfile(
        "def test_one_index(kms_schema_report):\n"
        "    assert 'KMS132' in [each.code for each in kms_schema_report.findings]\n\n"
        "from kms_schema.pytest_plugin import assert_schema_matches\n\n"
        "def test_schema(kms_schema_connection):\n    assert_schema_matches(kms_schema_connection, strict=True)\n"
    )
    result = project.runpytest_subprocess("--kms-database-url", database.url)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["error KMS132 index extra: index unexpected"])


@on_either_engine
def test_waivers_are_found_beside_the_configuration(project: pytest.Pytester, database: Database) -> None:
    drift(database)
    project.makeini("[pytest]\nkms_waivers = accepted.toml\n")
    (project.path / "accepted.toml").write_text(ACCEPTED, encoding="utf-8")
    project.mkdir("elsewhere")
    (project.path / "elsewhere" / "test_it.py").write_text(MATCHES, encoding="utf-8")
    url = ("--kms-database-url", database.url)
    project.runpytest_subprocess(*url, "elsewhere").assert_outcomes(passed=1)
    (project.path / "accepted.toml").write_text("[[waiver]]\n", encoding="utf-8")
    result = project.runpytest_subprocess(*url)
    result.stdout.fnmatch_lines(["no verdict: *accepted.toml, waiver 1 (line 1): there is no *"])


FAULTS = {
    "nothing is given": ([], "there is no database to check*kms_schema_connection*--kms-database-url*"),
    "no URL": (["--kms-database-url", "kms.db"], "not a database URL*"),
    "no such file": (["--kms-database-url", "sqlite:///no.db"], "there is no file no.db*"),
    "no database": (["--kms-database-url", "sqlite:///test_it.py"], "no verdict: file is not a*"),
    "no server": (
        ["--kms-database-url", "postgresql://me:hunter2@127.0.0.1:1/kms"],
        "*postgresql://me:[*][*][*]@127.0.0.1:1/*",
    ),
}


IN_EACH_RUN = ("nothing is given", "no server")
"""The others are told in the sentences of `kms-schema validate`."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(*fault, id=name, marks=() if name in IN_EACH_RUN else pytest.mark.full)
        for name, fault in FAULTS.items()
    ],
)
def test_a_fault_is_a_sentence_without_a_password(project: pytest.Pytester, arguments: list[str], message: str) -> None:
    project.makepyfile(test_it=MATCHES + "#" * 5000)
    result = project.runpytest_subprocess(*arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
    assert "hunter2" not in result.stdout.str() + result.stderr.str()


def test_a_run_that_does_not_use_it_imports_nothing_and_touches_no_database(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMS_DATABASE_URL", "postgresql://127.0.0.1:1/kms")
    project.makepyfile(
        "import sys\n\ndef test_it(request):\n    assert request.config.pluginmanager.get_plugin('kms_schema')\n"
        "    ours = {name for name in sys.modules if name.startswith('kms_schema')}\n"
        "    assert ours == {'kms_schema', 'kms_schema._version', 'kms_schema.pytest_plugin'}\n"
        "    assert not {'sqlalchemy', 'alembic', 'psycopg', 'click', 'sqlite3'} & sys.modules.keys()\n"
    )
    result = project.runpytest_subprocess("-p", "no:alembic", "-p", "no:hypothesispytest", "-W", "error")
    result.assert_outcomes(passed=1)
    assert "kms" not in result.stdout.str().replace("plugins: ", "").split("test session starts")[0]


def test_it_can_be_switched_off(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(request):\n    assert 'kms_database_url' not in vars(request.config.option)\n")
    project.runpytest_subprocess("-p", "no:kms_schema").assert_outcomes(passed=1)


def test_its_fixtures_are_listed_with_what_they_do(project: pytest.Pytester) -> None:
    listed = project.runpytest_subprocess("--fixtures").stdout.str()
    assert "Fail if there is drift" in listed


def test_importing_the_package_is_cheap(tmp_path: Path) -> None:
    program = (
        "import sys, kms_schema; before = set(sys.modules);"
        " ours = {name for name in before if name.startswith('kms_schema.')};"
        " assert ours == {'kms_schema._version'}, ours;"
        " assert set(dir(kms_schema)) >= {'validate', 'Report', 'Waiver', 'read_waivers', 'render'};"
        " print(*(getattr(kms_schema, name) is not None for name in kms_schema.__all__));"
        " assert not {'sqlalchemy', 'alembic', 'psycopg', 'click'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert (done.returncode, set(done.stdout.split())) == (0, {"True"}), done.stderr
