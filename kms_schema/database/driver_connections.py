"""The types of connections. Psycopg is imported by type checkers alone: not every program has it, and it is slow."""

import sqlite3
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import psycopg

PostgresqlConnection: TypeAlias = "psycopg.Connection[Any]"
DatabaseConnection: TypeAlias = "psycopg.Connection[Any] | sqlite3.Connection"
"""A connection of either driver."""
