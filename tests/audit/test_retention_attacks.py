"""Who removes entries: nobody but by the one way, nothing but what is past its period, and only under a tombstone."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.audit.retention.retain import retain
from kms_schema.audit.storage.errors import TrailError
from kms_schema.roles.definition import Role
from support.engines import Database, Engines
from support.engines.database import Connection
from support.login_roles import login
from support.statements import execute
from tests.audit.aged import age
from tests.audit.retaining import YEARS, Retaining, retaining
from tests.audit.trails import KEY, open_trail, write, written_sequences

WRITTEN_ONCE, NO_RIGHT = "23001", "42501"
NO_DELETE = "prevent_key_audit_log_delete"
DELETES = {
    "to be kept": "DELETE FROM key_audit_logs WHERE sequence = {kept}",
    "to be kept, under a tombstone": "DELETE FROM key_audit_logs WHERE sequence = 4",
    "expired, without a tombstone": "DELETE FROM key_audit_logs WHERE sequence = {bare}",
    "expired, under a tombstone": "DELETE FROM key_audit_logs WHERE sequence = 2",
    "a beginning that reaches too far": "DELETE FROM key_audit_logs WHERE sequence <= {kept}",
    "everything": "DELETE FROM key_audit_logs",
}
TRUNCATES = {
    statement: statement
    for statement in (
        "TRUNCATE key_audit_logs",
        "TRUNCATE key_audit_logs CASCADE",
        "TRUNCATE key_masters CASCADE",
        "TRUNCATE key_audit_seals CASCADE",
        "TRUNCATE key_audit_tombstones",
        "TRUNCATE key_audit_retention_policies",
    )
}
UNDER_A_TOMBSTONE = "expired, under a tombstone"
BY_THE_RULES = dict.fromkeys({**DELETES, **TRUNCATES}, WRITTEN_ONCE)
WITHOUT_A_RIGHT = dict.fromkeys(BY_THE_RULES, NO_RIGHT)
RETENTION = {**dict.fromkeys(DELETES, WRITTEN_ONCE), **dict.fromkeys(TRUNCATES, NO_RIGHT)}
REPLICA, RESTORE = "SET session_replication_role = replica", "SET kms.restore = 'on'"
WHO: dict[str, tuple[tuple[Role, ...], str, dict[str, str]]] = {
    "a superuser": ((), "SELECT", BY_THE_RULES),
    "a superuser as a replica": ((), REPLICA, BY_THE_RULES),
    "a superuser who restores": ((), RESTORE, BY_THE_RULES),
    "who owns the trail": ((Role.OWNER,), "SELECT", BY_THE_RULES),
    "who owns the trail, SET ROLE": ((Role.OWNER,), "SET ROLE {prefix}kms_owner", BY_THE_RULES),
    "who owns the trail and restores": ((Role.OWNER,), RESTORE, BY_THE_RULES),
    "application": ((Role.APP,), "SELECT", WITHOUT_A_RIGHT),
    "rotator": ((Role.ROTATOR,), "SELECT", WITHOUT_A_RIGHT),
    "administrator": ((Role.ADMIN,), "SELECT", WITHOUT_A_RIGHT),
    "auditor": ((Role.AUDITOR,), "SELECT", WITHOUT_A_RIGHT),
    "sealer": ((Role.SEALER,), "SELECT", WITHOUT_A_RIGHT),
    "retention": ((Role.RETENTION,), "SELECT", WITHOUT_A_RIGHT),
    "retention who restores": ((Role.RETENTION,), RESTORE, WITHOUT_A_RIGHT),
    "retention, SET ROLE": ((Role.RETENTION,), "SET ROLE {prefix}kms_retention", WITHOUT_A_RIGHT),
    "remover": ((Role.REMOVER,), "SELECT", RETENTION),
    "remover, SET ROLE": (
        (Role.REMOVER,), "SET ROLE {prefix}kms_remover", {**RETENTION, UNDER_A_TOMBSTONE: "1 gone"},
    ),
    "remover who restores, SET ROLE": (
        (Role.REMOVER,), f"{RESTORE}; SET ROLE {{prefix}}kms_remover", {**RETENTION, UNDER_A_TOMBSTONE: "1 gone"},
    ),
}  # fmt: skip
"""Roles, what is set first, and what comes of each attack."""


@dataclass(frozen=True)
class Scene:
    """A trail with a tombstone for its beginning, which is still there, and what came after it."""

    place: Retaining
    bare: int
    """The sequence of an entry that is past its period, and under no tombstone."""
    kept: int

    def statements(self) -> dict[str, str]:
        deletes = {name: each.format(kept=self.kept, bare=self.bare) for name, each in DELETES.items()}
        return deletes if self.place.database.dialect == "sqlite" else deletes | TRUNCATES

    @contextmanager
    def session(self, roles: tuple[Role, ...]) -> Iterator[Connection]:
        """Log in as a member of roles, or as a superuser."""
        with ExitStack() as stack:
            database = self.place.database
            if roles:
                database = stack.enter_context(login(database, *(self.place.prefix + role for role in roles)))
            yield stack.enter_context(closing(database.connect()))


@pytest.fixture(scope="module")
def scene(engines: Engines, engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    with retaining(database, owner=True) as place, closing(database.connect()) as connection:
        place.write(kept=0)
        place.write_tombstone(tmp_path_factory.mktemp("archive"))
        age(database, 0, kept=36500, rows="sequence = 4")  # as if the tombstone were for what is to be kept
        write(connection, 1)
        bare = written_sequences(connection)[-1]
        age(database, YEARS, rows=f"sequence = {bare}")
        write(connection, 1)
        yield Scene(place, bare, bare + 1)
    engine.drop(database)


def ended(connection: Connection, statement: str) -> str:
    """Return how an attack ends."""
    try:
        return f"{execute(connection, statement).rowcount} gone"
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    except sqlite3.IntegrityError as error:
        return WRITTEN_ONCE if str(error).startswith(NO_DELETE) else str(error)


def outcome(connection: Connection, statement: str) -> str:
    """Return how an attack ends, and take it back."""
    execute(connection, "BEGIN")
    found = ended(connection, statement)
    execute(connection, "ROLLBACK")
    return found


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("who", WHO)
def test_only_retention_removes_entries_and_only_under_a_tombstone(scene: Scene, who: str) -> None:
    roles, first, comes_of_it = WHO[who]
    with scene.session(roles) as connection:
        execute(connection, first.format(prefix=scene.place.prefix))
        assert {name: outcome(connection, each) for name, each in scene.statements().items()} == comes_of_it


@pytest.mark.only_on("sqlite")
def test_on_sqlite_anybody_removes_what_is_under_a_tombstone_and_nothing_else(scene: Scene) -> None:
    """There are no roles: who writes the file may do what retention may."""
    with scene.session(()) as connection:
        execute(connection, "PRAGMA ignore_check_constraints = on")
        found = {name: outcome(connection, each) for name, each in scene.statements().items()}
    assert found == {**dict.fromkeys(DELETES, WRITTEN_ONCE), UNDER_A_TOMBSTONE: "1 gone"}


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("role", "comes_of_it"),
    [(role, WRITTEN_ONCE if role in {Role.RETENTION, Role.REMOVER} else NO_RIGHT) for role in Role],
)
def test_the_function_is_for_retention_alone(scene: Scene, role: Role, comes_of_it: str) -> None:
    """Retention may call it; it stops at the entry that is to be kept and is under a tombstone all the same."""
    with scene.session((role,)) as connection:
        assert outcome(connection, "SELECT remove_expired_key_audit_logs()") == comes_of_it


@pytest.mark.only_on("postgresql")
def test_a_function_that_was_given_to_another_removes_no_more_than_for_retention(scene: Scene) -> None:
    """The owner of the function may remove entries, whichever role it is; the removed entries are the same."""
    removal = "FUNCTION remove_expired_key_audit_logs()"
    tables = "key_audit_logs, key_audit_tombstones, key_audit_seals, key_audit_leaves"
    rights = (f"DELETE, SELECT ON {tables}", f"EXECUTE ON {removal}")
    with login(scene.place.database, *rights) as seen, scene.session(()) as superuser:
        mallory = sa.make_url(seen.url).username
        execute(superuser, "BEGIN")
        execute(superuser, f"ALTER TABLE key_audit_logs DISABLE ROW LEVEL SECURITY; ALTER {removal} OWNER TO {mallory}")
        execute(superuser, f"SET ROLE {mallory}")
        found = {}
        for name, statement in scene.statements().items():
            execute(superuser, "SAVEPOINT attack")
            found[name] = ended(superuser, statement)
            execute(superuser, "ROLLBACK TO attack")
        execute(superuser, "ROLLBACK")
    assert found == {**RETENTION, UNDER_A_TOMBSTONE: "1 gone"}


@pytest.mark.only_on("postgresql")
def test_nothing_is_exported_if_no_role_may_remove_entries(database: Database, tmp_path: Path) -> None:
    """Without the role retention refuses, and leaves neither archive nor tombstone."""
    with retaining(database) as place, closing(database.connect()) as connection:
        place.write()
        refusal = pytest.raises(TrailError, match=f"as a member of {place.prefix}kms_retention")
        with login(database, place.prefix + Role.SEALER) as sealer, closing(sealer.connect()) as seen, refusal:
            list(retain(open_trail(seen), KEY, tmp_path))
        execute(connection, "ALTER FUNCTION remove_expired_key_audit_logs() OWNER TO CURRENT_USER")
        entries = written_sequences(connection)
        with pytest.raises(TrailError, match="run kms-schema roles --apply"):
            list(retain(open_trail(connection), KEY, tmp_path))
        with pytest.raises(TrailError, match="run kms-schema roles --apply"), open_trail(connection).writing() as trail:
            trail.retention.remove()
        assert (written_sequences(connection), list(tmp_path.iterdir())) == (entries, [])
        assert execute(connection, "SELECT count(*) FROM key_audit_tombstones").fetchone() == (0,)
