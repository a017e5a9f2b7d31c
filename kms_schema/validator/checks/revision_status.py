"""The revision status of a database, as findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import Revisions
from kms_schema.validator.diff.findings import Finding, finding_of

_UPGRADE = "run: kms-schema upgrade"
LOOKS_AGAIN = ("postgresql", "004_create_key_management_system", "005_optimize_key_management")
"""The engine and the two revisions between which an interrupted upgrade has all its objects but not its second check of
rows. No other code outside the history names revisions."""


@dataclass(frozen=True)
class RevisionStatus:
    """The revision status: the database was compared with `closest`, one of the revisions in `chain`, oldest first.

    `version_table` is the name of Alembic's table as given, `table` its name in SQL. `exact` is whether there is no
    difference from `closest`, `empty` whether no object of the schema exists.
    """

    engine: str
    chain: Sequence[str]
    closest: str
    version_table: str
    table: str
    exact: bool
    empty: bool

    def findings(self, revisions: Revisions) -> tuple[Finding, ...]:
        """Return the findings about Alembic's table."""
        head = self.chain[-1]
        if revisions.stamped is None:
            impact = f"the closest revision is {self.closest}, but the stamped revision is unknown"
            return (_finding("KMS901", head, f"unknown: {revisions.reason}", impact),)
        if not revisions.stamped:
            return (self._not_stamped(revisions.table_exists),)
        return (*self._of_stamps(revisions.stamped), *self._behind(revisions.stamped))

    def _not_stamped(self, table_exists: bool) -> Finding:
        there = "no revision is stamped" if table_exists else f"there is no {self.version_table} table"
        impact = f"an upgrade would start from an empty database; the closest revision is {self.closest}"
        if self.empty:
            impact = f"no object of the schema exists; {_UPGRADE}"
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
            return  # other stamps belong to a host application that shares the table
        for name in stamped:
            yield _finding("KMS003", f"one of {', '.join(self.chain)}", name)

    def _behind(self, stamped: Sequence[str]) -> Iterator[Finding]:
        known = [revision for revision in self.chain if revision in stamped]
        if not known:
            return
        if (self.engine, known[-1], self.closest) == LOOKS_AGAIN:
            impact = f"an upgrade was interrupted before its second check of rows; {_UPGRADE}"
            yield _finding("KMS005", self.closest, known[-1], impact)
        elif known[-1] != self.closest:
            impact = f"the objects are those of {self.closest}: the next upgrade would start at the wrong revision"
            remediation = f"UPDATE {self.table} SET version_num = '{self.closest}' WHERE version_num = '{known[-1]}';"
            yield _finding("KMS005", self.closest, known[-1], impact, remediation)
        elif behind := len(self.chain) - 1 - self.chain.index(known[-1]):
            missing = "objects and protections of later revisions are missing"
            impact = f"the database is behind by {behind}: {missing}; {_UPGRADE}"
            yield _finding("KMS002", self.chain[-1], known[-1], impact)


def _finding(
    code: str, expected: str, actual: str, impact: str | None = None, remediation: str | None = None
) -> Finding:
    return finding_of(code, "revision of the database", expected, actual, impact=impact, remediation=remediation)
