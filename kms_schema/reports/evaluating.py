"""The outcomes of all claims of a standard in one snapshot."""

from collections.abc import Iterable, Mapping

from kms_schema.reports.claims import Claim
from kms_schema.reports.computed import COMPUTED
from kms_schema.reports.outcomes import LISTED, Outcome, Quoted, State, Table
from kms_schema.reports.reading import Reading, plain


def outcomes(reading: Reading, claims: Iterable[Claim], quoted: Mapping[str, Quoted]) -> dict[str, Outcome]:
    """Return the outcome of each claim, by its name."""
    return {claim.name: _outcome(reading, claim, quoted.get(claim.name)) for claim in claims}


def _outcome(reading: Reading, claim: Claim, quoted: Quoted | None) -> Outcome:
    if claim.on not in (None, reading.dialect.engine):
        return Outcome(claim, State.NOT_APPLICABLE, "SQLite has no roles: the permissions of the file decide")
    tables: list[Table] = []
    if claim.population is not None:
        about = reading.table("Rows that the claim is about", claim.population)
        tables.append(about)
        if not about.rows[0][0]:
            return Outcome(claim, State.NOT_APPLICABLE, "there is nothing that the claim is about", tuple(tables))
    if claim.figures is not None:
        tables.append(reading.table("Figures", claim.figures))
    if claim.computed:
        found = COMPUTED[claim.name](reading)
        shown = (*tables, *found.tables)
        return Outcome(claim, found.state, found.reason, shown, found.violations, quoted, found.proof)
    if claim.violations is None:
        return Outcome(claim, State.FOR_REVIEW, "", tuple(tables), None, quoted)
    violations = _violations(reading, claim.violations)
    state = State.NOT_SATISFIED if violations.count else State.SATISFIED
    return Outcome(claim, state, "", tuple(tables), violations, quoted)


def _violations(reading: Reading, query: str) -> Table:
    """Return the first rows of a query, and the number of all: a claim can have a million violations."""
    text = reading.dialect.render(query)
    columns, rows = reading.snapshot.table(f"SELECT * FROM ({text}) AS violations LIMIT {LISTED + 1}")
    count = len(rows)
    if count > LISTED:
        ((count,),) = reading.snapshot.table(f"SELECT count(*) FROM ({text}) AS violations")[1]
    listed = tuple(tuple(map(plain, row)) for row in rows[:LISTED])
    return Table("Rows against the claim", text, tuple(columns), listed, count)
