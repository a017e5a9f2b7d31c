"""All attempts of a probe."""

from collections.abc import Iterator

from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.probe import (
    audit_log,
    audit_log_on_sqlite,
    bounds,
    declared,
    keys,
    operation_records,
    recorded,
    retention,
    rotations,
    seals,
    settings,
    versions,
    wrappers,
)
from kms_schema.validator.probe.attempt import Attempt, Engine, Promise

_MODULES = (
    keys, versions, rotations, settings, audit_log, audit_log_on_sqlite, bounds, seals, recorded, retention,
    operation_records,
)  # fmt: skip


def attempts(engine: Engine, version: int, expected: Objects) -> Iterator[Attempt | Promise]:
    """Yield the attempts, with unused names; the `expected` objects of a revision decide which apply."""
    yield from attempts_in_python(version)
    yield from declared.attempts(engine, expected)


def attempts_in_python(version: int) -> Iterator[Attempt | Promise]:
    """Yield the attempts that are written in Python: at triggers, keys, and rules over several columns."""
    for module in _MODULES:
        yield from module.attempts()
    yield from wrappers.attempts(version)
