"""The tables of docs/reports.md: the claims of reports, and the controls of each standard."""

from kms_schema.reports.claims import CLAIMS, Claim
from kms_schema.reports.outcomes import LEGEND
from kms_schema.reports.standards import STANDARDS

CLAIM_HEAD = ("claim", "says", "decided by", "quotes")
LEGEND_HEAD = ("word", "meaning")
CONTROL_HEAD = ("standard", "control", "asks, in our words", "claims", "not answered here")


def claim_rows() -> list[tuple[str, str, str, str]]:
    """Return a row for each claim: its name, what it says, what decides, and the entries that it quotes."""
    return [(f"`{claim.name}`", claim.sentence, _decided_by(claim), _quoted(claim)) for claim in CLAIMS.values()]


def legend_rows() -> list[tuple[str, str]]:
    """Return a row for each word of the legend."""
    return [*LEGEND.items()]


def control_rows() -> list[tuple[str, str, str, str, str]]:
    """Return a row for each control of each standard."""
    return [
        (
            f"`{standard.name}`",
            control.number,
            control.asks,
            " ".join(f"`{name}`" for name in control.claims),
            control.left,
        )
        for standard in STANDARDS.values()
        for control in standard.controls
    ]


def _decided_by(claim: Claim) -> str:
    where = " (PostgreSQL)" if claim.on == "postgresql" else ""
    if claim.computed:
        return f"a computation{where}"
    return f"a query{where}" if claim.violations else f"a person{where}"


def _quoted(claim: Claim) -> str:
    if claim.selection is None:
        return "-"
    return "all that need a review" if claim.selection.high_risk else " ".join(sorted(claim.selection.events))
