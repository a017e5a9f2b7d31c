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


def attempts(engine: Engine, version: int, expected: Objects) -> Iterator[Attempt | Promise]:
    """Yield the attempts, with unused names; the `expected` objects of a revision decide which apply."""
    yield from attempts_in_python(version)
    yield from declared.attempts(engine, expected)


def attempts_in_python(version: int) -> Iterator[Attempt | Promise]:
    """Yield the attempts that are written in Python: at triggers, keys, and rules over several columns."""
    yield from keys.attempts()
    yield from versions.attempts()
    yield from wrappers.attempts_at_tags()
    yield from wrappers.attempts(version)
    yield from rotations.attempts()
    yield from settings.attempts()
    yield from audit_log.attempts()
    yield from audit_log_on_sqlite.attempts()
    yield from bounds.attempts()
    yield from seals.attempts()
    yield from recorded.attempts()
    yield from retention.attempts()
    yield from operation_records.attempts_at_totals()
    yield from operation_records.attempts()
