"""The table of what was tried, found and fixed, and the page that it is written to."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kms_schema import snapshots
from support.engines.programs import REPOSITORY
from tests.validator.mutations.runner import Fix, Trial

PAGE = REPOSITORY / "docs" / "validator-matrix.md"
HEAD = """# What the validator finds

Every object and every attribute of it, changed in every way that we know, each in a database of its own:
`python -m tests.validator.mutations --engine=… --write-matrix` does that and writes this page. Where a table says so,
not every object was changed in each way. *Found* is what was one
finding that names the right object, *fixed* what its SQL put right so that the next run found nothing, *manual* what
needs a manual action. A dash stands for a kind that nothing in the schema fits.
"""


@dataclass
class Tally:
    """What became of the mutations of one kind."""

    trials: list[Trial] = field(default_factory=list)

    def row(self, kind: str) -> str:
        """Return a line of the table."""
        if not self.trials:
            return f"| {kind} | - |  |  |  |"
        found = sum(trial.found and trial.findings == 1 for trial in self.trials)
        fixed, manual = (sum(trial.fixing is fixing for trial in self.trials) for fixing in (Fix.FIXED, Fix.MANUAL))
        return f"| {kind} | {len(self.trials)} | {found} | {fixed or ''} | {manual or ''} |"


def table(kinds: Sequence[str], trials: Iterable[Trial]) -> str:
    """Return the table of one engine, for the kinds that were tried."""
    tallies = {kind: Tally() for kind in kinds}
    total = Tally()
    for trial in trials:
        tallies[trial.mutation.kind.name].trials.append(trial)
        total.trials.append(trial)
    lines = ["| kind | tried | found | fixed | manual |", "|---|--:|--:|--:|--:|"]
    lines += [tally.row(kind) for kind, tally in tallies.items()]
    return "\n".join([*lines, total.row("**all**")])


def sections(page: str) -> dict[str, str]:
    """Return the table of each engine on the page."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))


def write(tables: Mapping[str, str], each: int | None = None) -> None:
    """Put the tables of some engines on the page, and leave those of others as they are.

    each: how many mutations of a kind were tried, at most; None for all.
    """
    before = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    how_many = "" if each is None else f" At most {each} of each kind were tried, spread evenly."
    at_head = {engine: f"At revision `{snapshots.chain()[-1]}`.{how_many}\n\n{rows}" for engine, rows in tables.items()}
    merged = sorted({**before, **at_head}.items())
    text = "\n".join([HEAD, *(f"## {engine}\n\n{rows}\n" for engine, rows in merged)])
    PAGE.write_text(text, encoding="utf-8")
