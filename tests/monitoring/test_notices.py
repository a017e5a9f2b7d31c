"""End to end: each condition of a real database is one notice of a real Alertmanager."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kms_schema.monitoring.alerting.thresholds import Thresholds
from support.engines import Database
from support.engines.database import Connection
from support.engines.softhsm import SoftHsm
from support.programs.commands import kms_schema
from support.rows import smallest
from support.rows.smallest import Row, unique
from support.statements import adapt, dialect_of, execute
from tests.monitoring.notices import Stack, running
from tests.rotations.setups import DAY, a_key, a_rotation, queue_of, set_values

pytestmark = pytest.mark.only_on("postgresql")


@pytest.fixture
def stack(database: Database, tmp_path: Path) -> Iterator[Stack]:
    """The servers over a database in order."""
    assert kms_schema("audit", "seal", url=database.url).status == 0
    assert kms_schema("refresh", url=database.url).status == 0
    with running(tmp_path, database.url) as made:
        yield made


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with closing(database.connect()) as made:
        yield made


def move(connection: Connection, key: Row, left: dt.timedelta) -> None:
    """Move the expiration of a key."""
    dialect = dialect_of(connection)
    values = {"at": adapt(smallest.now() + left, dialect), "id": adapt(key["id"], dialect)}
    execute(connection, "UPDATE key_masters SET expires_at = :at WHERE id = :id", values)


def expirations(stack: Stack, connection: Connection, times: int) -> None:
    """Move one key through the three notices, so many times, and restart the servers in between."""
    key = a_key(connection, expires_at=smallest.now() + 40 * DAY)
    name = str(key["key_id"])
    for number in range(times):
        move(connection, key, 29 * DAY)
        stack.noticed("KmsKeyExpiresIn30Days", name)
        if number == 0:
            stack.nothing_more()  # by now Alertmanager has the answer: it repeats a notice that it stops in
            stack.restart(stack.alertmanager)
        move(connection, key, 6 * DAY)
        stack.noticed("KmsKeyExpiresIn7Days", name)
        if number == 0:
            stack.restart(stack.prometheus, kill=True)
        move(connection, key, DAY / 2)
        stack.noticed("KmsKeyExpiresIn1Day", name)
        stack.nothing_more()  # by now each exporter has reported it
        if number == 0:
            for exporter in stack.exporters:
                exporter.stop(kill=True)
            stack.nothing_more()
            assert [*stack.active()] == ["KmsKeyExpiresIn1Day"], "it ended because the exporters are gone"
            stack.exporters[0].start()
        move(connection, key, 40 * DAY)
        stack.wait_for(lambda: not stack.active(), "the alerts end")


@pytest.mark.first
def test_each_condition_is_one_notice(stack: Stack, connection: Connection, database: Database, hsm: SoftHsm) -> None:
    expirations(stack, connection, 1)
    a_key_expires_soon(stack, connection)
    a_rotation_fails(stack, connection)
    an_hsm_goes_away(stack, database, hsm)
    a_seal_is_late(stack)
    for exporter in stack.exporters:
        exporter.stop(kill=True)
    stack.nothing_more()  # no alert that has ended comes back, such as that of the first key


@pytest.mark.full
def test_ten_repeats_give_thirty_notices(stack: Stack, connection: Connection) -> None:
    expirations(stack, connection, 10)
    stack.nothing_more()


def a_key_expires_soon(stack: Stack, connection: Connection) -> None:
    """A key that is new and expires in six days has one notice, not that of 30 days as well."""
    key = a_key(connection, expires_at=smallest.now() + 6 * DAY)
    stack.noticed("KmsKeyExpiresIn7Days", str(key["key_id"]))


def a_rotation_fails(stack: Stack, connection: Connection) -> None:
    """A rotation fails three times; two times are no notice."""
    key = a_key(connection)
    rotation = a_rotation(connection, key)["id"]
    queue = queue_of(connection)
    for number in range(3):
        if number == 2:
            stack.nothing_more()
        claim = queue.claim("worker", dt.timedelta(minutes=1), at_any_time=True)
        assert claim is not None
        queue.fail(claim, "the token has no such key")
        set_values(connection, rotation, next_retry_at=smallest.now() - dt.timedelta(seconds=1))
        queue.schedule_due(10)
    stack.noticed("KmsRotationFailing", str(key["key_id"]))


def an_hsm_goes_away(stack: Stack, database: Database, hsm: SoftHsm) -> None:
    name = unique("luna")
    hsm.make_token("kms")
    given = ("--hsm", f"{name}={hsm.uri('kms')}")
    assert kms_schema("hsm", "add", name, url=database.url).status == 0
    assert kms_schema("hsm", "check", *given, url=database.url).status == 0
    hsm.tokens.rename(hsm.folder / "away")
    hsm.tokens.mkdir()
    hsm.restart()
    assert kms_schema("hsm", "check", *given, url=database.url).status == 1
    stack.noticed("KmsHsmOffline", name)


def a_seal_is_late(stack: Stack) -> None:
    """Have the last seal be late by a shorter threshold: the entries of this test are a few seconds old."""
    stack.use(replace(Thresholds(), unsealed=1))
    stack.noticed("KmsEntriesUnsealed")
