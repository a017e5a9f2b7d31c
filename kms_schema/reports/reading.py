"""The reading of a report: the queries of one snapshot, each of them once."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Any, Literal

from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.proofs.many import Prover
from kms_schema.audit.proofs.prover import CannotProveError
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.audit.verification.result import VerificationResult
from kms_schema.audit.verification.verify_leaves import Expected, LeafVerification
from kms_schema.reading.times import time_to_text
from kms_schema.reports.outcomes import LISTED, Table
from kms_schema.reports.scope import ADMINISTRATION_EVENTS, EXPORT_EVENTS, USE_EVENTS, Scope
from kms_schema.validator.report import Report

Rows = list[tuple[Any, ...]]

Progress = Callable[[str, int, int], None]
"""Receives what is done, such as `hashed`, the entries so far, and all entries."""


def no_progress(_what: str, _done: int, _of: int) -> None:
    """Show nothing."""


@dataclass
class Reading:
    """One snapshot of one database, with the validator's report of the same snapshot."""

    snapshot: Snapshot
    scope: Scope
    validation: Report
    seal: StoredSeal | None
    """The newest seal, if it is signed and its signature holds."""
    newest: StoredSeal | None = None
    """The newest seal, if its row can be one."""
    without_proofs: str = ""
    """The reason why there is no such seal."""
    progress: Progress = no_progress
    _tables: dict[str, tuple[list[str], Rows]] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, scope: Scope, validation: Report, progress: Progress = no_progress) -> "Reading":
        """Return the reading of a snapshot."""
        ((until,),) = snapshot.table(scope.render("removed_until"))[1]
        if until is not None:
            scope = replace(scope, removed_until=datetime.fromisoformat(plain(until)))
        seal, newest, reason = None, None, "nothing is sealed yet: run kms-schema audit seal"
        try:
            if (last := snapshot.seals.last()) is not None:
                newest = last
                Prover(snapshot, last)
                last.check_signature()
                seal, reason = last, ""
        except (EncodingError, CannotProveError, ValueError) as error:
            reason = str(error)
        return cls(snapshot, scope, validation, seal, newest, reason, progress)

    def rows(self, query: str, **words: str | int) -> tuple[list[str], Rows]:
        """Return the columns and rows of the query of a name, with values as JSON has them; it runs once."""
        if (summed := self._of_summary(query)) is not None:
            return summed
        text = self.scope.render(query, **words)
        if text not in self._tables:
            columns, rows = self.snapshot.table(text)
            self._tables[text] = columns, [tuple(map(plain, row)) for row in rows]
        return self._tables[text]

    def table(self, title: str, query: str) -> Table:
        """Return the table of a query: its first rows, and the number of all, of which there may be a million."""
        text, summed = self.scope.render(query), self._of_summary(query)
        if summed is not None or text in self._tables:
            return Table.of(title, text, *(summed or self._tables[text]))
        # A query of the log takes seconds: the number comes from the run that gives the rows.
        counted = f"SELECT listed.*, count(*) OVER () AS number_of_all FROM ({text}) AS listed LIMIT {LISTED}"
        columns, rows = self.snapshot.table(counted)
        listed = tuple(tuple(map(plain, row[:-1])) for row in rows)
        return Table(title, text, tuple(columns[:-1]), listed, rows[0][-1] if rows else 0)

    def neighbour(self, sequence: int, side: Literal["before", "after"]) -> int | None:
        """Return the sequence of the entry next to one, None at the end."""
        chosen, sign = ("max", "<") if side == "before" else ("min", ">")
        return self.rows("neighbour", chosen=chosen, sign=sign, sequence=sequence)[1][0][0]  # type: ignore[no-any-return]

    @cached_property
    def log_begins(self) -> datetime | None:
        """The time of the first entry, or of the first seal if that is earlier; None for an empty log."""
        times = [datetime.fromisoformat(at) for at in self.rows("log_begins")[1][0] if at is not None]
        return min(times, default=None)

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """The entries of the period by month, event, level and login."""
        found: list[dict[str, Any]] = []
        rest: dict[tuple[str, str], dict[str, Any]] = {}
        for month in self.scope.period.months():
            if month.start >= self.scope.now:
                break
            query = replace(self.scope, period=month).render("summary")
            with closing(self.snapshot.stream(query)) as batches:
                for row in chain.from_iterable(batches):
                    group = {"month": month.name, **dict(zip(_SUMMARY, map(plain, row), strict=True))}
                    if len(found) < GROUPS:
                        found.append(group)
                    else:
                        _add(rest.setdefault((month.name, group["security_level"]), {**group, **_REST}), group)
        return [*found, *rest.values()]

    @cached_property
    def seals(self) -> VerificationResult:
        """The verification of the signatures of all seals, and of the leaves since the last seal before the period."""
        result = VerificationResult()
        number = self.rows("seal_before")[1][0][0]
        try:
            start = None if number is None else self.snapshot.seals.get(number)
        except EncodingError:  # a fault of the result
            start = None
        LeafVerification(self.snapshot, result, Expected(start), lambda *_: None).verify()
        return result

    def _of_summary(self, query: str) -> tuple[list[str], Rows] | None:
        """Return the result of a query of entries that the summary has: it reads the log a second time otherwise."""
        if query == "entries_by_retention":
            shortest: dict[str, int] = {}
            for each in self.summary:
                days, event = each["shortest_retention_days"], each["event_type"]
                shortest[event] = min(days, shortest.get(event, days))
            return ["event_type", "shortest_retention_days"], sorted(shortest.items())
        if query not in _SUMS:
            return None
        names, events = _SUMS[query]
        found: dict[tuple[Any, ...], int] = {}
        for each in self.summary:
            if events is None or each["event_type"] in events:
                key = tuple(each[name] for name in names)
                found[key] = found.get(key, 0) + each["entries"]
        return [*names, "entries"], [(*key, count) for key, count in sorted(found.items())]


GROUPS = 20_000
"""The most groups of the summary. An application chooses types, and could choose another for each entry."""
_SUMMARY = (
    "event_type", "security_level", "recorded_by", "entries", "first_sequence", "last_sequence",
    "shortest_retention_days",
)  # fmt: skip
_REST = {"event_type": "(further types)", "recorded_by": "(further logins)", "entries": 0}


def _add(rest: dict[str, Any], group: dict[str, Any]) -> None:
    """Add a group of the summary to the rest of its month and level."""
    rest["entries"] += group["entries"]
    for name, choose in (("first_sequence", min), ("last_sequence", max), ("shortest_retention_days", min)):
        rest[name] = choose(rest[name], group[name])


_BY_EVENT = ("event_type", "security_level")
_SUMS: dict[str, tuple[tuple[str, ...], frozenset[str] | None]] = {
    "entries_by_event": (_BY_EVENT, None),
    "entries_by_login": (("recorded_by",), None),
    "entries_by_month": (("month",), None),
    "uses": (_BY_EVENT, frozenset(USE_EVENTS)),
    "exports": (_BY_EVENT, frozenset(EXPORT_EVENTS)),
    "administration": (_BY_EVENT, frozenset(ADMINISTRATION_EVENTS)),
}
"""The queries that the summary answers: the columns, and the types of entries, None for all."""


def plain(value: Any) -> Any:
    """Return a value of a row as JSON has it: times in UTC, ids and hashes as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):  # a damaged text of SQLite has lone surrogates, which no file can have
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, datetime):
        return time_to_text(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
