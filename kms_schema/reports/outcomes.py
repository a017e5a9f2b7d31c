"""The statements of a report about claims and controls: states, figures, quoted entries, and what its words mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from kms_schema.reports.claims import Claim
from kms_schema.vocabulary import KeyStatus

LISTED = 1000
"""The most rows of a table, and the most entries of a claim, that a report itself has."""

NOT_PROVABLE = "not provable offline"
"""Of a claim that only the database shows."""


class State(StrEnum):
    """The state of a claim, or of a control, in the snapshot."""

    SATISFIED = "satisfied"
    NOT_SATISFIED = "not satisfied"
    NOT_APPLICABLE = "not applicable"
    """The database has nothing that it is about."""
    FOR_REVIEW = "for review"
    """The report lists what the database has, and a person decides."""


@dataclass(frozen=True)
class Table:
    """Rows with the query that returns them."""

    title: str
    query: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    """At most `LISTED`."""
    count: int
    """How many rows there are."""

    @classmethod
    def of(cls, title: str, query: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
        """Return the table of all rows, of which it lists the first."""
        return cls(title, query, tuple(columns), tuple(map(tuple, rows[:LISTED])), len(rows))


@dataclass
class Quoted:
    """The entries that a claim quotes."""

    query: str
    count: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    """The first of them, at most `LISTED`."""
    unproven: int = 0
    """Entries without a proof."""
    attachment: str | None = None
    """The name of the file with the proofs."""
    sha256: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of one claim."""

    claim: Claim
    state: State
    reason: str = ""
    """Why it is not applicable, or what was found."""
    tables: tuple[Table, ...] = ()
    violations: Table | None = None
    quoted: Quoted | None = None
    proof: str = NOT_PROVABLE
    """How somebody without the database can check the claim itself."""


def state_of(outcomes: Sequence[Outcome]) -> State:
    """Return the state of a control with these claims: it is satisfied if all are that are applicable."""
    states = {each.state for each in outcomes}
    for state in (State.NOT_SATISFIED, State.FOR_REVIEW, State.SATISFIED):
        if state in states:
            return state
    return State.NOT_APPLICABLE


LEGEND: Mapping[str, str] = MappingProxyType({
    State.SATISFIED: "Nothing speaks against the claim. Of a control: against none of its applicable claims.",
    State.NOT_SATISFIED: "The report lists what speaks against the claim. Of a control: against one of its claims.",
    State.FOR_REVIEW: "The report lists what there is, and a person decides.",
    State.NOT_APPLICABLE: "The database has nothing that the claim is about.",
    f"key {KeyStatus.PENDING}": "The key is registered, and neither encrypts nor decrypts yet.",
    f"key {KeyStatus.ACTIVE}": "The key encrypts until its expiry or its limit, and decrypts.",
    f"key {KeyStatus.ROTATED}": "Another key has replaced it. It only decrypts.",
    f"key {KeyStatus.EXPIRED}": "Its time has ended. It only decrypts.",
    f"key {KeyStatus.REVOKED}": "It was withdrawn before its end. It neither encrypts nor decrypts.",
    f"key {KeyStatus.ARCHIVED}": "It is kept for its history. It neither encrypts nor decrypts.",
    "use of a key": "Before it encrypts, a program reserves uses and bytes in blocks that grow. Counts and limits"
    " include what is reserved and not used yet.",
    "KEY_USED": "A program writes this entry at its first use of a version, then hourly and at its end. One entry"
    " stands for many uses.",
})  # fmt: skip
"""Each word with its meaning: the states of claims and controls, the statuses of keys, and how use is counted."""
