"""Two transactions that draw the same tag: the ring draws again, and an import that brings the tag is refused."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from kms_schema.keyring import KeyExistsError, KeyRing
from support.engines import Database
from support.errors import raises
from support.rows.smallest import insert, key_master, key_version, unique
from support.statements import execute
from support.views.view_fixture import newest
from tests.keyring.rings import change, rows

pytestmark = pytest.mark.only_on("postgresql")

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
