"""Rings and commands behind a PgBouncer that pools transactions: it follows no prepared statement."""

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.cli.connections import connected
from kms_schema.crypto import RootKeys
from kms_schema.database.url import parse_database_url
from kms_schema.keyring import AsyncKeyRing, CachePolicy, DatabaseUnavailableError, KeyRing, KeyRingError
from kms_schema.keyring.waiting import notices
from support.engines import Database, Engines
from support.engines.pgbouncer import pgbouncer
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from support.statements import execute
from tests.keyring.due_keys import quarterly
from tests.keyring.rings import AAD, DATA, ROOT, async_engine, change

pytestmark = pytest.mark.only_on("postgresql")

FEW = CachePolicy(max_messages=1)
"""Each use reads its key, and statements that are executed often are prepared by drivers."""


@pytest.fixture
def proxied(database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """The database behind the proxy."""
    settings = {"default_pool_size": 4, "max_prepared_statements": 0} | getattr(request, "param", {})
    with pgbouncer(database.url, "transaction", **settings) as url:
        yield dataclasses.replace(database, url=url)


@pytest.mark.parametrize("proxied", [{"server_round_robin": 1}], indirect=True, ids=["each in another session"])
def test_a_ring_and_its_commands(proxied: Database, roots: RootKeys, kek: str) -> None:
    """Of an engine of SQLAlchemy alone, whose driver prepares what it executes five times.

    Of several keys, since one key is read and counted by one thread at a time, and then always in one session.
    """
    engine = sa.create_engine(sa.make_url(proxied.url).set(drivername="postgresql+psycopg"))
    names = [unique("orders") for _ in range(4)]
    with KeyRing(engine, roots, cache=FEW) as ring, ThreadPoolExecutor(4) as pool:
        for name in names:
            ring.create(name, under=kek)

        def work(name: str) -> str:
            key = ring.key(name)
            try:
                return "".join(key.decrypt(key.encrypt(DATA, aad=AAD), aad=AAD).decode() for _ in range(24))
            except KeyRingError as error:
                return str(error)

        assert list(pool.map(work, names)) == 4 * [24 * DATA.decode()]
        assert ring.rotate(names[0]).key_id == names[0]
    engine.dispose()
    assert names[0] in kms_schema("keys", "list", url=proxied.url).out


def test_a_driver_that_prepares_all_statements_is_refused_in_a_sentence(
    proxied: Database, roots: RootKeys, ring: KeyRing, kek: str
) -> None:
    """Of several keys, since one key is read and counted by one task at a time, and then always in one session."""
    names = [unique("orders") for _ in range(10)]
    for name in names:
        ring.create(name, under=kek)

    async def work(driver: str, rounds: int) -> None:
        async with AsyncKeyRing(async_engine(proxied, driver), roots, cache=FEW) as own:
            for _ in range(rounds):
                await asyncio.gather(*(own.key(name).encrypt(DATA, aad=AAD) for name in names))

    asyncio.run(work("psycopg", 2))
    with pytest.raises((DatabaseUnavailableError, sa.exc.DBAPIError)) as caught:
        asyncio.run(work("asyncpg", 20))
    assert isinstance(caught.value, DatabaseUnavailableError)
    assert "a proxy before it pools transactions, and the driver prepares" in str(caught.value)


SESSIONS = 3
LEFT = """SELECT name || '=' || setting FROM pg_settings
WHERE source = 'session' AND setting <> reset_val AND name NOT IN ('application_name', 'client_encoding')
UNION ALL SELECT 'LISTEN ' || channel FROM pg_listening_channels() AS channel
UNION ALL SELECT 'prepared ' || statement FROM pg_prepared_statements
UNION ALL SELECT 'temporary ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"""
"""What the next client of a session would find. PgBouncer gives each client its own name and encoding."""

SEAL = "audit seal --key {folder}/seal.key"
COMMANDS = f"""
keys create kek --type kek --under {ROOT} ROOT
keys create orders --under kek ROOT
keys rotate kek ROOT
keys list
policies create tls --type tls --interval-days 9
audit append --event-type LEAK --category SECURITY --description d --security-level CRITICAL --key-id orders
{SEAL} --origin kms.example/audit
audit verify --jobs 2
audit export {{folder}}/a.gz
audit record
rotations schedule
rotations claim --worker w --any-time
rotations run --worker w --once --any-time --jobs 2 ROOT
rewrap --from kek:1 --to kek:2 ROOT
destroy-version kek 1 --yes
metrics export --once --textfile {{folder}}/kms.prom
inventory --output {{folder}}/keys.json
refresh
roles --apply --prefix pooled_
harden --apply
harden --remove
current"""
MORE = f"""
keys show kek
keys expire orders
keys archive orders
audit status
audit list
audit checkpoint
audit prove 2
audit anomalies
audit retain --archive {{folder}} --key {{folder}}/seal.key
policies list
policies disable tls
rotations due
rotations list
rotations backfill
roots check ROOT
reencrypt notes.body --key kek ROOT
hsm list
harden
validate --probe
validate --strict
validate --level data
report --standard sox --period 2026 --format json --output {{folder}}/r.json
check
preflight
rotations claim --worker w
{SEAL}"""
NOTING = """CREATE TABLE notes (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, relation text, level text, body bytea);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO public.notes (relation, level) VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON key_audit_logs EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON key_rotations EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON key_view_refreshes EXECUTE FUNCTION note()"""
"""How durably the transactions that write are committed. The database has less than the commands need."""

NO_SESSION = ("upgrade", "downgrade base", "stamp head")
"""What needs a session, and says so."""


@pytest.fixture
def pooled(engines: Engines, engine_name: str) -> Iterator[Database]:
    """A database whose settings are not those that our sessions need."""
    engine = engines[engine_name]
    database = engine.create(engines.migrated(engine_name, "template"))
    for setting in ("synchronous_commit = local", "\"DateStyle\" = 'German'", "\"TimeZone\" = 'Asia/Kathmandu'"):
        change(database, f'ALTER DATABASE "{database.name}" SET {setting}')
    with pgbouncer(
        database.url, "transaction", default_pool_size=SESSIONS, max_prepared_statements=0, server_round_robin=1
    ) as url:
        yield dataclasses.replace(database, url=url)
    with closing(database.connect()) as connection:
        roles = execute(connection, "SELECT rolname FROM pg_roles WHERE rolname ~ '^pooled_'").fetchall()
        if roles:  # they are the whole server's
            drop_roles(connection, *(name for (name,) in roles))
    engine.drop(database)


def left(pooled: Database) -> list[str]:
    """Open every session of the pool, and return what one has that a new one has not."""
    keywords = parse_database_url(pooled.url).connection_parameters()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(closing(psycopg.connect(**keywords, prepare_threshold=None))) for _ in range(SESSIONS)
        ]
        found = [row[0] for client in clients for row in client.execute(LEFT).fetchall()]
        for client in clients:
            client.commit()
        return found


