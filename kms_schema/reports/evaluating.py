"""The outcomes of all claims of a standard in one snapshot."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kms_schema.reports.claims import Claim
from kms_schema.reports.computed import COMPUTED
from kms_schema.reports.outcomes import Outcome, Quoted, State, Table
from kms_schema.reports.reading import Reading


def outcomes(reading: Reading, claims: Iterable[Claim], quoted: Mapping[str, Quoted]) -> dict[str, Outcome]:
    """Return the outcome of each claim, by its name."""
    found = {claim.name: _outcome(reading, claim, quoted.get(claim.name)) for claim in claims}
    begins = reading.log_begins
    if begins is not None and begins > reading.dialect.period.start:
        reason = f"the log begins at {begins:%Y-%m-%d %H:%M} UTC, after the start of the period"
        for name, each in found.items():
            if each.claim.of_period and each.state is State.SATISFIED:
                found[name] = replace(each, state=State.FOR_REVIEW, reason=reason)
    return found


def _outcome(reading: Reading, claim: Claim, quoted: Quoted | None) -> Outcome:
    if claim.on not in (None, reading.dialect.engine):
        return Outcome(claim, State.NOT_APPLICABLE, "SQLite has no roles: the permissions of the file decide")
    tables: list[Table] = []
    if claim.population is not None:
        about = reading.table("What the claim is about", claim.population)
        tables.append(about)
        nothing = not about.rows[0][0]
        if nothing and (claim.violations is None or not reading.table("", claim.violations).count):
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
