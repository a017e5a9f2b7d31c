"""tools/new-revision in a copy of the repository: manual are only a model's column and the SQL.

And what tools/refresh writes of the schema in one file: that it is current, and makes the schema.
"""

import sys
from contextlib import closing
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from kms_schema.snapshots import chain
from kms_schema.sql import paths
from support.catalog import catalog, differences
from support.engines import Database, Engine
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import REPOSITORY
from support.later.copies import copy_repository, run_in, run_tests
from support.programs import python
from tools import head_schema

VIEW = """-- Whom to ask about a policy.
CREATE VIEW {schema}policy_contacts AS
SELECT
    policy.policy_name,
    policy.contact
FROM {schema}rotation_policies AS policy
WHERE policy.contact IS NOT NULL;
"""
REPLACED = "touch_rotation_policy_updated_at_trigger"
CREATED = "rotation_policies/policy_contacts"
WORDS = ("--column", "rotation_policies.contact", "--replace", REPLACED, "--create", CREATED)
NAMED = f"{int(chain()[-1][:3]) + 1:03}_name_contacts"
STEP = "tests/migrations/test_migrations.py::test_a_revision_goes_up_down_and_up_without_a_trace"
CHOSEN = (
    "tests/schema/test_lifecycle_sql.py::test_a_table_file_equals_the_compiled_model",
    f"{STEP}[{{engine}}-{chain()[-1]}-populated]",
    f"{STEP}[{{engine}}-{NAMED}-populated]",
    "tests/migrations/test_migrations.py::test_models_and_database_agree",
    "tests/validator/test_validate.py::test_a_fresh_upgrade_has_no_findings",
    "tests/validator/test_validate.py::test_the_snapshots_are_current",
)


def next_version(engine: str) -> str:
    """Return the name of the file of the next version of what is replaced."""
    return f"{REPLACED}_v{len([name for name in paths(engine) if name.startswith(REPLACED)]) + 1:02}.sql"


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{file.name}: {old}"
    file.write_text(text.replace(old, new), "utf-8")


def add_to_the_model(copy: Path) -> None:
    model = copy / "kms_schema" / "models" / "rotation.py"
    rule = '        *not_blank("policy_name"),\n'
    replace(model, rule, rule + rule.replace("policy_name", "contact"))
    column = "    updated_at: Mapped[CreatedAt] = mapped_column(server_onupdate=sa.FetchedValue())\n"
    replace(model, column, f"{column}    contact: Mapped[str | None] = mapped_column(sa.String(100))\n")


def write_the_sql(copy: Path) -> None:
    folder = copy / "kms_schema" / "sql"
    for engine, schema in (("postgresql", "{schema}."), ("sqlite", "")):
        (folder / engine / "rotation_policies" / "policy_contacts_v01.sql").write_text(VIEW.format(schema=schema))
        replaced = folder / engine / "rotation_policies" / next_version(engine)
        replaced.write_text("-- Another version of it.\n" + replaced.read_text("utf-8"))


@pytest.mark.only_on("sqlite", "postgresql-18")  # the one server that --partial reads
@pytest.mark.full_on("postgresql")
def test_only_sql_is_written_for_a_column_a_trigger_and_a_view(engine: Engine, tmp_path: Path) -> None:
    copy = copy_repository(tmp_path / "copy")
    add_to_the_model(copy)
    said = run_in(copy, "tools/new-revision", "name_contacts", *WORDS)
    assert f"kms_schema/migrations/versions/{NAMED}.py" in said.splitlines()
    assert f"kms_schema/sql/sqlite/rotation_policies/{next_version('sqlite')}" in said.splitlines()
    written = (copy / "kms_schema" / "migrations" / "versions" / f"{NAMED}.py").read_text("utf-8")
    assert [line for line in written.splitlines() if " CHECK " in line and len(line) > 120] == []
    write_the_sql(copy)
    # Another one, of functions and triggers in the midst of others, and of a view that comes without a table.
    replaced = ("validate_key_version_chronology", "touch_updated_at", "sqlite/touch_hsm_configuration_updated_at")
    words = [word for name in replaced for word in ("--replace", name)]
    said = run_in(copy, "tools/new-revision", "replace_rules", *words, "--create", "views/ones")
    assert [line for line in said.splitlines() if "touch_hsm" in line and "/postgresql/" in line] == []
    run_in(copy, "scripts/test_migrations.py", "--update-checksums")
    url = [engine.url.render_as_string(hide_password=False)] if isinstance(engine, PostgresqlEngine) else []
    run_in(copy, "-m", "tools.snapshots", "--partial", *(word for each in url for word in ("--postgresql", each)))
    run_tests(copy, engine, *(test.format(engine=engine.name) for test in CHOSEN))


@pytest.fixture(scope="module")
def tool() -> Any:
    """The module of tools/new-revision."""
    loader = SourceFileLoader("new_revision", str(REPOSITORY / "tools" / "new-revision"))
    module = module_from_spec(spec_from_loader(loader.name, loader))  # type: ignore[arg-type]
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def files_of_the_package() -> set[Path]:
    """Return all files but the bytecode, which other processes may write meanwhile."""
    return {file for file in REPOSITORY.glob("kms_schema/**/*.*") if "__pycache__" not in file.parts}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("refused", "--column", "key_masters.nothing"), "key_masters.nothing: no model in kms_schema/models has it"),
        (("refused", "--column", "key_masters.key_id"), "of postgresql has it already"),
        (("refused", "--replace", "nothing"), "nothing: there is no such file"),
        (("refused", "--create", "rotations_due"), "rotations_due: postgresql has it already"),
        (("a" * 29,), "an id has at most 32 characters, not 33"),
    ],
)
def test_a_revision_that_cannot_be_written_is_reported_and_no_file_is(
    tool: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    before = files_of_the_package()
    monkeypatch.setattr(sys, "argv", ["tools/new-revision", *words])
    assert tool.main() == 1
    said = capsys.readouterr()
    assert (said.out, says in said.err) == ("", True)
    assert files_of_the_package() == before


def test_a_difference_of_versions_is_shown_for_each_engine() -> None:
    command = [sys.executable, "tools/sql-diff", "key_audit_unsealed"]
    ended = python.run(command, cwd=REPOSITORY)
    assert ended.returncode == 0, ended.stderr
    for engine in head_schema.ENGINES:
        assert f"--- kms_schema/sql/{engine}/totals/key_audit_unsealed_v01.sql" in ended.stdout
    assert "+        (SELECT seal.last_sequence FROM key_audit_seals" in ended.stdout
    command[-1] = "key_masters"
    ended = python.run(command, cwd=REPOSITORY)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "key_masters: there are no two versions of it" in ended.stderr


@pytest.mark.parametrize("dialect", head_schema.ENGINES)
def test_the_schema_in_one_file_is_current(dialect: str) -> None:
    text = head_schema.path_of(dialect).read_text("utf-8")
    assert chain()[-1] in text.splitlines()[0]
    assert text == head_schema.text_of(dialect), "run: tools/refresh"


@pytest.mark.versions("oldest and newest")
def test_the_schema_in_one_file_makes_what_an_upgrade_makes(empty_database: Database, database: Database) -> None:
    text = head_schema.path_of(database.dialect).read_text("utf-8")
    with closing(empty_database.connect()) as connection, closing(database.connect()) as usual:
        if database.dialect == "sqlite":
            connection.executescript(text)  # type: ignore[union-attr]
        else:
            connection.execute(text)  # type: ignore[arg-type]
        found = differences(catalog(usual), catalog(connection))
    assert {name for name in found if "alembic_version" not in name} == set()
