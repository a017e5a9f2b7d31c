"""The tag with which the ciphertexts of a version begin: drawn or given, unique, and never changed."""

from contextlib import closing

import pytest
from sqlalchemy.orm import Session

from kms_schema.engine import create_engine
from kms_schema.models import KeyMaster, KeyVersion
from support.engines import Database
from support.recorded_changes import last_sequence, recorded
from support.rows.smallest import Row, insert, key_master, key_version, now
from support.shared import SharedDatabase
from support.statements import execute
from support.views.view_fixture import newest
from tests.schema.key_rules import insert_refused, update, update_refused, value

pytestmark = pytest.mark.versions("oldest and newest")

RULE = "uq_key_versions_ciphertext_tag"
COLUMNS = "encrypted_key_data, key_checksum, encryption_metadata, wrapping_key_ref"
MORE = f"""INSERT INTO key_versions (key_id, version_number, {COLUMNS})
WITH RECURSIVE numbers (number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM numbers WHERE number < :most)
SELECT key_id, number, {COLUMNS} FROM key_versions CROSS JOIN numbers WHERE key_versions.id = :id"""  # noqa: S608
FOUR_BITS = {
    "postgresql": ("left(gen_random_uuid()::text, 8)", "left(gen_random_uuid()::text, 1)"),
    "sqlite": ("& 4294967295", "& 15"),
}
"""What in the drawing of each engine to replace, so that it draws from 16 numbers."""
REPLACED = {
    "postgresql": lambda text: [text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")],
    "sqlite": lambda text: ["DROP TRIGGER draw_key_version_ciphertext_tag", text],
}


def versions_of_one_statement(shared: SharedDatabase, count: int) -> list[int]:
    """Store `count` versions, all but the first by one statement; return their tags."""
    key = insert(shared.connection, "key_masters", **key_master())
    first = insert(shared.connection, "key_versions", **key_version(key))
    execute(shared.connection, MORE, {"id": first["id"], "most": count})
    of_key = execute(shared.connection, "SELECT ciphertext_tag FROM key_versions WHERE key_id = :id", key)
    return sorted(tag for (tag,) in of_key.fetchall())


def test_tags_are_random(shared: SharedDatabase) -> None:
    tags = versions_of_one_statement(shared, 500)
    assert len(set(tags)) == 500
    assert tags[0] >= 1
    ones = [sum(tag >> bit & 1 for tag in tags) for bit in range(32)]
    assert (min(ones) > 180, max(ones) < 320) == (True, True), ones  # six standard deviations from half of 500


def test_a_tag_is_drawn_again_while_it_is_taken(shared: SharedDatabase) -> None:
    drawing = "draw_key_version_ciphertext_tag"
    name = drawing if shared.dialect == "postgresql" else f"{drawing}_trigger"
    old, new = FOUR_BITS[shared.dialect]
    text = newest(shared.dialect, name).text.format(schema="public")
    assert old in text
    for statement in REPLACED[shared.dialect](text.replace("'x'", "'x0000000'").replace(old, new)):
        execute(shared.connection, statement)
    assert versions_of_one_statement(shared, 15) == list(range(1, 16))


@pytest.mark.parametrize("tag", [1, 0x01020304, 2**32 - 1])
def test_a_tag_that_is_given_is_kept(shared: SharedDatabase, tag: int) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    version = insert(shared.connection, "key_versions", **key_version(key, ciphertext_tag=tag))
    assert value(shared.connection, "key_versions", version, "ciphertext_tag") == tag


@pytest.mark.parametrize("tag", [0, 6, None])
def test_a_tag_never_changes(shared: SharedDatabase, tag: int | None) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    version = insert(shared.connection, "key_versions", **key_version(key, ciphertext_tag=5))
    change = {"ciphertext_tag": tag}
    rule = "protect_key_version_identity"
    update_refused(shared.connection, "key_versions", version, change, rule=rule)
    update(shared.connection, "key_versions", version, ciphertext_tag=5)


def test_a_tag_is_never_used_twice(shared: SharedDatabase) -> None:
    """Neither that of another key's version nor that of a destroyed one."""
    key, other = (insert(shared.connection, "key_masters", **key_master()) for _ in range(2))
    version = insert(shared.connection, "key_versions", **key_version(key))
    tag = value(shared.connection, "key_versions", version, "ciphertext_tag")
    second = key_version(other, ciphertext_tag=tag)
    insert_refused(shared.connection, "key_versions", second, rule=RULE)
    update(shared.connection, "key_versions", version, encrypted_key_data=None, destroyed_at=now())
    insert_refused(shared.connection, "key_versions", second, rule=RULE)
    assert value(shared.connection, "key_versions", version, "ciphertext_tag") == tag


@pytest.mark.parametrize("given", [{}, {"ciphertext_tag": 77}], ids=["drawn", "given"])
def test_the_entry_of_a_new_version_has_its_tag(shared: SharedDatabase, given: Row) -> None:
    key = insert(shared.connection, "key_masters", **key_master())
    after = last_sequence(shared.connection)
    version = insert(shared.connection, "key_versions", **key_version(key, **given))
    tag = value(shared.connection, "key_versions", version, "ciphertext_tag")
    (entry,) = recorded(shared.connection, after)
    assert entry["additional_metadata"]["to"]["ciphertext_tag"] == tag
    assert "ciphertext_tag" in entry["additional_metadata"]["changed"]


def test_a_session_sees_the_tag_that_was_drawn(database: Database) -> None:
    """RETURNING of SQLite does not."""
    engine = create_engine(database.url)
    with Session(engine) as session:
        key = KeyMaster(**key_master())
        session.add(key)
        session.flush()
        version = KeyVersion(**key_version({"id": key.id, "key_id": key.key_id, "key_size_bits": 256}))
        session.add(version)
        session.flush()  # a commit would make it read again
        assert 1 <= version.ciphertext_tag < 2**32
    engine.dispose()


def test_versions_of_revision_004_have_tags(empty_database: Database) -> None:
    empty_database.alembic("upgrade", "004")
    with closing(empty_database.connect()) as connection:
        key = insert(connection, "key_masters", **key_master())
        version = insert(connection, "key_versions", **key_version(key))
        tag = value(connection, "key_versions", version, "ciphertext_tag")
        assert 1 <= tag < 2**32
        if connection.__class__.__module__.startswith("psycopg"):
            connection.commit()
    empty_database.alembic("upgrade", "head")
    with closing(empty_database.connect()) as connection:
        assert value(connection, "key_versions", version, "ciphertext_tag") == tag
