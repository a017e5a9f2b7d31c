"""Real database engines for the tests: found or installed, started, and stopped with the session."""

from support.engines.database import Database, Dialect
from support.engines.registry import DEFAULT_ENGINES, Engine, Engines, parse_names
from support.engines.unavailable import EngineUnavailableError

__all__ = [
    "DEFAULT_ENGINES",
    "Database",
    "Dialect",
    "Engine",
    "EngineUnavailableError",
    "Engines",
    "parse_names",
]
