"""`kms-schema snapshot` and `validate --expect-from`, as the real executable runs."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.engines import Database, Engine
from support.programs.installed import kms_schema
from tests.validator.host.shop import fill, run


@pytest.fixture
def shop(engine: Engine) -> Iterator[Database]:
    database = engine.create()
    fill(database)
    yield database
    engine.drop(database)


def test_a_database_is_compared_with_a_file_of_an_earlier_state(shop: Database, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    taken = kms_schema("snapshot", "--output", str(file), KMS_DATABASE_URL=shop.url)
    assert (taken.returncode, taken.stdout) == (0, "")
    assert "objects of" in taken.stderr
    clean = kms_schema("validate", "--expect-from", str(file), KMS_DATABASE_URL=shop.url)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.splitlines()[-1].startswith("no drift: no findings")
    with closing(shop.connect()) as connection:
        run(connection, "DROP INDEX big_orders")
    drifted = kms_schema("validate", "--expect-from", str(file), "--format", "json", KMS_DATABASE_URL=shop.url)
    document = json.loads(drifted.stdout)
    assert drifted.returncode == 1
    assert document["compared_with"] == str(file)
    assert [(each["code"], each["object"]) for each in document["findings"]] == [("KMS131", "index big_orders")]


def test_a_database_is_compared_with_another_one(shop: Database, engine: Engine, tmp_path: Path) -> None:
    other = engine.create(shop)
    try:
        with closing(other.connect()) as connection:
            run(connection, "DROP INDEX big_orders")
        arguments = ("validate", "--database-url", shop.url, "--expect-from", other.url)
        done = kms_schema(*arguments)
        assert done.returncode == 1
        assert done.stdout.startswith("error KMS132 index big_orders: index unexpected\n")
        excluded = kms_schema(*arguments, "--exclude", "Or.ders", "--exclude", "big", "--exclude", "sums", cwd=tmp_path)
        assert (excluded.returncode, excluded.stderr) == (0, "")
    finally:
        engine.drop(other)


def test_a_second_version_is_added_to_a_file(shop: Database, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(
        json.dumps(
            {"format": "kms-schema snapshot 1", "servers": [{"engine": "postgresql", "major": 9, "schemas": {}}]}
        )
    )
    done = kms_schema("snapshot", "--add", "--output", str(file), KMS_DATABASE_URL=shop.url)
    assert done.returncode == 0
    servers = [(each["engine"], each["major"]) for each in json.loads(file.read_text("utf-8"))["servers"]]
    assert len(servers) == 2
    assert servers[0] == ("postgresql", 9)


@pytest.mark.only_on("sqlite")
def test_no_other_file_is_replaced(shop: Database, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("x = 1")
    done = kms_schema("snapshot", "--output", str(file), KMS_DATABASE_URL=shop.url)
    assert (done.returncode, file.read_text()) == (2, "x = 1")
    assert "model.py is no JSON" in done.stderr


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (("--expect-from", "nothing.json"), 2, "cannot read nothing.json: No such file"),
        (("--expect-from", "text.json"), 2, "text.json is no JSON"),
        (("--expect-from", "sqlite:///nothing.db"), 3, "there is no file nothing.db"),
        (("--expect-from", "mysql://secret@x/y"), 2, "this kind of database URL is not supported"),
        (("--expect-from", "pg.json"), 3, "the database is on sqlite, and pg.json has postgresql 18 only"),
        (("--expect-from", "pg.json", "--probe"), 2, "--probe is about the tables of this package"),
        (("--expect-from", "pg.json", "--level", "data"), 2, "--level data is about the tables of this package"),
        (("--expect-from", "pg.json", "--schemas", "a,,b"), 2, "write the names of schemas with commas between them"),
        (("--schemas", "a"), 2, "--schemas and --exclude are for the tables of an application"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    options: tuple[str, ...], status: int, says: str, shop: Database, tmp_path: Path
) -> None:
    (tmp_path / "text.json").write_text("x")
    entry = {"engine": "postgresql", "major": 18, "schemas": {"public": {}}}
    (tmp_path / "pg.json").write_text(json.dumps({"format": "kms-schema snapshot 1", "servers": [entry]}))
    done = kms_schema("validate", *options, cwd=tmp_path, KMS_DATABASE_URL=shop.url)
    assert done.returncode == status
    assert says in " ".join(done.stderr.split())
    assert "secret" not in done.stderr


@pytest.mark.only_on("postgresql")
def test_a_schema_that_does_not_exist_is_named(shop: Database, tmp_path: Path) -> None:
    done = kms_schema(
        "snapshot", "--schemas", "public,nothing", "--output", "s.json", "--database-url", shop.url, cwd=tmp_path
    )
    assert (done.returncode, (tmp_path / "s.json").exists()) == (3, False)
    assert "there is no schema 'nothing' in this database" in done.stderr
