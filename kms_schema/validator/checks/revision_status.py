"""Where a database stands in the chain of revisions, as findings of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kms_schema.identifiers import quoted
from kms_schema.validator.catalog.attributes import Revisions
from kms_schema.validator.diff.findings import Finding, finding_of

_UPGRADE = "run: kms-schema upgrade"
LOOKS_AGAIN = ("postgresql", "004_create_key_management_system", "005_optimize_key_management")
"""Where, and between which, an interrupted upgrade leaves all that it makes, and has not looked at rows once more.
The only revisions that code outside of the history knows by name."""


@dataclass(frozen=True)
class RevisionStatus:
    """What the database was compared with: `closest`, of every revision in `chain`, oldest first.

    `engine` is the database's. `version_table` is Alembic's as it was asked for and `table` as SQL writes it; `exact`
    says whether everything is as `closest` makes it, and `empty` whether nothing is there.
    """

    engine: str
    chain: Sequence[str]
    closest: str
    version_table: str
    table: str
    exact: bool
    empty: bool

    def findings(self, revisions: Revisions) -> tuple[Finding, ...]:
        """Return what is wrong with Alembic's table."""
        head = self.chain[-1]
        if revisions.stamped is None:
            impact = f"it is most like {self.closest}, but whether it is behind cannot be told"
            return (_finding("KMS901", head, f"unknown: {revisions.reason}", impact),)
        if not revisions.stamped:
            return (self._not_stamped(revisions.table_exists),)
        return (*self._of_stamps(revisions.stamped), *self._behind(revisions.stamped))

    def _not_stamped(self, table_exists: bool) -> Finding:
        there = "no revision is stamped" if table_exists else f"there is no {self.version_table} table"
        impact = f"upgrades would start from nothing; it is most like {self.closest}"
        if self.empty:
            impact = f"nothing of the schema is here; {_UPGRADE}"
        key = quoted(self.version_table.rpartition(".")[2] + "_pkc")
        columns = f"version_num VARCHAR(32) NOT NULL, CONSTRAINT {key} PRIMARY KEY (version_num)"
        create = f"CREATE TABLE {self.table} ({columns}); "
        stamp = f"INSERT INTO {self.table} VALUES ('{self.closest}');"
        remediation = f"{'' if table_exists else create}{stamp}" if self.exact and not self.empty else None
        return _finding("KMS001", self.chain[-1], there, impact, remediation)

    def _of_stamps(self, stamped: Sequence[str]) -> Iterator[Finding]:
        ours = [name for name in stamped if name in self.chain]
        if len(ours) > 1:
            others = ", ".join(f"'{name}'" for name in ours if name != self.closest)
            remediation = f"DELETE FROM {self.table} WHERE version_num IN ({others});" if self.exact else None
            yield _finding("KMS004", self.chain[-1], ", ".join(ours), remediation=remediation)
        if ours:
            return  # beside one of ours, the others are those of a host application that shares the table
        for name in stamped:
            yield _finding("KMS003", f"one of {', '.join(self.chain)}", name)

    def _behind(self, stamped: Sequence[str]) -> Iterator[Finding]:
        known = [revision for revision in self.chain if revision in stamped]
        if not known:
            return
        if (self.engine, known[-1], self.closest) == LOOKS_AGAIN:
            impact = f"an upgrade was interrupted before it looked at rows once more; {_UPGRADE}"
            yield _finding("KMS005", self.closest, known[-1], impact)
        elif known[-1] != self.closest:
            impact = f"everything is as {self.closest} makes it: the next upgrade would begin at the wrong place"
            remediation = f"UPDATE {self.table} SET version_num = '{self.closest}' WHERE version_num = '{known[-1]}';"
            yield _finding("KMS005", self.closest, known[-1], impact, remediation)
        elif behind := len(self.chain) - 1 - self.chain.index(known[-1]):
            impact = f"the database is behind by {behind}: what later revisions add and guard is not there; {_UPGRADE}"
            yield _finding("KMS002", self.chain[-1], known[-1], impact)


def _finding(
    code: str, expected: str, actual: str, impact: str | None = None, remediation: str | None = None
) -> Finding:
    return finding_of(code, "revision of the database", expected, actual, impact=impact, remediation=remediation)
