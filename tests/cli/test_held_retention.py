"""Transactions that overlap over every seal leave no place for a cut: `audit status` and `retain` name them."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kms_schema.audit.formats.keys import write_signing_key
from tests.audit.aged import age
from tests.audit.retaining import YEARS, retaining
from tests.audit.trails import KEY, seal_all, write, written_sequences
from tests.support.engines import Database
from tests.support.programs.commands import Said, kms_schema
from tests.support.rows.smallest import now
from tests.support.statements import execute

pytestmark = pytest.mark.versions("oldest and newest")


@contextmanager
def overlapping(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Leave old entries, of which some were open over a seal, each from before the last was committed; one still is."""
    long_ago = now() - dt.timedelta(days=YEARS)
    with ExitStack() as stack:
        connection, one, other = (stack.enter_context(closing(database.connect())) for _ in range(3))
        assert isinstance(one, psycopg.Connection)
        for each in (connection, one, other):
            execute(each, "SET kms.restore = on")
        write(connection, 1, timestamp=long_ago)
        for holder, before in ((one, None), (other, one), (one, other)):
            execute(holder, "BEGIN")
            write(holder, 1, timestamp=long_ago)
            write(connection, 1, timestamp=long_ago)
            seal_all(connection)
            if before is not None:
                execute(before, "COMMIT")
                write(connection, 1, timestamp=long_ago)
        seal_all(connection)
        yield one


@pytest.mark.only_on("postgresql")
def test_who_holds_retention_is_named_and_for_how_long(database: Database, tmp_path: Path) -> None:
    write_signing_key(tmp_path / "seal.key", KEY)
    with retaining(database) as place, closing(database.connect()) as connection:

        def retain(*options: str) -> Said:
            words = ("audit", "retain", "--archive", str(tmp_path), "--key", str(tmp_path / "seal.key"), *options)
            return kms_schema(*words, url=place.retention.url)

        age(database, YEARS)
        late = written_sequences(connection)[-1] + 2
        with overlapping(database) as holder:
            process = f"server process {holder.info.backend_pid}, role {holder.info.user}"
            recorded = f"was sealed after higher ones (recorded by {holder.info.user} at "
            said = kms_schema("audit", "status", "--max-hold", "3600", url=place.retention.url)
            assert said.status == 1
            assert said.out.splitlines()[-1] == "retention is held for longer than --max-hold 3600"
            assert f"by sequence {late}, which {recorded}" in said.out
            assert f"; sequence {late + 5} may still be committed ({process}" in said.out
            assert kms_schema("audit", "status", "--max-hold", "1e12", url=database.url).status == 0
            shown = json.loads(kms_schema("audit", "status", "--format", "json", url=database.url).out)
            assert (shown["retention_held"]["sequence"], shown["limits_passed"]) == (late, [])
            said = retain()
            assert said.status == 1
            print(said.out)
            assert f"by sequence {late}, which {recorded}" in said.err
            assert process in said.err
            execute(holder, "COMMIT")
        seal_all(connection)
        assert written_sequences(connection)[0] == late
        assert "held" not in kms_schema("audit", "status", "--max-hold", "0", url=database.url).out


def test_nothing_holds_what_is_sealed_in_order(database: Database, tmp_path: Path) -> None:
    write_signing_key(tmp_path / "seal.key", KEY)
    with retaining(database) as place:
        place.write()
        assert "held" not in kms_schema("audit", "status", "--max-hold", "0", url=database.url).out
        said = kms_schema(
            "audit", "retain", "--archive", str(tmp_path), "--key", str(tmp_path / "seal.key"), url=place.retention.url
        )
        assert (said.status, "held" in said.err) == (0, False)
