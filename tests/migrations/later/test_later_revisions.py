"""Revisions after head pass the same tests as the revisions of this package.

Each test runs tests of this repository in the copy that has 901 and 902, on the same server.
"""

import os
from pathlib import Path

import pytest

from kms_schema.snapshots import chain
from support.engines import Engine
from support.later.copies import lay_over, run_in, run_tests
from support.once import once

STEPS = ("up-to-901", "up-to-902", "down-from-902", "down-from-901")
LOCKS = "migrations/test_migration_locks.py"
CHOSEN = (
    "migrations/later/test_exchanges.py",
    "migrations/test_migrations.py::test_a_revision_goes_up_down_and_up_without_a_trace[{engine}-{head}-populated]",
    "migrations/test_migrations.py::test_a_revision_goes_up_down_and_up_without_a_trace[{engine}-901_label_versions-populated]",
    *(f"{LOCKS}::test_long_work_blocks_no_client_and_strong_locks_come_last[{{engine}}-{step}]" for step in STEPS),
    *(f"{LOCKS}::test_a_revision_locks_all_tables_and_views_at_once[{{engine}}-{step}]" for step in STEPS),
    *(f"{LOCKS}::test_an_operation_declares_the_locks_that_it_takes[{{engine}}-{step}]" for step in STEPS),
    "validator/test_validate.py::test_a_fresh_upgrade_has_no_findings",
)
"""The tests that the revisions have to pass; pytest fails where one is not there."""
OTHERS = (
    "migrations/test_offline_sql.py::test_the_script_of_an_upgrade_makes_the_same_database",
    "migrations/test_offline_sql.py::test_scripts_of_single_revisions_join_up",
    "migrations/test_offline_sql.py::test_the_script_of_a_downgrade_does_what_the_downgrade_does",
    "migrations/test_preflight.py::test_the_plan_is_what_an_upgrade_then_executes[{engine}-None]",
    "migrations/test_preflight.py::test_it_changes_nothing[{engine}-{number}]",
    "migrations/test_preflight.py::test_it_changes_nothing[{engine}-901]",
    "migrations/test_squawk.py",
    "validator/test_validate.py::test_an_older_revision_is_compared_with_its_own_snapshot",
    "validator/test_validate.py::test_the_snapshots_are_current",
    "validator/test_validate.py::test_the_chain_is_that_of_the_migrations",
)
"""Those that are about files, which differ little between the engines: on SQLite, and with --full on each."""
FULL = (
    "migrations/interruption/test_kills.py",
    "migrations/test_upgrade_under_load.py::test_clients_neither_fail_nor_wait_longer_than_promised",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "later", lambda folder: lay_over(folder / "copy"))


def test_they_are_held_to_the_same(copy: Path, engine: Engine, pytestconfig: pytest.Config) -> None:
    full = pytestconfig.getoption("--full")
    others = OTHERS if full or engine.dialect == "sqlite" else ()
    tests = (*CHOSEN, *others, *(FULL if full else ()))
    head = chain()[-1]
    names = {"engine": engine.name, "head": head, "number": head[:3]}
    run_tests(copy, engine, *(f"tests/{test}".format(**names) for test in tests))


def test_the_history_is_in_order(copy: Path) -> None:
    assert "the history is in order" in run_in(copy, "scripts/test_migrations.py")


def test_the_copy_is_another_package(copy: Path) -> None:
    where = run_in(copy, "-c", "import kms_schema, os; print(os.path.realpath(kms_schema.__file__))")
    assert where.strip().startswith(os.path.realpath(copy))
