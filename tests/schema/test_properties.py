"""Random sequences of operations reach no forbidden state, and both engines take and refuse the same ones.

`KMS_TEST_EXAMPLES=5000 pytest tests/schema/test_properties.py` looks further than the few fixed sequences that are
tried otherwise, and differently each time.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from support.engines import Engines
from support.random_operations import operations, rotations, versions
from support.random_operations.invariants import forbidden_states
from support.random_operations.operations import Operation
from support.random_operations.refusals import may_be_of_one_operation
from support.random_operations.stores import Store, logical
from support.random_operations.transitions import forbidden_changes
from support.rows.table_dump import TableDump
from support.rows.usual import usual_rows

EXAMPLES = int(os.environ.get("KMS_TEST_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 8,
    stateful_step_count=40 if EXAMPLES else 30,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
CONFLICTS = ("", "", "", "OR REPLACE", "OR REPLACE", "OR IGNORE", "OR FAIL")
"""Conflict clauses that a SQLite client may add to an INSERT or UPDATE; they must change nothing."""

PARTIAL = ("OR IGNORE", "OR FAIL")
"""These leave what a statement did to the rows before the one that was refused, which nothing else does."""

OpenStores = Callable[[ExitStack], list[Store]]


def made_of(draw: Callable[[Any, TableDump], Operation], table: str | None = None) -> Any:
    """Return the rule that makes an operation that `draw` draws, as soon as `table` has rows for it."""

    def make(self: "Machine", data: Any, conflict: str) -> None:
        self.make(draw(data, self.stores[0].dump), conflict)

    make.__name__ = draw.__name__
    worthwhile = precondition(lambda self: table is None or self.stores[0].dump[table])
    return worthwhile(rule(data=st.data(), conflict=st.sampled_from(CONFLICTS))(make))


class Machine(RuleBasedStateMachine):
    """Makes each operation in every store, and compares."""

    def __init__(self, open_stores: OpenStores) -> None:
        super().__init__()
        self._opened = ExitStack()
        self.stores = open_stores(self._opened)

    def teardown(self) -> None:
        self._opened.close()

    def make(self, operation: Operation, conflict: str = "") -> None:
        if len(operation.ids) > 1 and conflict in PARTIAL:
            conflict = ""
        before = [store.dump for store in self.stores]
        outcomes = [store.make(operation, conflict) for store in self.stores]
        note(f"{conflict} {operation}: {outcomes}")
        for store, earlier in zip(self.stores, before, strict=True):
            assert forbidden_states(store.dump) == [], store.name
            assert forbidden_changes(earlier, store.dump) == [], store.name
        first, *others = outcomes
        for store, outcome in zip(self.stores[1:], others, strict=True):
            assert outcome.rows == first.rows, f"{self.stores[0].name} and {store.name} disagree: {outcomes}"
            assert logical(store.dump) == logical(self.stores[0].dump)
            if conflict != "OR IGNORE":
                assert (first.refused_by is None) == (outcome.refused_by is None), outcomes
            if conflict != "OR IGNORE" and len(operation.ids) <= 1:  # rows are visited in each engine's own order
                assert may_be_of_one_operation(outcome.refused_by or "", first.refused_by or ""), outcomes

    @initialize(empty=st.sampled_from([False] * 5 + [True]))
    def begin(self, empty: bool) -> None:
        if not empty:
            for operation in usual_rows():
                self.make(operation)

    add_key = made_of(operations.add_key)
    change_key_status = made_of(operations.change_key_status, "key_masters")
    change_key_time = made_of(operations.change_key_time, "key_masters")
    change_key = made_of(operations.change_key, "key_masters")
    reparent_two_keys = made_of(operations.reparent_two_keys, "key_masters")
    delete_key = made_of(operations.delete_key, "key_masters")
    add_version = made_of(versions.add_version, "key_masters")
    activate_version = made_of(versions.activate_version, "key_versions")
    destroy_version = made_of(versions.destroy_version, "key_versions")
    rewrap_version = made_of(versions.rewrap_version, "key_versions")
    rewrap_several_versions = made_of(versions.rewrap_several_versions, "key_versions")
    change_version = made_of(versions.change_version, "key_versions")
    delete_version = made_of(versions.delete_version, "key_versions")
    add_policy = made_of(rotations.add_policy)
    change_policy = made_of(rotations.change_policy, "rotation_policies")
    delete_policy = made_of(rotations.delete_policy, "rotation_policies")
    add_rotation = made_of(rotations.add_rotation, "key_masters")
    move_rotation = made_of(rotations.move_rotation, "key_rotations")
    change_rotation = made_of(rotations.change_rotation, "key_rotations")
    delete_rotation = made_of(rotations.delete_rotation, "key_rotations")
    add_hsm_configuration = made_of(rotations.add_hsm_configuration)
    change_hsm_configuration = made_of(rotations.change_hsm_configuration, "hsm_configurations")
    delete_hsm_configuration = made_of(rotations.delete_hsm_configuration, "hsm_configurations")
    append_audit_entry = made_of(rotations.append_audit_entry)
    change_audit_entry = made_of(rotations.change_audit_entry)


def sqlite_store(engines: Engines, name: str, opened: ExitStack, *, guarded: bool) -> Store:
    """Return a database in memory: as a plain client has it, or with foreign keys and recursive triggers on."""
    connection = opened.enter_context(closing(sqlite3.connect(":memory:", isolation_level=None)))
    with closing(engines.migrated(name, "template").connect()) as template:
        assert isinstance(template, sqlite3.Connection)
        template.backup(connection)
    connection.execute(f"PRAGMA foreign_keys = {guarded:d}")
    connection.execute(f"PRAGMA recursive_triggers = {guarded:d}")
    return Store(f"{name}, {'configured' if guarded else 'plain'}", connection)


def test_random_operations_go_the_same_on_every_engine(
    engines: Engines, engine_name: str, pytestconfig: pytest.Config
) -> None:
    """PostgreSQL against a plain SQLite client; SQLite against itself, configured as the package does it."""
    sqlite = engine_name if engine_name.startswith("sqlite") else "sqlite"

    def open_stores(opened: ExitStack) -> list[Store]:
        plain = sqlite_store(engines, sqlite, opened, guarded=False)
        if sqlite == engine_name:
            return [plain, sqlite_store(engines, sqlite, opened, guarded=True)]
        engine = engines[engine_name]
        database = engine.create(engines.migrated(engine_name, "template"))
        opened.callback(engine.drop, database)
        return [plain, Store(engine_name, opened.enter_context(closing(database.connect())))]

    chosen = settings(SETTINGS, max_examples=60) if pytestconfig.getoption("--full") and not EXAMPLES else SETTINGS
    run_state_machine_as_test(lambda: Machine(open_stores), settings=chosen)
