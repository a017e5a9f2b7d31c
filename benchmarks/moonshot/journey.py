"""The order of events: a key is due, rotated, its values are re-encrypted, and its old version is destroyed.

Readers and writers work from before the rotation until after the destruction. Each command is killed on its way and
started again, as an operator would. Two times are moved, since the journey does not wait for them: the lease of a
worker that was killed, and the end of the old version, 25 hours back. The latter is done only after `max_age` and every
transaction of then have passed, as they have after 24 hours.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

import sqlalchemy as sa

from benchmarks.moonshot.application import Application, is_of, prepare
from benchmarks.moonshot.clients import Load, clients
from benchmarks.moonshot.outcome import Outcome
from benchmarks.moonshot.processes import Ended, Watch, at_commit, at_statement, counting, run
from kms_schema.keyring.formats.prefix import Form, write_prefix
from support.engines import Database
from support.statements import execute

MOVED = dt.timedelta(hours=25)
MOVED_TIMES = (
    "the lease of a killed worker ends at once, and the end of the old version is dated 25 hours back"
    " when all rings have read the new one"
)
"""For the output."""
_OF_KEY = "key_id = (SELECT id FROM key_masters WHERE key_id = :key)"
_SHOWN_ROWS = 100
_COMMITS_A_PAGE = 2
_MOST_RUNS = 10
_MOST_WHILE_DESTROYING = 3
"""A destruction has a few statements only, and the next run finds none to do."""
_PAGE = 5_000


class HarnessError(Exception):
    """The run says nothing: a failure would not be counted, or a command ended as it should not."""


@dataclass
class Journey:
    """A run on one database, which has nothing of the package but its tables."""

    database: Database
    folder: Path
    """For the root key and the output of commands."""
    rows: int
    load: Load = field(default_factory=Load)
    kills: int = 10
    max_age: float = 1.0
    batch: int = 500
    report: Callable[[str], None] = lambda _sentence: None

    @property
    def application(self) -> Application:
        """The application whose key is due."""
        return Application(self.database, self.folder / "root.key", "invoices", self.rows, self.max_age)

    def run(self) -> Outcome:
        """Show that failures are counted, then do everything. Raises `HarnessError`."""
        done = Outcome(
            self.database.engine_name, self.rows, self.load.readers, self.load.writers, kills_asked=self.kills
        )
        prepare(self.database, self.folder)
        self._timed(done, "show", lambda: self._show(done))
        application = self.application
        self.report(f"filling {self.rows} rows")
        self._timed(done, "fill", application.fill)
        with clients(application, self.load) as done.counts:
            self._timed(done, "rotate", lambda: self._rotate(application, done))
            rotated = time.monotonic()
            self._timed(done, "reencrypt", lambda: self.reencrypt(application, done, self.kills))
            time.sleep(max(0.0, rotated + self.max_age + 1 - time.monotonic()))
            # Rings may have encrypted with the old version for `max_age`, after the last run had counted.
            self._timed(done, "reencrypt again", lambda: self.reencrypt(application, done, 0))
            self._timed(done, "destroy", lambda: self._destroy(application, done))
            time.sleep(self.max_age + 0.5)  # until no ring has the old version in memory
        self._timed(done, "check", lambda: self._check(application, done))
        return done

    @contextmanager
    def _phase(self, done: Outcome, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        done.seconds[name] = round(time.monotonic() - began, 2)

    def _timed(self, done: Outcome, name: str, phase: Callable[[], None]) -> None:
        with self._phase(done, name):
            phase()

    def _show(self, done: Outcome) -> None:
        """Destroy a version too early, of another key: its readers have to fail."""
        self.report("showing that failed decryptions are counted")
        shown = replace(self.application, name="shown", rows=_SHOWN_ROWS)
        shown.fill()
        with clients(shown, Load(self.load.readers, 0, self.load.pause, self.load.seed)) as counts:
            self._must(self._work(shown, counting(self._statements)))
            self._must(self._command("destroy-version", shown.name, "1", "--erase-data", "--yes"))
            time.sleep(self.max_age + 0.5)
        done.failures_shown = counts.failed_reads.total()
        if not counts.reads or not done.failures_shown:
            raise HarnessError(
                f"{counts.reads} reads succeeded and {done.failures_shown} failed around the destruction of a version"
                " that was in use: failures are not counted, so a run would say nothing"
            )

    def _rotate(self, application: Application, done: Outcome) -> None:
        """Let the worker rotate the key, killed at statements all over its way."""
        statements, kills = int(self._statements.read_text()), self.kills - self._kills_while_destroying
        for each in range(kills):
            # A run after a kill has fewer statements than the one that was counted: the key is scheduled already.
            at = at_statement(1 + 2 * statements * (each + 1) // (3 * (kills + 1)))
            done.worker_kills += self._work(application, at).status is None
        self._must(self._work(application))
        query = f"SELECT max(version_number) FROM key_versions WHERE {_OF_KEY}"
        if application.value(query, key=application.name) != 2:
            raise HarnessError("the key was not rotated once")
        self.report(f"rotated, after {done.worker_kills} kills")

    def reencrypt(self, application: Application, done: Outcome, kills: int) -> None:
        """Run the command until no row is left, killed after equal parts of the pages; two of them are left."""
        of_key = "--key", application.name, *application.root_key
        words = "reencrypt", application.column, *of_key, "--batch", str(self.batch)
        pages = ceil(self.rows / self.batch) // (self.kills + 2)
        for _ in range(kills):
            ended = self._command(*words, watch=at_commit(_COMMITS_A_PAGE * max(1, pages)))
            done.reencrypt_kills += ended.status is None
        for _ in range(_MOST_RUNS):
            done.reencrypt_runs += 1
            ended = self._command(*words)
            if ended.status == 0:
                break
        else:
            raise HarnessError(f"rows are left after {_MOST_RUNS} runs: {ended.said}")
        self.report(f"re-encrypted, after {done.reencrypt_kills} kills")

    def _destroy(self, application: Application, done: Outcome) -> None:
        """Let the worker destroy the old version, killed after the statements of a run that finds none."""
        destroying = "--destroy-after", "1"
        self._must(self._work(application, counting(self._statements), *destroying))
        if self._is_destroyed(application):
            raise HarnessError("the old version was destroyed within 24 hours")
        ended = (dt.datetime.now(dt.UTC) - MOVED).isoformat().replace("+00:00", "Z")
        application.change(
            f"UPDATE key_versions SET deactivated_at = :ended WHERE {_OF_KEY} AND version_number = 1",
            ended=ended, key=application.name,
        )  # fmt: skip
        statements = int(self._statements.read_text())
        for each in range(self._kills_while_destroying):
            ended_so = self._work(application, at_statement(statements + 1 + each), *destroying)
            done.worker_kills += ended_so.status is None
        last = self._work(application, None, *destroying)
        self._must(last)
        done.destroyed = self._is_destroyed(application)
        self.report(f"destroyed, after {done.worker_kills} kills of the worker" if done.destroyed else last.said)

    def _check(self, application: Application, done: Outcome) -> None:
        """Look at every row: at its first bytes, and open it."""
        query = f"SELECT ciphertext_tag FROM key_versions WHERE {_OF_KEY} AND version_number = 1"
        prefix = write_prefix(Form.MESSAGE, application.value(query, key=application.name))
        with closing(self.database.connect()) as connection:
            blobs = execute(connection, f"SELECT iban FROM {application.name}").fetchall()
            done.left = sum(bytes(blob).startswith(prefix) for (blob,) in blobs)
        with application.opened() as (engine, _, table), engine.connect() as connection:
            raw = sa.select(table.c.id).order_by(table.c.id)
            ids = connection.execute(raw).scalars().all()
            for begin in range(0, len(ids), _PAGE):
                page = ids[begin : begin + _PAGE]
                query_page = sa.select(table.c.id, table.c.iban).where(table.c.id.between(page[0], page[-1]))
                try:
                    opened = sum(is_of(text, row) for row, text in connection.execute(query_page))
                except Exception:  # noqa: BLE001  (which of its rows it was does not matter)
                    opened = 0
                done.checked += opened
                done.unopened += len(page) - opened

    @property
    def _kills_while_destroying(self) -> int:
        return min(_MOST_WHILE_DESTROYING, (self.kills + 1) // 3)

    @property
    def _statements(self) -> Path:
        return self.folder / "statements"

    def _is_destroyed(self, application: Application) -> bool:
        query = f"SELECT destroyed_at FROM key_versions WHERE {_OF_KEY} AND version_number = 1"
        return application.value(query, key=application.name) is not None

    def _work(self, application: Application, watch: Watch | None = None, *words: str) -> Ended:
        """Run the worker once; the lease of one that is killed ends at once."""
        ended = self._command(
            "rotations", "run", "--once", "--worker", "worker", "--max-age", str(self.max_age), *words,
            *application.root_key, watch=watch, waits=True,
        )  # fmt: skip
        if ended.status is None:
            past = "2020-01-01T00:00:00.000000Z"
            application.change("UPDATE key_rotations SET lease_expires_at = :past WHERE status = 'RUNNING'", past=past)
        return ended

    def _command(self, *words: str, watch: Watch | None = None, waits: bool = False) -> Ended:
        words = *words, "--database-url", self.database.url
        return run(words, self.folder / "output", watch, waits=waits)

    @staticmethod
    def _must(ended: Ended) -> None:
        if ended.status != 0:
            raise HarnessError(f"a command ended with status {ended.status}: {ended.said}")
