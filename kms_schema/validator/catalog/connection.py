"""The connections that the validator takes."""

import sqlite3
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import psycopg

DatabaseConnection: TypeAlias = "psycopg.Connection[Any] | sqlite3.Connection"
"""A connection of psycopg or sqlite3 that is in no transaction."""
