"""Moving everything from one wrapper to another: in short transactions, each of which leaves every row whole.

It can be ended at any moment: what a batch had not committed is under the old wrapper still, and the next run finds it
there, since what is to be done is asked of the database and kept nowhere else.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto.dependents import Dependents, dependents_of, share_target
from kms_schema.crypto.errors import CryptoError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.crypto.wrappers import Move, find_move
from kms_schema.engine import BEGIN_OPTION
from kms_schema.models import KeyVersion, acting_for

DEFAULT_BATCH = 100
"""Rows in a transaction: a tenth of a second, for which whoever wants one of them waits."""

PATIENCE_SECONDS = 30.0
"""How long rows that others have locked are waited for, when nothing else is left to do."""

_LISTED = 20_000
"""Ids that are read ahead, so that not every batch searches all that is left."""
_TRANSIENT = {"40P01", "40001"}
_ATTEMPTS = 5

Progress = Callable[[int, int], None]
"""Is told how many rows are done, and of how many."""


@dataclass(frozen=True)
class Left:
    """A row that stays where it is."""

    row: str
    why: str


@dataclass
class Outcome:
    """What was done, or would be."""

    versions: int = 0
    configurations: int = 0
    left: dict[uuid.UUID, Left] = field(default_factory=dict)
    """Rows that do not open, or may not move."""
    unsaid: dict[uuid.UUID, Left] = field(default_factory=dict)
    """Credentials that do not say what they are under, and are not under the source."""
    remaining: int = 0
    """Rows that name the source at the end."""

    @property
    def rows(self) -> int:
        """All rows that were moved, or would be."""
        return self.versions + self.configurations

    def count(self, kind: Dependents, rows: int) -> None:
        """Add rows of a kind."""
        if kind.model is KeyVersion:
            self.versions += rows
        else:
            self.configurations += rows


def rewrap(  # noqa: PLR0913  (each is an option of the command)
    engine: sa.Engine,
    wrapping: KeyWrapping,
    source: str,
    target: str,
    *,
    batch: int = DEFAULT_BATCH,
    actor: str | None = None,
    progress: Progress | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Outcome:
    """Move all that is wrapped by `source` to `target`, each a reference or KEY_ID:VERSION, and say what is left.

    Goes on until nothing is left but what cannot be moved; what others wrap by the source meanwhile is found, too.
    The entries that the database writes are made for `actor`. Raises `WrapperError` where nothing can be moved between
    these, `CryptoError` where one of them does not open, or where a row that was written does not: then nothing of
    that batch stays.
    """
    with _session(engine, "BEGIN IMMEDIATE") as session:
        move = find_move(session, wrapping, source, target)
        kinds = dependents_of(wrapping, move)
        run = _Run(session, move, batch, actor, progress, patience)
        run.total = sum(kind.count(session) for kind in kinds)
        with _held(wrapping, move.source), _held(wrapping, move.target):
            session.commit()
            for kind in kinds:
                run.until_none_is_left(kind)
        run.outcome.remaining = sum(kind.count(session) for kind in kinds)
        return run.outcome


def plan(  # noqa: PLR0913  (each is an option of the command)
    engine: sa.Engine,
    wrapping: KeyWrapping,
    source: str,
    target: str,
    *,
    verify: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Say what `rewrap` would move, and write nothing; with `verify`, try whether each opens. Raises as it does."""
    with _session(engine, "BEGIN") as session:
        move = find_move(session, wrapping, source, target)
        kinds = dependents_of(wrapping, move)
        outcome = Outcome(remaining=sum(kind.count(session) for kind in kinds))
        with _held(wrapping, move.source), _held(wrapping, move.target):
            for kind in kinds:
                for ids in _pages(session, kind):
                    for first in range(0, len(ids), DEFAULT_BATCH):
                        some = ids[first : first + DEFAULT_BATCH]
                        left = _tried(kind, kind.read(session, some, lock=False), outcome) if verify else 0
                        outcome.count(kind, len(some) - left)
                        if progress:
                            progress(outcome.rows, outcome.remaining)
        return outcome


