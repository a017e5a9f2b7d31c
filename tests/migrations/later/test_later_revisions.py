"""What the revisions of this package are held to, revisions after them are held to as well, as this package made them.

Each test runs tests of this repository in the copy that has 901 and 902, on the same server.
"""

import os
from pathlib import Path

import pytest

from tests.migrations.later.copies import lay_over, run_in
from tests.support.engines import Engine
from tests.support.engines.postgresql import PostgresqlEngine
from tests.support.once import once

CHOSEN: dict[str, tuple[str, ...]] = {
    "migrations/later/test_exchanges.py": ("test_exchanges",),
    "migrations/test_migrations.py": ("without_a_trace and populated and (007 or 901)",),
    "migrations/test_offline_sql.py": ("of_an_upgrade", "single_revisions", "does_what_the_downgrade_does"),
    "migrations/test_migration_locks.py": ("(strong_locks or at_once) and (901 or 902)",),
    "migrations/test_preflight.py": ("the_plan_is_what", "it_changes_nothing"),
    "migrations/test_upgrade_under_load.py": ("neither_fail",),
    "validator/test_validate.py": ("fresh_upgrade", "older_revision", "snapshots_are_current", "the_chain_is"),
}
"""What is asked of each revision, by file."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "later", lambda folder: lay_over(folder / "copy"))


def run_tests(copy: Path, *words: str, **environment: str) -> str:
    return run_in(copy, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "--tb=short", *words, **environment)


@pytest.mark.parametrize("kills", [False, True], ids=["what each is asked", "kills"])
def test_they_are_held_to_the_same(copy: Path, engine: Engine, *, kills: bool) -> None:
    environment = {}
    if isinstance(engine, PostgresqlEngine):
        _, major = engine.name.split("-")
        environment[f"KMS_TEST_POSTGRESQL_{major}"] = engine.url.render_as_string(hide_password=False)
    files = ["migrations/interruption/test_kills.py"] if kills else [*CHOSEN]
    expression = "test" if kills else " or ".join(f"({each})" for names in CHOSEN.values() for each in names)
    chosen = [f"tests/{file}" for file in files]
    said = run_tests(copy, f"--engines={engine.name}", *chosen, "-k", expression, **environment)
    assert " passed" in said


def test_history_and_scripts_are_in_order(copy: Path) -> None:
    assert "the history is in order" in run_in(copy, "scripts/test_migrations.py")
    assert " passed" in run_tests(copy, "tests/migrations/test_squawk.py")


def test_the_copy_is_another_package(copy: Path) -> None:
    where = run_in(copy, "-c", "import kms_schema, os; print(os.path.realpath(kms_schema.__file__))")
    assert where.strip().startswith(os.path.realpath(copy))
