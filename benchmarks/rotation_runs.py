"""P14: four processes of `kms-schema rotations run`, compared with four bare scripts that run the same statements.

A bare script takes rotations from the queue and changes rows with literal SQL over psycopg: no models, no cryptography.
Both include the start of their processes.
"""

import base64
import datetime as dt
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.data.keys import METADATA
from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import Times
from kms_schema.crypto import KeyWrapping, RootKeys
from kms_schema.keyring import KeyRing
from kms_schema.models import KeyMaster
from kms_schema.rotations import RotationQueue, open_queue
from support.engines import Database
from support.engines.database import Connection
from support.engines.programs import REPOSITORY
from support.statements import execute

WORKERS = 4
MOST_KEYS = 10_000
ROUNDS = 2
"""Each of both runs first in one of them."""
ROOT = "kms://root"
POLICY = "INSERT INTO rotation_policies (policy_name, key_type, rotation_interval_days) VALUES ('quarterly', 'dek', 90)"
BARE = (
    "SELECT id, key_id, key_type, algorithm, key_size_bits, status, hsm_key_id FROM key_masters WHERE id = :key"
    " FOR NO KEY UPDATE",
    "SELECT policy.is_active FROM key_rotations AS rotation JOIN rotation_policies AS policy"
    " ON policy.id = rotation.policy_id WHERE rotation.id = :rotation",
    "SELECT version.*, wrapper.*, master.* FROM key_versions AS version"
    " LEFT JOIN key_versions AS wrapper ON wrapper.id = version.wrapped_by_version_id"
    " LEFT JOIN key_masters AS master ON master.id = wrapper.key_id"
    " WHERE version.key_id = :key ORDER BY version.version_number",
    "UPDATE key_versions SET deactivated_at = greatest(now(), activated_at)"
    " WHERE key_id = :key AND version_number = :old",
    "INSERT INTO key_versions (key_id, version_number, encrypted_key_data, key_checksum, encryption_metadata,"
    " wrapped_by_version_id, activated_at) VALUES (:key, :new, :envelope, :checksum, :metadata, :wrapper, now())",
)


def measure(places: Places) -> list[Measured]:
    """Rotate all keys by both, in databases of their own."""
    number = min(MOST_KEYS, places.scale.due_among)
    taken: dict[str, list[float]] = {"rotations run": [], "bare script": []}
    with TemporaryDirectory() as folder:
        root = Path(folder) / "root.key"
        root.touch(0o600)
        root.write_bytes(base64.b64encode(secrets.token_bytes(32)))
        for turn in range(min(ROUNDS, places.options.repetitions)):
            for name in reversed(taken) if turn % 2 else taken:
                with places.empty() as database:
                    fill(database, root, number)
                    taken[name].append(_timed(database, _commands(name, database, root)))
    times = {name: Times(tuple(each)) for name, each in taken.items()}
    ratio = times["bare script"].least / times["rotations run"].least
    what = f"rotate {number} keys, {WORKERS} workers ÷ bare script, rate"
    return [
        Measured(what, ratio, Limit(0.5, at_least=True), times),
        Measured(
            "to compare: rotations run, a key", times["rotations run"].least / number, None, times, unit=" ms"
        ),
    ]  # fmt: skip


def fill(database: Database, root: Path, number: int) -> None:
    """Create a KEK, and data keys under it that are due and scheduled."""
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=91)
    engine = database.engine()
    with RootKeys.from_files({ROOT: root}) as roots:
        with KeyRing(engine, roots) as ring:
            ring.create("kek", under=ROOT, key_type="kek")
        wrapping = KeyWrapping(roots)
        with Session(engine) as session:
            kek = session.scalars(sa.select(KeyMaster)).one().versions[0]
            with wrapping.holding(kek):
                for each in range(number):
                    key = KeyMaster(
                        key_id=f"dek-{each}", key_type="dek", algorithm="XAES-256-GCM", key_size_bits=256,
                        status="active", created_at=then, activated_at=then,
                    )  # fmt: skip
                    version = wrapping.generate(key, under=kek)
                    version.created_at = version.activated_at = then
                    session.add(key)
            session.commit()
    engine.dispose()
    with closing(database.connect()) as connection:
        execute(connection, POLICY)
        _queue(connection).schedule_due(number)
        execute(connection, "ANALYZE")


def _queue(connection: Connection) -> RotationQueue:
    return open_queue(connection)


def _commands(name: str, database: Database, root: Path) -> Callable[[int], Sequence[str]]:
    if name == "bare script":
        return lambda _worker: (sys.executable, "-m", __name__, database.url)
    words = (
        sys.executable, "-m", "kms_schema", "rotations", "run", "--once", "--root-key", f"{ROOT}={root}",
        "--database-url", database.url, "--worker",
    )  # fmt: skip
    return lambda worker: (*words, f"worker-{worker}")


def _timed(database: Database, command: Callable[[int], Sequence[str]]) -> float:
    with TemporaryFile("w+") as said:  # a line a key: a pipe that is not read would stop the workers
        began = time.perf_counter()
        processes = [
            subprocess.Popen(  # noqa: S603  (our own words)
                command(worker), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=said
            )
            for worker in range(WORKERS)
        ]
        statuses = [process.wait() for process in processes]
        taken = (time.perf_counter() - began) * 1000
        if any(statuses):
            said.seek(0)
            raise RuntimeError(f"a worker failed: {said.read()[-500:]}")
    with closing(database.connect()) as connection:
        [(left,)] = execute(connection, "SELECT count(*) FROM key_rotations WHERE status <> 'COMPLETED'").fetchall()
    if left:
        raise RuntimeError(f"{left} keys were not rotated")
    return taken


def work(database: Database) -> None:
    """Do what a bare script does, until nothing is left."""
    with closing(database.connect()) as connection:
        queue = _queue(connection)
        wrapper = execute(
            connection,
            "SELECT version.id FROM key_versions AS version JOIN key_masters AS master ON master.id = version.key_id"
            " WHERE master.key_id = 'kek'",
        ).fetchall()[0][0]
        while claim := queue.claim("bare"):
            old = claim.live_version or 0
            values = {
                "key": claim.key_master_id, "rotation": claim.id, "old": old, "new": old + 1, "wrapper": wrapper,
                "envelope": b"\x01" + secrets.token_bytes(60), "checksum": secrets.token_hex(32), "metadata": METADATA,
            }  # fmt: skip
            with queue.transaction():
                for statement in BARE:
                    named = {name: value for name, value in values.items() if f":{name}" in statement}
                    execute(connection, statement, named)
                queue.complete(claim, new_version=old + 1)


if __name__ == "__main__":
    work(Database("postgresql", "postgresql", sys.argv[1]))
