"""A trail whose oldest entries have expired, and a login that may remove them."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psycopg

from kms_schema.audit.retention.retain import Retained, retain
from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import drop_roles, login
from tests.audit.aged import age
from tests.audit.sealers import plain, retain_on_postgresql, retain_on_sqlite, start
from tests.audit.trails import KEY, open_trail, seal_all, write

EXPIRED, KEPT = 30, 5
YEARS = 8 * 365


@dataclass(frozen=True)
class Retaining:
    """A database, and the same for a login that seals and ends retention periods; on SQLite they are the same."""

    database: Database
    retention: Database
    prefix: str = ""

    def write(self, *, expired: int = EXPIRED, kept: int = KEPT) -> None:
        """Write entries that were to be kept until a year ago, and others; each part under seals of its own."""
        with closing(self.database.connect()) as connection:
            write(connection, expired)
            age(self.database, YEARS)
            seal_all(connection)
            write(connection, kept)
            seal_all(connection)

    def retain(self, folder: Path) -> list[Retained]:
        with closing(self.retention.connect()) as connection:
            return list(retain(open_trail(connection), KEY, folder))

    def write_tombstone(self, folder: Path) -> None:
        """Retain up to the tombstone: its entries are not removed."""
        with suppress(InterruptedError), closing(self.retention.connect()) as connection:
            list(retain(open_trail(connection), KEY, folder, sealed=_interrupted))

    @property
    def address(self) -> str:
        """The file on SQLite, on PostgreSQL the URL of the login, as `sealers` takes them."""
        return self.database.name if self.database.dialect == "sqlite" else plain(self.retention.url)

    def start_process(self, folder: Path) -> ForkServerProcess:
        """Retain in a process of its own."""
        work = retain_on_sqlite if self.database.dialect == "sqlite" else retain_on_postgresql
        return start(work, self.address, str(folder))


def _interrupted(_seal: object) -> None:
    raise InterruptedError


@contextmanager
def retaining(database: Database, *, owner: bool = False) -> Iterator[Retaining]:
    """Give a database its roles, on PostgreSQL, and a login that may end retention periods.

    With `owner` it belongs to kms_owner, and else to a superuser.
    """
    if database.dialect == "sqlite":
        yield Retaining(database, database)
        return
    prefix = f"t{secrets.token_hex(4)}_"
    with ExitStack() as stack:
        connection = stack.enter_context(closing(database.connect()))
        assert isinstance(connection, psycopg.Connection)
        apply(connection, prefix=prefix, owner=owner)
        stack.callback(drop_roles, connection, *(prefix + role for role in Role))
        roles = (prefix + Role.SEALER, prefix + Role.RETENTION)
        yield Retaining(database, stack.enter_context(login(database, *roles)), prefix)
