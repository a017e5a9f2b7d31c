"""Keys that cannot be created, that kms_admin has registered before, and two transactions that draw one tag."""

import array
import datetime as dt
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import (
    KeyExistsError,
    KeyNotPermittedError,
    KeyRing,
    KeyRingError,
    KeyStateError,
    MaterialUnavailableError,
    UnsupportedKeyError,
)
from kms_schema.keyring.columns.host_columns import ELSEWHERE
from support.engines import Database
from support.errors import raises
from support.rows.smallest import insert, key_master, key_version, unique
from support.statements import execute
from support.views.view_fixture import newest
from tests.keyring.rings import AAD, ADMIN, BOTH, DATA, ROTATOR, change, ring_as, rows, value
from tests.roles.granted import Granted


@pytest.mark.full_on("postgresql")
@pytest.mark.parametrize(
    ("error", "options"),
    [
        (UnsupportedKeyError, {"algorithm": "AES-256"}),
        (UnsupportedKeyError, {"key_size_bits": 128}),
        (UnsupportedKeyError, {"key_type": "tls"}),
        (UnsupportedKeyError, {"hsm": "luna"}),
        (UnsupportedKeyError, {"hsm": "luna", "under": None, "key_type": "kek"}),
        (UnsupportedKeyError, {"hsm": "luna", "under": None, "algorithm": "XAES-256-GCM"}),
        (UnsupportedKeyError, {"hsm": "luna", "under": None, "material": bytes(32)}),
        (MaterialUnavailableError, {"hsm": "luna", "under": None}),
        (TypeError, {"under": None}),
        (ValueError, {"key_type": "none"}),
        (TypeError, {"status": "revoked"}),
        *(
            (TypeError, {name: 256.0, "material": secrets.token_bytes(32)})
            for name in ("key_size_bits", "ciphertext_tag", "used", "max_usage_count")
        ),
        (TypeError, {"key_size_bits": True}),
        (MaterialUnavailableError, {"material": b"too short"}),
        (MaterialUnavailableError, {"material": bytes(32)}),
        (MaterialUnavailableError, {"material": Secret(bytearray(b"k" * 32))}),
        (TypeError, {"material": 32}),
        (TypeError, {"material": True}),
        (TypeError, {"material": "k" * 32}),
        (TypeError, {"material": [*range(32)]}),
        (TypeError, {"material": array.array("Q", range(4))}),
        (TypeError, {"material": array.array("b", range(32))}),
        (ValueError, {"activated_at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}),
    ],
)
def test_what_cannot_be_created(ring: KeyRing, kek: str, error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error) as refused:
        ring.create(unique("odd"), **{"under": kek, **options})
    if isinstance(refused.value, MaterialUnavailableError):
        assert refused.value.reason == ("hsm" if "hsm" in options else None)


@pytest.mark.parametrize(
    "options",
    [
        {"max_usage_count": 2**63},
        {"material": secrets.token_bytes(32), "used": 2**63},
        {"ciphertext_tag": 2**70},
    ],
)
def test_a_number_that_no_database_has_is_refused(ring: KeyRing, kek: str, options: dict[str, Any]) -> None:
    with pytest.raises((KeyRingError, OverflowError)) as refused:
        ring.create(unique("odd"), **{"under": kek, **options})
    assert isinstance(refused.value, KeyStateError), refused.value
    assert refused.value.reason == "status_change"


EXPIRES = dt.datetime(2126, 11, 29, 2, 30, 0, 123456, tzinfo=dt.UTC)
MARK = "SELECT CAST(encrypted_columns AS text) FROM key_masters WHERE key_id = :key"


@pytest.fixture
def registered(database: Database) -> str:
    """The name of a key that is registered, with a limit and a time at which it expires."""
    name = unique("registered")
    change(
        database,
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits, max_usage_count, expires_at)"
        " VALUES (:key, 'dek', 'XAES-256-GCM', 256, 5, :expires)",
        key=name,
        expires=EXPIRES.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    )
    return name


@pytest.mark.parametrize(
    "given", [{"max_usage_count": 4}, {"expires_at": EXPIRES + dt.timedelta(days=1)}, {"security_level": "MAXIMUM"}]
)
def test_another_limit_than_the_registered_one_is_refused(
    ring: KeyRing, registered: str, kek: str, database: Database, given: dict[str, Any]
) -> None:
    with pytest.raises(KeyExistsError, match=f"registered with another {next(iter(given))}: leave that out"):
        ring.create(registered, under=kek, **given)
    assert value(database, "SELECT status FROM key_masters WHERE key_id = :key", key=registered) == "pending"
    same_moment = EXPIRES.astimezone(dt.timezone(dt.timedelta(hours=5)))
    made = ring.create(registered, under=kek, max_usage_count=5, expires_at=same_moment, security_level="HIGH")
    assert (made.status, made.version) == ("active", 1)


def test_a_key_from_elsewhere_is_marked_also_where_it_was_registered(
    ring: KeyRing, registered: str, orders: str, kek: str, database: Database
) -> None:
    assert not value(database, MARK, key=registered)
    ring.create(registered, under=kek, material=secrets.token_bytes(32), ciphertext_tag=secrets.randbits(31) + 1)
    stored = value(database, MARK, key=registered) or ""
    assert stored.count(ELSEWHERE.table) == len(ELSEWHERE.document(database.dialect))
    ring.key(orders).encrypt(DATA, aad=AAD)


@pytest.mark.only_on("postgresql")
def test_the_mark_needs_kms_admin(
    granted: Granted, roots: RootKeys, registered: str, kek: str, database: Database
) -> None:
    given: dict[str, Any] = {"material": secrets.token_bytes(32), "ciphertext_tag": secrets.randbits(31) + 1}
    with ring_as(granted, roots, ROTATOR) as rotator, pytest.raises(KeyNotPermittedError, match="kms_admin"):
        rotator.create(registered, under=kek, **given)
    with ring_as(granted, roots, BOTH) as both:
        assert both.create(registered, under=kek, **given).version == 1
    assert ELSEWHERE.table in value(database, MARK, key=registered)


@pytest.mark.only_on("postgresql")
def test_a_marked_key_is_completed_by_kms_rotator(
    granted: Granted, roots: RootKeys, kek: str, database: Database
) -> None:
    name = unique("imported")
    given: dict[str, Any] = {"material": secrets.token_bytes(32), "ciphertext_tag": secrets.randbits(31) + 1}
    with ring_as(granted, roots, ADMIN) as admin:
        assert admin.create(name, under=kek, max_usage_count=5, **given).status == "pending"
    before = value(database, MARK, key=name)
    with ring_as(granted, roots, ROTATOR) as rotator:
        assert rotator.create(name, under=kek, max_usage_count=5, **given).version == 1
    assert ELSEWHERE.table in before
    assert value(database, MARK, key=name) == before


TAG = "SELECT v.ciphertext_tag FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id WHERE m.key_id = :key"
WAITING = """SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"""
DRAWN = "('x' || left(gen_random_uuid()::text, 8))::bit(32)::bigint"


@contextmanager
def drawing_from(database: Database, first: int) -> Iterator[None]:
    """Have the database draw `first`, and the next numbers while they are taken."""
    text = newest("postgresql", "draw_key_version_ciphertext_tag").text.format(schema="public")
    function = text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    assert DRAWN in function
    drawn = f"ciphertext_tag BETWEEN {first} AND {first + 9}"  # keys made before may have any greater tag
    following = f"(SELECT {first} + count(*) FROM public.key_versions WHERE {drawn})"  # noqa: S608
    change(database, function.replace(DRAWN, following))
    try:
        yield
    finally:
        change(database, function)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("brought", [False, True])
def test_a_tag_that_another_transaction_commits_first(
    ring: KeyRing, kek: str, database: Database, *, brought: bool
) -> None:
    first = 4_000_000_000 + 10 * brought
    name = unique("second")
    with (
        drawing_from(database, first),
        ThreadPoolExecutor() as pool,
        closing(database.connect()) as other,
    ):
        execute(other, "BEGIN")
        key = insert(other, "key_masters", **key_master())
        insert(other, "key_versions", **key_version(key, ciphertext_tag=first))
        created = pool.submit(ring.create, name, under=kek, ciphertext_tag=first if brought else None)
        while not rows(database, WAITING):  # in a connection of its own: a transaction sees one snapshot of sessions
            assert not created.done()
            time.sleep(0.02)
        execute(other, "COMMIT")
        if brought:
            with raises(KeyExistsError, "ciphertext_tag"):
                created.result()
        else:
            created.result()
    assert rows(database, TAG, key=name) == ([] if brought else [(first + 1,)])
