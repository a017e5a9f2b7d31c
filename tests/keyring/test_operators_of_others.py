"""Operators that somebody else created in a schema of the search path are used by no command and no key ring."""

from contextlib import closing, suppress
from itertools import product
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.audit.formats.keys import write_signing_key
from kms_schema.crypto import KeyWrapping, RootKeys, WrappingKeyError, rewrap
from kms_schema.crypto.destroying import DependentsError, destroy
from kms_schema.keyring import DatabaseUnavailableError, KeyRevokedError
from kms_schema.roots.checking import check_roots
from kms_schema.rotations import open_queue
from support.engines import Database
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from tests.audit.trails import KEY
from tests.keyring.conftest import MakeRing
from tests.keyring.rings import AAD, DATA, ROOT

pytestmark = pytest.mark.only_on("postgresql")

TYPES = (
    "varchar", "text", "uuid", "timestamptz", "bigint", "integer", "jsonb", "double precision", "name", "oid",
    "interval", "numeric",
)  # fmt: skip
"""Types of our columns and of values that statements compare with them."""
NAMES = ("=", "<>", "<", "<=", ">", ">=", "~", "||", "+", "-", "*", "->>")
COMMANDS = (
    ("keys", "list"), ("keys", "show", "{key}"), ("audit", "list"), ("audit", "list", "--key", "{key}"),
    ("audit", "seal", "--origin", "kms.example/audit", "--key", "{seal}"), ("audit", "verify"), ("audit", "prove", "1"),
    ("audit", "status"), ("audit", "anomalies"), ("rotations", "schedule"), ("rotations", "list"), ("policies", "list"),
    ("hsm", "list"), ("inventory",), ("refresh",), ("roots", "check", "--root-key", "{root}"),
    ("keys", "rotate", "{key}", "--root-key", "{root}"), ("keys", "revoke", "{key}", "--reason", "leaked"),
    ("validate", "--level", "data"),
)  # fmt: skip


@pytest.fixture(scope="module")
def misled(database: Database, kek: str) -> Database:
    """Every operator between these types that PostgreSQL does not have, as anybody with CREATE on the schema can."""
    with closing(database.connect()) as connection:
        for left, right in product(TYPES, TYPES):
            connection.execute(
                f"CREATE FUNCTION misled({left}, {right}) RETURNS boolean LANGUAGE plpgsql"
                f" AS $$BEGIN RAISE EXCEPTION 'misled by {left}, {right}'; END$$".encode()
            )
            for name in NAMES:
                with suppress(psycopg.errors.DuplicateFunction):
                    create = f"CREATE OPERATOR public.{name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = misled)"
                    connection.execute(create.encode())
        with pytest.raises(psycopg.errors.RaiseException, match="misled by varchar, varchar"):
            connection.execute("SELECT FROM key_masters WHERE key_id = %s", (kek,))
    return database


def test_no_command_uses_them(orders: str, misled: Database, root_file: Path, tmp_path: Path) -> None:
    write_signing_key(tmp_path / "seal.key", KEY)
    values = {"key": orders, "root": f"{ROOT}={root_file}", "seal": tmp_path / "seal.key"}
    for words in COMMANDS:
        said = kms_schema(*(each.format_map(values) for each in words), url=misled.url)
        assert (words, said.status, "misled" in said.all) == (words, 0, False), said.all


@pytest.mark.usefixtures("misled")
def test_no_ring_uses_them_and_a_revoked_key_stays_revoked(
    kek: str, make_ring: MakeRing, roots: RootKeys, sql_engine: sa.Engine
) -> None:
    try:
        make_ring().create(orders := unique("orders"), under=kek)
    except DatabaseUnavailableError as error:
        pytest.fail(str(error))
    blob = make_ring().key(orders).encrypt(DATA, aad=AAD)
    ring = make_ring()
    assert ring.key(orders).decrypt(blob, aad=AAD) == DATA
    ring.rotate(orders)
    with pytest.raises(DependentsError):
        destroy(sql_engine, kek, 1)
    with pytest.raises(WrappingKeyError, match="are both"):  # it has found the version
        rewrap(sql_engine, KeyWrapping(roots), f"{kek}:1", f"{kek}:1")
    assert check_roots(sql_engine, roots)[0].refused == []
    ring.revoke(orders, reason="leaked")
    with pytest.raises(KeyRevokedError):
        make_ring().key(orders).encrypt(DATA, aad=AAD)


def test_the_queue_leaves_the_path_of_an_open_transaction(misled: Database) -> None:
    with closing(misled.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        path = connection.execute("SHOW search_path").fetchone()
        with connection.transaction():
            queue = open_queue(connection)
            try:
                queue.due()
                queue.schedule_due()
                assert queue.claim("worker", at_any_time=True) is None
            except psycopg.Error as error:
                pytest.fail(str(error))
            with pytest.raises(psycopg.errors.InvalidParameterValue), queue.transaction():
                connection.execute("SET LOCAL work_mem = 0")
            assert connection.execute("SHOW search_path").fetchone() == path
