"""Everything that a probe tries."""

from collections.abc import Iterator

from kms_schema.validation.catalog import Objects
from kms_schema.validation.probing import keys, versions, wrappers
from kms_schema.validation.probing.attempt import Attempt, Engine, Promise


def attempts(engine: Engine, version: int, expected: Objects) -> Iterator[Attempt | Promise]:
    """Yield each attempt, about rows that nobody has; which of them a revision knows, its `expected` objects say."""
    del engine, expected
    yield from keys.attempts()
    yield from versions.attempts()
    yield from wrappers.attempts(version)
