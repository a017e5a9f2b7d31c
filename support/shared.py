"""The value of the fixture `shared`."""

from dataclasses import dataclass

from support.engines.database import Connection, Dialect


@dataclass(frozen=True)
class SharedDatabase:
    """A migrated database seen through one open transaction, which is rolled back after the test.

    `now()` stands still in it on PostgreSQL. The next test has the same connection. A test that commits, needs a second
    connection, closes this one or changes the schema takes the fixture `database` instead.
    """

    engine_name: str
    dialect: Dialect
    connection: Connection
