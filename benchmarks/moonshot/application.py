"""The application: a table whose values are encrypted with a key that is due for rotation."""

import base64
import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kms_schema.crypto import RootKeys
from kms_schema.keyring import CachePolicy, EncryptedColumn, KeyRing
from support.engines import Database
from support.statements import execute

ROOT = "kms://root"
KEK = "kek"
AGE = dt.timedelta(days=91)
"""How long the key is in use; a policy rotates it after 90 days."""
_A_STATEMENT = 5_000
_DIGITS = 10
_POLICY = (
    "INSERT INTO rotation_policies (policy_name, key_type, rotation_interval_days) VALUES ('quarterly', 'dek', 90)"
)


@dataclass(frozen=True)
class Application:
    """An application with one key and one table: both have the same name."""

    database: Database
    root: Path
    """The file of the root key."""
    name: str
    rows: int
    max_age: float
    """That of the rings of all processes, in seconds."""

    @property
    def root_key(self) -> tuple[str, str]:
        """The option of commands for the root key."""
        return "--root-key", f"{ROOT}={self.root}"

    @property
    def column(self) -> str:
        """The name of the encrypted column."""
        return f"{self.name}.iban"

    @contextmanager
    def opened(self) -> Iterator[tuple[sa.Engine, KeyRing, sa.Table]]:
        """Open an engine, a ring and the table, as a process of the application does."""
        table = sa.Table(
            self.name, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("iban", EncryptedColumn(self.name)),
        )  # fmt: skip
        engine = self.database.engine()
        try:
            with (
                RootKeys.from_files({ROOT: self.root}) as roots,
                KeyRing(engine, roots, cache=CachePolicy(max_age=self.max_age)) as ring,
            ):
                ring.attach(table.metadata)
                yield engine, ring, table
        finally:
            engine.dispose()

    def fill(self) -> None:
        """Create the key, which is due, and the table with its rows."""
        with self.opened() as (engine, ring, table):
            ring.create(self.name, under=KEK, activated_at=dt.datetime.now(dt.UTC) - AGE)
            table.create(engine)
            for first in range(1, self.rows + 1, _A_STATEMENT):
                rows = range(first, min(first + _A_STATEMENT, self.rows + 1))
                with engine.begin() as connection:
                    connection.execute(table.insert(), [{"id": each, "iban": text_of(each)} for each in rows])
        self.change("ANALYZE")

    def change(self, statement: str, **parameters: Any) -> None:
        """Run a statement on a connection of its own."""
        with closing(self.database.connect()) as connection:
            execute(connection, statement, parameters)

    def value(self, query: str, **parameters: Any) -> Any:
        """Return the first value of a query."""
        with closing(self.database.connect()) as connection:
            return execute(connection, query, parameters).fetchall()[0][0]


def prepare(database: Database, folder: Path) -> None:
    """Write a root key to a file of `folder`, and create the KEK and the policy in the database."""
    root = folder / "root.key"
    root.touch(0o600)
    root.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    engine = database.engine()
    with RootKeys.from_files({ROOT: root}) as roots, KeyRing(engine, roots) as ring:
        ring.create(KEK, under=ROOT, key_type="kek")
    engine.dispose()
    with closing(database.connect()) as connection:
        execute(connection, _POLICY)


def text_of(row: int, turn: int = 0) -> str:
    """Return the value of a row after it was written `turn` times."""
    return f"DE{row:0{_DIGITS}}{turn:0{_DIGITS}}"


def is_of(text: str, row: int) -> bool:
    """Return whether a text is a value of a row."""
    return text.startswith(text_of(row)[:-_DIGITS]) and text[-_DIGITS:].isdecimal()
