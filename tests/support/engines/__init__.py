"""Real database engines for the tests: found or installed, started, and stopped with the session."""

from tests.support.engines.database import Database, Dialect
from tests.support.engines.registry import DEFAULT_ENGINES, Engine, Engines, parse_names
from tests.support.engines.unavailable import EngineUnavailableError

__all__ = [
    "DEFAULT_ENGINES",
    "Database",
    "Dialect",
    "Engine",
    "EngineUnavailableError",
    "Engines",
    "parse_names",
]