@pytest.mark.parametrize("more", [False, pytest.param(True, marks=pytest.mark.full)])
def test_commands_work_and_leave_nothing_to_the_next_client(
    *, pooled: Database, root: tuple[str, str], tmp_path: Path, more: bool
) -> None:
    kms_schema("audit", "keygen", "kms.example/audit", "--output", str(tmp_path / "seal.key"))
    quarterly(pooled)
    change(pooled, NOTING)
    assert left(pooled) == []
    faults: dict[str, tuple[int, str, list[str]]] = {}
    for line in (*COMMANDS.strip().splitlines(), *(MORE.strip().splitlines() if more else ())):
        words = [
            word for each in line.split() for word in (root if each == "ROOT" else (each.format(folder=tmp_path),))
        ]
        said, remains = kms_schema(*words, url=pooled.url), left(pooled)
        if said.status > 2 * (line in MORE) or "Error: " in said.err or remains:
            faults[line] = said.status, said.err, remains
    assert faults == {}
    for line in NO_SESSION:
        assert "pools transactions, but an upgrade needs a session" in kms_schema(*line.split(), url=pooled.url).error
    assert left(pooled) == []
    with closing(pooled.connect()) as connection:
        levels = execute(connection, "SELECT DISTINCT relation, level FROM notes ORDER BY 1").fetchall()
    assert levels == [("key_audit_logs", "on"), ("key_rotations", "on"), ("key_view_refreshes", "on")]


def test_connections_of_commands_prepare_no_statement(pooled: Database) -> None:
    with connected(pooled.url.replace("+psycopg", "")) as connection:
        for _ in range(8):
            connection.execute("SELECT 1")
    assert left(pooled) == []


def test_a_ring_does_not_listen(pooled: Database, roots: RootKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "FIRST_AFTER", 0.01)
    engine = pooled.engine()
    with KeyRing(engine, roots) as ring:
        ring.create("listened", under=ROOT, key_type="kek")
        ring.create("used", under="listened")
        ring.key("used").encrypt(DATA, aad=AAD)
        for thread in (each for each in threading.enumerate() if each.name == notices.NAME):
            thread.join(5)  # it ends as soon as it has looked
        assert left(pooled) == []
    engine.dispose()
