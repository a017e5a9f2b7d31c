"""Rewraps all dependents of a wrapper under another one, in short transactions.

It can be interrupted at any time: rows that are not committed are still under the old wrapper, and the next run finds
them there. The remaining work is queried from the database, and stored nowhere else.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto.dependents import Dependents, dependents_of, pages, share_target
from kms_schema.crypto.errors import CryptoError
from kms_schema.crypto.key_wrapping import KeyWrapping, Wrapper
from kms_schema.crypto.wrappers import Move, find_move, require_same_root_for_rewrap
from kms_schema.database.messages import driver_message, sqlstate_of
from kms_schema.database.pinned_path import with_pinned_path
from kms_schema.engine import BEGIN_OPTION, at_read_committed, committed_durably
from kms_schema.models import KeyVersion, acting_for

DEFAULT_BATCH = 100
"""The number of rows of a transaction. Other writers of these rows wait for it, about a tenth of a second."""

PATIENCE_SECONDS = 30.0
"""Seconds to wait for rows that others have locked, when no other rows are left."""

_TRANSIENT = {"40P01", "40001"}
_ATTEMPTS = 5

Progress = Callable[[int, int], None]
"""Receives the number of rows that are done, and the number of all rows."""


@dataclass(frozen=True)
class Left:
    """A row that is not rewrapped."""

    row: str
    """The name of the dependent, for messages."""
    why: str


@dataclass
class Outcome:
    """The rows that were rewrapped, or would be."""

    versions: int = 0
    """Key versions."""
    configurations: int = 0
    """HSM configurations, with credentials."""
    left: dict[uuid.UUID, Left] = field(default_factory=dict)
    """Rows that do not open, or may not move."""
    unsaid: dict[uuid.UUID, Left] = field(default_factory=dict)
    """Credentials whose row names no wrapping key, and that the source does not open."""
    remaining: int = 0
    """Rows that name the source at the end."""

    @property
    def rows(self) -> int:
        """The number of rewrapped rows."""
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
    """Rewrap all dependents of `source` under `target`; return the numbers of rewrapped and remaining dependents.

    engine: of `kms_schema.create_engine`. wrapping: has the root keys of both wrappers.
    source, target: the reference of a root key, or KEY_ID:VERSION of a key encryption key.
    batch: rows of a transaction. actor: the user in the entries that the database writes to the audit log.
    progress: called with the rows that are done and all rows, after each transaction.
    patience: seconds to wait for rows that others have locked.

    Continues until only rows are left that cannot be rewrapped, and includes dependents that others add meanwhile.
    Raises `WrappingKeyError` if the wrappers do not allow it, and `RootKeyError` if what is under `target` already does
    not open with the root key given for it. Raises `CryptoError` if a wrapper does not open, or if a written row does
    not open under the target: then its batch is rolled back. Example::

        outcome = rewrap(engine, wrapping, "kms://root-2025", "kms://root-2026", actor="alice")
        print(outcome.versions, outcome.remaining, [left.why for left in outcome.left.values()])
    """
    with _session(engine, "BEGIN IMMEDIATE") as session:
        move = _find_move(session, wrapping, source, target)
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
    """Return the outcome that `rewrap` would have, and write nothing.

    engine, wrapping, source, target: as for `rewrap`. verify: open every envelope as well, and list those that do not
    open. progress: called with the rows that are done and all rows.

    Raises as `rewrap` does. Example::

        print(plan(engine, wrapping, "kms://root-2025", "kms://root-2026", verify=True).left)
    """
    with _session(engine, "BEGIN") as session:
        move = _find_move(session, wrapping, source, target)
        kinds = dependents_of(wrapping, move)
        outcome = Outcome(remaining=sum(kind.count(session) for kind in kinds))
        with _held(wrapping, move.source), _held(wrapping, move.target):
            for kind in kinds:
                for ids in pages(session, kind):
                    for first in range(0, len(ids), DEFAULT_BATCH):
                        some = ids[first : first + DEFAULT_BATCH]
                        left = _tried(kind, kind.read(session, some, lock=False), outcome) if verify else 0
                        outcome.count(kind, len(some) - left)
                        if progress:
                            progress(outcome.rows, outcome.remaining)
        return outcome


def _find_move(session: Session, wrapping: KeyWrapping, source: str, target: str) -> Move:
    move = find_move(session, wrapping, source, target)
    if isinstance(move.target, str):
        require_same_root_for_rewrap(session, wrapping, move.target)
    return move


def _tried(kind: Dependents, rows: Sequence[object], outcome: Outcome) -> int:
    """Open rows, and return how many do not open."""
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
        """Read all rows again until none is left that can be rewrapped."""
        since = time.monotonic()
        while True:
            found = moved = 0
            for ids in pages(self.session, kind):
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
        """Rewrap some rows; return how many were rewrapped, or were found impossible to rewrap."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                moved = self._transaction(kind, ids)
            except sa.exc.IntegrityError as error:
                self.session.rollback()
                return self._one_by_one(kind, ids, error)
            except sa.exc.OperationalError as error:
                self.session.rollback()
                if sqlstate_of(error) not in _TRANSIENT or attempt == _ATTEMPTS:
                    raise
            except BaseException:
                self.session.rollback()
                raise
            else:
                return moved
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _one_by_one(self, kind: Dependents, ids: Sequence[uuid.UUID], error: sa.exc.IntegrityError) -> int:
        """Find the row that a constraint of the database does not allow to rewrap, and rewrap the others."""
        if len(ids) > 1:
            return sum(self._batch(kind, [each]) for each in ids)
        for row in kind.read(self.session, ids, lock=False):
            _note(self.outcome, kind, row, CryptoError(driver_message(error)))
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
    """Open a session whose objects stay valid after a commit, at READ COMMITTED: each statement has a new snapshot."""
    own = committed_durably(with_pinned_path(at_read_committed(engine))).execution_options(**{BEGIN_OPTION: begin})
    with Session(own, expire_on_commit=False) as session:
        yield session


def _held(wrapping: KeyWrapping, wrapper: Wrapper) -> AbstractContextManager[None]:
    return nullcontext() if isinstance(wrapper, str) else wrapping.holding(wrapper)
