"""Keys that are due, rotated by `ring.run_rotations`: data keys, KEKs with what they wrap, and what goes wrong."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import KeyWrapping, RootKeys
from kms_schema.keyring import CachePolicy, DatabaseUnavailableError, KeyNotPermittedError, KeyRing, RotationRun
from kms_schema.roles.definition import Role
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema
from support.rows.smallest import now, unique
from tests.keyring.conftest import MakeRing
from tests.keyring.due_keys import live, old_key, quarterly, recorded, rotation, versions_under, wait_until
from tests.keyring.rings import AAD, DATA, ROOT, change, unreachable
from tests.roles.granted import Granted
from tests.rotations.setups import DAY, HOUR, a_key, queue_of


@pytest.fixture(autouse=True, scope="module")
def _policy(database: Database) -> None:
    quarterly(database)
    quarterly(database, "kek")


@pytest.fixture
def fast(make_ring: MakeRing) -> KeyRing:
    """A ring that does not wait long for what other rings rely on."""
    return make_ring(cache=CachePolicy(max_age=0.1))


@contextmanager
def before_insert(table: str, do: Any) -> Iterator[None]:
    """Call `do` before SQLAlchemy first inserts into a table."""
    waiting = [do]

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if re.match(rf"INSERT INTO (public\.)?{table} ", statement) and waiting:
            waiting.pop()()

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
    assert not waiting


def test_the_command_rotates_a_key_of_91_days_under_a_policy_of_90(
    ring: KeyRing, kek: str, database: Database, root: tuple[str, str], roots: RootKeys
) -> None:
    """The acceptance test of the system that this one replaces, with a process of its own."""
    name = old_key(ring, kek)
    before = ring.key(name).encrypt(DATA, aad=AAD)
    words = ["rotations", "run", "--worker", "night-1", "--once", *root, "--actor", "cron", "--format", "json"]
    done = python.run(
        [sys.executable, "-m", "kms_schema", *words, "--database-url", database.url], cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["completed"] == 1
    assert f"key {name!r}: rotated to version 2 (scheduled)\n" in done.stderr
    assert rotation(database, name, "status", "old_version", "new_version") == ("COMPLETED", 1, 2)
    assert live(database, name) == [2]
    by_actor = {event for event, actor in recorded(database, name) if actor == "cron"}
    assert by_actor >= {
        "ROTATION_STARTED", "VERSION_DEACTIVATED", "VERSION_ACTIVATED", "KEY_CHANGED",
        "ROTATION_COMPLETED",
    }  # fmt: skip
    engine = database.engine()
    with KeyRing(engine, roots) as other:
        assert other.key(name).decrypt(before, aad=AAD) == DATA
        assert other.inspect(other.key(name).encrypt(DATA, aad=AAD)).version == 2
    engine.dispose()
    said = kms_schema("rotations", "run", "--worker", "night-1", "--once", *root, url=database.url)
    assert (said.status, said.out) == (0, "0 completed\n")


def test_what_a_kek_wraps_is_rewrapped_also_what_is_wrapped_by_the_old_version_meanwhile(
    make_ring: MakeRing, database: Database, roots: RootKeys, sql_engine: sa.Engine
) -> None:
    ring = make_ring(cache=CachePolicy(max_age=1))  # a busy machine must not be past the wait when it counts
    name, orders, late = old_key(ring, ROOT, key_type="kek"), unique("orders"), unique("late")
    ring.create(orders, under=name)
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    reports: list[str] = []

    def report(sentence: str) -> None:
        """Wrap by the old version once it has ended, as a program that has not noticed does."""
        reports.append(sentence)
        if len(reports) == 1:
            wrap_by_the_first_version(sql_engine, roots, name, late)

    done = ring.run_rotations(worker="night-1", report=report)
    assert "counted again" in reports[0]
    assert (done.completed, done.rewrapped, done.waiting) == (1, 2, 0)
    assert versions_under(database, name) == {2: 2}
    assert rotation(database, name, "status", "old_version", "new_version") == ("COMPLETED", 1, 2)
    assert ring.key(orders).decrypt(blob, aad=AAD) == DATA


def wrap_by_the_first_version(engine: sa.Engine, roots: RootKeys, kek: str, name: str) -> None:
    from sqlalchemy.orm import Session  # noqa: PLC0415

    from kms_schema.models import KeyMaster  # noqa: PLC0415

    with Session(engine) as session:
        wrapper = session.scalars(sa.select(KeyMaster).where(KeyMaster.key_id == kek)).one()
        key = KeyMaster(key_id=name, key_type="dek", algorithm="XAES-256-GCM", key_size_bits=256)
        session.add(key)
        session.flush()
        session.add(KeyWrapping(roots).generate(key, under=wrapper.versions[0]))
        session.commit()


def test_who_finds_the_new_version_of_a_kek_makes_no_other(make_ring: MakeRing, database: Database) -> None:
    ring = make_ring(cache=CachePolicy(max_age=2))  # a busy machine must not be done before the stop is seen
    name = old_key(ring, ROOT, key_type="kek")
    ring.create(unique("orders"), under=name)
    stop = threading.Event()
    first = ring.run_rotations(worker="night-1", stop=stop, report=lambda _: stop.set())
    assert (first.completed, first.waiting, live(database, name)) == (0, 1, [2])
    assert rotation(database, name, "status", "new_version") == ("RUNNING", 2)
    time.sleep(3.1)
    assert ring.run_rotations(worker="night-2").completed == 1
    assert live(database, name) == [2]
    assert rotation(database, name, "status", "new_version", "affected_records") == ("COMPLETED", 2, None)


def test_a_wrapper_that_is_not_active_is_the_reason_of_a_failure(ring: KeyRing, database: Database) -> None:
    kek = unique("kek")
    ring.create(kek, under=ROOT, key_type="kek")
    name = old_key(ring, kek)
    ring.revoke(kek, reason="leaked")
    assert ring.run_rotations(worker="night-1").failed == 1
    (status, reason, retry) = rotation(database, name, "status", "error_message", "next_retry_at")
    assert (status, retry is not None, live(database, name)) == ("FAILED", True, [1])
    assert f"key {kek!r} cannot wrap key {name!r}: it is revoked" in reason
    ring.expire(name)  # or another test would find it, once its time to be tried again has come


def test_a_key_in_an_hsm_that_is_not_known_is_not_rotated(ring: KeyRing, database: Database) -> None:
    with closing(database.connect()) as connection:
        held = {"hsm_provider": "pkcs11", "hsm_key_id": "luna/k", "key_type": "dek", "algorithm": "AES-256-GCM"}
        row = a_key(connection, live={"encrypted_key_data": None, "wrapping_key_ref": None}, **held)
    assert ring.run_rotations(worker="night-1").failed == 1
    assert "there is no HSM named 'luna'" in rotation(database, row["key_id"], "error_message")[0]
    assert live(database, row["key_id"]) == [1]


def test_a_policy_that_is_disabled_meanwhile_rotates_nothing(ring: KeyRing, kek: str, database: Database) -> None:
    name = old_key(ring, kek)
    enable = "UPDATE rotation_policies SET is_active = :active WHERE policy_name = 'quarterly dek'"
    with closing(database.connect()) as connection:
        queue_of(connection).schedule_due()
    change(database, enable, active=False)
    assert ring.run_rotations(worker="night-1").failed == 1
    assert rotation(database, name, "status", "next_retry_at") == ("FAILED", None)
    assert "'quarterly dek' is disabled" in rotation(database, name, "error_message")[0]
    assert live(database, name) == [1]
    change(database, enable, active=True)
    assert ring.run_rotations(worker="night-1").completed == 1
    assert live(database, name) == [2]


def test_a_worker_past_its_lease_completes_nothing(ring: KeyRing, kek: str, database: Database) -> None:
    name = old_key(ring, kek)
    stop = threading.Event()
    with before_insert("key_versions", lambda: time.sleep(0.4)):
        late = ring.run_rotations(worker="slow", lease=0.2, stop=stop, report=lambda _: stop.set())
    assert (late.completed, late.lost, live(database, name)) == (0, 1, [1])
    assert ring.run_rotations(worker="next").completed == 1
    assert rotation(database, name, "status", "new_version") == ("COMPLETED", 2)


def test_a_key_that_was_rotated_meanwhile_is_not_rotated_again(ring: KeyRing, kek: str, database: Database) -> None:
    name = old_key(ring, kek)
    with closing(database.connect()) as connection:
        queue_of(connection).schedule_due()
    ring.rotate(name)
    assert ring.run_rotations(worker="night-1").completed == 1
    assert live(database, name) == [2]
    assert rotation(database, name, "status", "old_version", "new_version") == ("COMPLETED", 1, 2)


@pytest.mark.only_on("postgresql")
def test_a_member_of_kms_rotator_rotates_and_no_application(
    granted: Granted, ring: KeyRing, roots: RootKeys, database: Database
) -> None:
    name, orders = old_key(ring, ROOT, key_type="kek"), unique("orders")
    ring.create(orders, under=name)
    for role, is_allowed in ((Role.APP, False), (Role.ADMIN, False), (Role.ROTATOR, True)):
        with granted.member(role) as seen:
            engine = seen.engine()
            with KeyRing(engine, roots, cache=CachePolicy(max_age=0.1)) as own:
                if is_allowed:
                    assert own.run_rotations(worker="night-1", destroy_after=DAY).completed == 1
                else:
                    with pytest.raises(KeyNotPermittedError, match="kms_rotator"):
                        own.run_rotations(worker="night-1")
            engine.dispose()
    assert (live(database, name), versions_under(database, name)) == ([2], {2: 1})


def test_two_workers_rotate_each_key_once(make_ring: MakeRing, ring: KeyRing, kek: str, database: Database) -> None:
    names = [old_key(ring, kek) for _ in range(6)]
    rings = [make_ring(), make_ring()]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda each: each.run_rotations(worker="night", jobs=2), rings))
    assert (sum(each.completed for each in runs), sum(each.failed for each in runs)) == (6, 0)
    assert [live(database, name) for name in names] == [[2]] * 6


def test_a_closed_window_in_another_zone_is_kept(ring: KeyRing, kek: str, database: Database) -> None:
    name = old_key(ring, kek)
    window = (
        "UPDATE rotation_policies SET rotation_window_start = :start, rotation_window_end = :end, timezone = :zone"
        " WHERE policy_name = 'quarterly dek'"
    )
    # Kolkata is 5:30 ahead of UTC: in UTC this window would be open.
    around = {"start": f"{now() - HOUR:%H:%M}", "end": f"{now() + HOUR:%H:%M}"}
    change(database, window, zone="Asia/Kolkata", **around)
    kept = ring.run_rotations(worker="night-1")
    assert (kept.completed, live(database, name)) == (0, [1])
    assert f"1 waits for its window {around['start']}-{around['end']} Asia/Kolkata" in kept.pending
    change(database, window, zone="UTC", **around)
    assert (ring.run_rotations(worker="night-1").completed, live(database, name)) == (1, [2])
    change(database, window, zone="UTC", start=None, end=None)


@contextmanager
def staying(worker: KeyRing, reports: list[str]) -> Iterator[Future[RotationRun]]:
    """Run a worker in a thread, until the end of the block."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(
                worker.run_rotations, worker="service", once=False, interval=0.05, stop=stop, report=reports.append
            )
        finally:
            stop.set()


@pytest.mark.only_on("postgresql")
def test_a_worker_that_stays_survives_an_outage_and_does_not_begin_in_one(
    make_ring: MakeRing, ring: KeyRing, kek: str, database: Database
) -> None:
    reports: list[str] = []
    with staying(make_ring(), reports) as running:
        first = old_key(ring, kek)
        wait_until(lambda: live(database, first) == [2])
        with unreachable(database):
            wait_until(lambda: any("cannot be used" in each for each in reports))
            with pytest.raises(DatabaseUnavailableError):
                make_ring().run_rotations(worker="late", once=False, interval=0.05)
        second = old_key(make_ring(), kek)
        wait_until(lambda: live(database, second) == [2])
    assert running.result().completed == 2
