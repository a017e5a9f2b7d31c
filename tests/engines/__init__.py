"""Real database engines for the tests: found or installed, started, and stopped with the session."""

from tests.engines.database import Database, Dialect
from tests.engines.registry import DEFAULT_ENGINES, Engine, Engines, parse_names
from tests.engines.unavailable import EngineUnavailableError

__all__ = [
    "DEFAULT_ENGINES",
    "Database",
    "Dialect",
    "Engine",
    "EngineUnavailableError",
    "Engines",
    "parse_names",
]
