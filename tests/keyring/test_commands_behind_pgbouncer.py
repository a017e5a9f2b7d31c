"""Every command behind a PgBouncer that gives each transaction the next of three sessions, and prepares nothing."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from kms_schema.cli.connections import connected
from kms_schema.crypto import RootKeys
from kms_schema.database.url import parse_database_url
from kms_schema.keyring import KeyRing
from kms_schema.keyring.waiting import notices
from support.engines import Database, Engines
from support.engines.pgbouncer import pgbouncer
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.statements import execute
from tests.keyring.due_keys import quarterly
from tests.keyring.rings import AAD, DATA, ROOT, change

pytestmark = pytest.mark.only_on("postgresql")

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
