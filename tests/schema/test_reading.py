"""The reading layer: queries in files, rendered for either engine."""

import datetime as dt
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.reading.dialects import DIALECTS
from kms_schema.reading.queries import Queries
from kms_schema.reading.reader import Reader, document_of, id_of
from kms_schema.reading.times import time_of
from support.engines.programs import REPOSITORY

PACKAGE = REPOSITORY / "kms_schema"
TIME = dt.datetime(2026, 1, 31, 12, 30, 15, 123456, tzinfo=dt.UTC)


def queries(folder: Path, **texts: str) -> Queries:
    """Return the queries of a folder, in which a double underscore stands for the folder below."""
    for name, text in texts.items():
        path = folder / "queries" / f"{name.replace('__', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Queries(str(folder / "module.py"), limit=7)


def test_a_query_has_the_expressions_of_its_engine(tmp_path: Path) -> None:
    found = queries(
        tmp_path,
        late="-- A reason.\nSELECT 1 FROM {schema}.a WHERE {part(since, a.b, 2)} AND c = %(c)s LIMIT {limit}",
        parts__since="{hours_after({json_text({0}, at)}, -{1} * {hours})} > {now()}",
    )
    assert found.render("late", "postgresql", "public", hours=3) == (
        "SELECT 1 FROM public.a WHERE ((a.b ->> 'at') + make_interval(hours => -2 * 3)) > now() AND c = %(c)s LIMIT 7"
    )
    on_sqlite = found.render("late", "sqlite", "public", hours=3)
    assert on_sqlite.startswith("SELECT 1 FROM main.a WHERE (strftime(")
    assert on_sqlite.endswith(" AND c = :c LIMIT 7")


def test_the_query_of_an_engine_comes_first(tmp_path: Path) -> None:
    found = queries(tmp_path, both="SELECT 1", sqlite__both="SELECT 2", postgresql__one="SELECT 3")
    assert [found.render("both", engine, "public") for engine in DIALECTS] == ["SELECT 1", "SELECT 2"]
    assert found.names == ["both", "one"]
    with pytest.raises(FileNotFoundError, match="no query one"):
        found.render("one", "sqlite", "main")


def test_the_name_of_a_schema_is_no_sql(tmp_path: Path) -> None:
    found = queries(tmp_path, one="SELECT {limit} FROM {schema}.a", other="SELECT {unknown} FROM {schema}.a")
    assert found.render("one", "postgresql", '{limit}"; --') == 'SELECT 7 FROM "{limit}""; --".a'
    with pytest.raises(KeyError, match="unknown"):
        found.render("other", "postgresql", "public")


def test_both_engines_have_the_same_expressions() -> None:
    postgresql, sqlite = (DIALECTS[engine].expressions for engine in ("postgresql", "sqlite"))
    assert postgresql.keys() == sqlite.keys()


def test_a_name_stands_for_one_query_of_an_engine() -> None:
    folders = [folder for folder in PACKAGE.rglob("queries") if folder.is_dir()]
    assert len(folders) > 5
    shared = {path.stem for path in (PACKAGE / "reading" / "parts").glob("*.sql")}
    for folder in folders:
        places: dict[str, list[str]] = {}
        for path in folder.rglob("*.sql"):
            places.setdefault(path.stem, []).append(path.parent.name)
        assert not shared & places.keys()
        twice = {name: found for name, found in places.items() if len(found) > 1}
        assert all(sorted(found) == ["postgresql", "sqlite"] for found in twice.values()), (folder, twice)


def test_values_and_rows_are_those_of_python(tmp_path: Path) -> None:
    found = queries(tmp_path, values="SELECT %(at)s, %(id)s, %(ids)s, '{\"a\": 1}', '[1', NULL")
    number = uuid.uuid4()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        reader = Reader(connection, "main", found)
        assert type(reader.rows("values", at=TIME, id=number, ids=[number])[0]) is tuple
        at, key, ids, document, damaged, missing = reader.rows("values", at=TIME, id=number, ids=[number])[0]
    assert (at, ids) == ("2026-01-31T12:30:15.123456Z", f'["{number.hex}"]')
    assert (time_of(at), id_of(key)) == (TIME, number)
    assert [document_of(each) for each in (document, damaged, missing)] == [{"a": 1}, {}, {}]


def test_hours_on_sqlite_are_exact_to_the_microsecond(tmp_path: Path) -> None:
    found = queries(tmp_path, later="SELECT {hours_after(%(at)s, %(hours)s)}")
    with closing(sqlite3.connect(":memory:")) as connection:
        reader = Reader(connection, "main", found)
        for hours in (-24 * 31, -1, 0, 192):
            assert reader.rows("later", at=TIME, hours=hours) == [
                ((TIME + dt.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),)
            ]


def test_closing_ends_the_streams(tmp_path: Path) -> None:
    found = queries(tmp_path, several="SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
    with closing(sqlite3.connect(":memory:")) as connection:
        reader = Reader(connection, "main", found)
        streams = [reader.stream("several") for _ in range(2)]
        assert [next(each) for each in streams] == [(1,), (1,)]
        reader.close()
        assert [list(each) for each in streams] == [[], []]