def _tried(kind: Dependents, rows: Sequence[object], outcome: Outcome) -> int:
    """Open rows, and return how many do not."""
    before = len(outcome.left) + len(outcome.unsaid)
    for row in rows:
        try:
            kind.change(row)
        except CryptoError as error:
            _note(outcome, kind, row, error)
    return len(outcome.left) + len(outcome.unsaid) - before


def _note(outcome: Outcome, kind: Dependents, row: object, error: CryptoError) -> None:
    among = outcome.unsaid if kind.unsaid(row) else outcome.left
    among[row.id] = Left(kind.name(row), str(error))  # type: ignore[attr-defined]


def _pages(session: Session, kind: Dependents) -> Iterator[Sequence[uuid.UUID]]:
    after = None
    while ids := kind.listed(session, after, _LISTED):
        yield ids
        after = ids[-1]


@dataclass
class _Run:
    session: Session
    move: Move
    batch: int
    actor: str | None
    progress: Progress | None
    patience: float
    total: int = 0
    outcome: Outcome = field(default_factory=Outcome)

    def until_none_is_left(self, kind: Dependents) -> None:
        """Pass through all rows until a pass finds none that can be moved."""
        since = time.monotonic()
        while True:
            found = moved = 0
            for ids in _pages(self.session, kind):
                self.session.commit()
                todo = [each for each in ids if each not in self.outcome.left and each not in self.outcome.unsaid]
                found += len(todo)
                for first in range(0, len(todo), self.batch):
                    moved += self._batch(kind, todo[first : first + self.batch])
            self.session.commit()
            if moved:
                since = time.monotonic()
            elif found == 0 or time.monotonic() - since > self.patience:
                return
            else:
                time.sleep(min(0.2, self.patience))

    def _batch(self, kind: Dependents, ids: Sequence[uuid.UUID]) -> int:
        """Move what can be moved of some rows, and return how many these, or the reasons against them, are."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                moved = self._transaction(kind, ids)
            except sa.exc.IntegrityError as error:
                self.session.rollback()
                return self._one_by_one(kind, ids, error)
            except sa.exc.OperationalError as error:
                self.session.rollback()
                if getattr(error.orig, "sqlstate", None) not in _TRANSIENT or attempt == _ATTEMPTS:
                    raise
            except BaseException:
                self.session.rollback()
                raise
            else:
                return moved
        raise AssertionError  # the last attempt returns or raises

    def _one_by_one(self, kind: Dependents, ids: Sequence[uuid.UUID], error: sa.exc.IntegrityError) -> int:
        """Find the row that a rule of the database does not let move; the others do."""
        if len(ids) > 1:
            return sum(self._batch(kind, [each]) for each in ids)
        for row in kind.read(self.session, ids, lock=False):
            _note(self.outcome, kind, row, CryptoError(str(error.orig).splitlines()[0]))
        self.session.commit()
        return 1

    def _transaction(self, kind: Dependents, ids: Sequence[uuid.UUID]) -> int:
        session = self.session
        claim = acting_for(session.connection(), self.actor) if self.actor else nullcontext()
        changes, seen = [], Outcome()
        with claim:
            share_target(session, self.move.target)
            rows = kind.read(session, ids, lock=True)
            for row in rows:
                try:
                    changes.append(kind.change(row))
                except CryptoError as error:
                    _note(seen, kind, row, error)
            if changes:
                session.execute(sa.update(kind.model), changes)
                kind.verify(session, [change["id"] for change in changes])
        session.commit()
        self.outcome.left |= seen.left
        self.outcome.unsaid |= seen.unsaid
        self.outcome.count(kind, len(changes))
        if self.progress:
            self.progress(self.outcome.rows, max(self.total, self.outcome.rows))
        return len(rows)


@contextmanager
def _session(engine: sa.Engine, begin: str) -> Iterator[Session]:
    """Open a session whose objects outlive a commit, at READ COMMITTED: each statement sees what others committed."""
    options: dict[str, str] = {BEGIN_OPTION: begin}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "READ COMMITTED"
    with Session(engine.execution_options(**options), expire_on_commit=False) as session:
        yield session


def _held(wrapping: KeyWrapping, wrapper: Wrapper) -> AbstractContextManager[None]:
    return nullcontext() if isinstance(wrapper, str) else wrapping.holding(wrapper)
