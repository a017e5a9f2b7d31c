"""Every index has a reason: a query of the workload that it answers, a foreign key that it serves, or a rule."""

import re

import pytest

from kms_schema.snapshots import Objects, chain, load
from support.workload.queries import QUERIES
from tools.index_reasons import INDEX_REASONS

REQUIRED = (
    "idx_key_masters_dashboard_covering",
    "idx_key_rotations_scheduling_covering",
    "idx_key_masters_expiring_partial",
    "idx_key_rotations_failed_partial",
    "idx_key_audit_high_risk_partial",
    "idx_key_masters_hsm_partial",
    "idx_key_versions_lifecycle",
)
COLUMNS = re.compile(r"\(([^()]*)")
BOTH = pytest.mark.parametrize("engine", ["postgresql", "sqlite"])


def objects(engine: str) -> Objects:
    return load(engine, chain()[-1], "99" if engine == "postgresql" else "3")


def indexes(engine: str) -> dict[str, str]:
    """Return the definition of each index by its name."""
    found = objects(engine).items()
    return {
        name.partition(" ")[2]: str(attributes["definition"]) for name, attributes in found if name.startswith("index ")
    }


def constraints(engine: str, kind: str) -> dict[str, str]:
    """Return the definition of each constraint of a kind by its name."""
    found = objects(engine).items()
    return {
        name.partition(".")[2]: str(attributes["definition"])
        for name, attributes in found
        if name.startswith("constraint ") and attributes["definition"].startswith(kind)
    }


def columns(definition: str) -> list[str]:
    match = COLUMNS.search(definition.partition(" ON ")[2] if " INDEX " in definition else definition)
    assert match is not None, definition
    return [column.strip().strip('"') for column in match[1].split(",")]


@BOTH
def test_every_index_is_of_a_constraint_or_has_a_reason(engine: str) -> None:
    of_constraints = {*constraints(engine, "PRIMARY KEY"), *constraints(engine, "UNIQUE"), "alembic_version_pkc"}
    assert {name for name in indexes(engine) if name not in of_constraints} - set(INDEX_REASONS) == set()


def test_no_reason_is_of_an_index_that_is_gone() -> None:
    assert set(INDEX_REASONS) - set(indexes("postgresql")) == set()
    assert [name for name, reason in INDEX_REASONS.items() if not str(reason)] == []


@pytest.mark.parametrize("name", INDEX_REASONS)
def test_a_query_that_is_a_reason_is_answered_by_the_index(name: str) -> None:
    # test_workload_plans.py checks the indexes that a query really uses.
    assert [query for query in INDEX_REASONS[name].queries if name not in QUERIES[query].indexes] == []


def test_every_query_of_the_workload_is_a_reason_where_it_needs_an_index_of_ours() -> None:
    named = {query for reason in INDEX_REASONS.values() for query in reason.queries}
    assert {purpose for purpose, query in QUERIES.items() if {*query.indexes} & set(INDEX_REASONS)} == named


@BOTH
def test_every_foreign_key_is_served_by_an_index(engine: str) -> None:
    served = {name: reason.foreign_keys for name, reason in INDEX_REASONS.items()}
    leading = [columns(text) for text in (*indexes(engine).values(), *constraints(engine, "PRIMARY KEY").values())]
    leading += [columns(text) for text in constraints(engine, "UNIQUE").values()]
    for name, definition in constraints(engine, "FOREIGN KEY").items():
        its = columns(definition)
        assert any(each[: len(its)] == its for each in leading), f"no index begins with {its} of {name}"
        for index, keys in served.items():
            if name in keys:
                assert columns(indexes(engine)[index])[: len(its)] == its
    assert {key for keys in served.values() for key in keys} - set(constraints(engine, "FOREIGN KEY")) == set()


def test_the_names_that_the_contract_gives_are_there() -> None:
    assert [name for name in REQUIRED if name not in indexes("postgresql") or name not in indexes("sqlite")] == []
