"""The psycopg connection of a SQLAlchemy one, for statements that must leave no transaction open."""

from typing import Any

import sqlalchemy as sa


class PostgresqlSession:
    """A session each of whose statements is a transaction of its own."""

    def __init__(self, connection: sa.Connection) -> None:
        """Use `connection`, which must not be in a transaction."""
        self.driver: Any = connection.connection.driver_connection
        self.driver_error: type[Exception] = connection.dialect.loaded_dbapi.Error

    def value(self, statement: str) -> Any:
        """Return the first value of the result of `statement`; raise the driver's errors."""
        driver = self.driver
        before, driver.autocommit = driver.autocommit, True
        try:
            # Never prepared: behind a proxy the next server process would not know the statement.
            return driver.execute(statement, prepare=False).fetchone()[0]
        finally:
            if not driver.closed:
                driver.autocommit = before

    def catalog_row(self, query: str) -> tuple[Any, ...] | None:
        """Return the first row of a query on the system catalogs, whatever the search_path; None if there is none."""
        driver = self.driver
        before, driver.autocommit = driver.autocommit, True
        try:
            with driver.transaction():
                driver.execute("SET LOCAL search_path TO pg_catalog, pg_temp")
                row: tuple[Any, ...] | None = driver.execute(query, prepare=False).fetchone()
                return row
        finally:
            if not driver.closed:
                driver.autocommit = before
