"""The outcomes of all claims of a standard in one snapshot."""

from collections.abc import Iterable, Mapping

from kms_schema.reports.claims import Claim
from kms_schema.reports.computed import COMPUTED
from kms_schema.reports.outcomes import Outcome, Quoted, State, Table
from kms_schema.reports.reading import Reading


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
    found = COMPUTED[claim.name](reading) if claim.computed else None  # first: it may read all rows of the figures
    if claim.figures is not None:
        tables.append(reading.table("Figures", claim.figures))
    if found is not None:
        shown = (*tables, *found.tables)
        return Outcome(claim, found.state, found.reason, shown, found.violations, quoted, found.proof)
    if claim.violations is None:
        return Outcome(claim, State.FOR_REVIEW, "", tuple(tables), None, quoted)
    violations = reading.table("Rows against the claim", claim.violations)
    state = State.NOT_SATISFIED if violations.count else State.SATISFIED
    return Outcome(claim, state, "", tuple(tables), violations, quoted)
