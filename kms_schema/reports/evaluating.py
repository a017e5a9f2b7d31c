"""The outcomes of all claims of a standard in one snapshot."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kms_schema.reports.claims import Claim
from kms_schema.reports.computed import COMPUTED, REMOVED_TITLE
from kms_schema.reports.outcomes import Outcome, Quoted, State, Table
from kms_schema.reports.reading import Reading


def outcomes(reading: Reading, claims: Iterable[Claim], quoted: Mapping[str, Quoted]) -> dict[str, Outcome]:
    """Return the outcome of each claim, by its name."""
    found = {claim.name: _outcome(reading, claim, quoted.get(claim.name)) for claim in claims}
    begins, removed = reading.log_begins, reading.scope.removed_until
    if begins is not None and begins > reading.scope.period.start:
        reason = f"the log begins at {begins:%Y-%m-%d %H:%M} UTC, after the start of the period"
        for name, each in found.items():
            if each.claim.of_period and each.state is State.SATISFIED:
                found[name] = replace(each, state=State.FOR_REVIEW, reason=reason)
    if removed is not None and reading.scope.removed:
        reason = f"entries of the period up to {removed:%Y-%m-%d %H:%M} UTC were removed: their archives have them"
        archives = reading.table(REMOVED_TITLE, "removed")
        for name, each in found.items():
            # A computation found no entries, which says nothing about those that are gone.
            none = each.claim.computed and each.state is State.NOT_APPLICABLE
            if each.claim.by_entries and (none or each.state in {State.SATISFIED, State.FOR_REVIEW}):
                why = f"{each.reason}; {reason}" if each.reason and not none else reason
                found[name] = replace(each, state=State.FOR_REVIEW, reason=why, tables=(*each.tables, archives))
    return found


def _outcome(reading: Reading, claim: Claim, quoted: Quoted | None) -> Outcome:
    if claim.on not in (None, reading.scope.engine):
        return Outcome(claim, State.NOT_APPLICABLE, "SQLite has no roles: the permissions of the file decide")
    tables: list[Table] = []
    if claim.population is not None:
        about = reading.table("Rows that the claim is about", claim.population)
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
