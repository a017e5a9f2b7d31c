"""A hardened database, and the two who would get past its guards: the owner of the tables, and a superuser."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from kms_schema.hardening.applying import apply
from kms_schema.hardening.definition import event_triggers
from support.engines import Database
from support.login_roles import login
from support.statements import execute
from tests.roles.granted import HAND_OVER

HOST = """CREATE TABLE host_orders (id integer PRIMARY KEY, key_id varchar(64), note text);
CREATE TABLE host_lines (id integer PRIMARY KEY)"""
"""What somebody else has in the same schema."""


@dataclass(frozen=True)
class Hardened:
    """The database as a superuser and as the owner of the tables have it; neither connection is in a transaction."""

    database: Database
    superuser: psycopg.Connection
    owner: psycopg.Connection
    owner_name: str

    def session(self, who: str) -> psycopg.Connection:
        """Return the connection of `owner` or `superuser`."""
        return {"owner": self.owner, "superuser": self.superuser}[who]

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Switch event triggers off for a superuser's transaction, which is rolled back; all, unless some are named."""
        with self.superuser.transaction(force_rollback=True):
            for trigger in event_triggers("public"):
                if not names or trigger.name in names:
                    execute(self.superuser, f"ALTER EVENT TRIGGER {trigger.name} DISABLE")
            yield


@contextmanager
def hardened(database: Database) -> Iterator[Hardened]:
    """Give everything to a role that logs in, and harden; that role owns a host's tables, too."""
    with login(database) as owned, closing(database.connect()) as superuser:
        assert isinstance(superuser, psycopg.Connection)
        name = owned.url.split("//")[1].split(":")[0]
        execute(superuser, HAND_OVER.replace("{owner}", name))
        execute(
            superuser,
            f"GRANT USAGE, CREATE ON SCHEMA public TO {name}; GRANT CREATE ON DATABASE {database.name} TO {name}",
        )
        with closing(owned.connect()) as owner:
            assert isinstance(owner, psycopg.Connection)
            execute(owner, HOST)
            assert apply(superuser)
            try:
                yield Hardened(database, superuser, owner, name)
            finally:
                # Whoever takes the role away drops what it owns.
                for trigger in event_triggers("public"):
                    execute(superuser, f"DROP EVENT TRIGGER IF EXISTS {trigger.name}")
