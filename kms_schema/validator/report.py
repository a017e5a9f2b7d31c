"""The report of a validation: what was found, what of it is waived, and what was looked at. `formats` writes it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

from kms_schema.validator.diff.findings import SEVERITIES, Finding
from kms_schema.validator.rules import RULES, Scope, Severity


class WaiverError(ValueError):
    """A waiver, or a file of them, that cannot be used; the message says which and what to write."""


@dataclass(frozen=True)
class Waived:
    """A finding that somebody has accepted, with the reason, until the end of the day `expires` (UTC)."""

    finding: Finding
    reason: str
    expires: date


@dataclass(frozen=True)
class Report:
    """What was found. `compared_with` is the revision whose snapshot was used, `version` that of the server
    or library.

    `checked` holds the keys of all objects that were compared, `not_checked` the codes that this run did not look
    for; `left_out` is what `only` took out.
    """

    engine: str
    version: str
    schema: str
    compared_with: str | None
    head: str
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...] = ()
    left_out: tuple[Finding, ...] = ()
    checked: tuple[str, ...] = ()
    not_checked: frozenset[str] = frozenset()
    database: str = ""
    checked_at: datetime | None = None
    probed: int | None = None
    """How many attempts of a probe went as promised; None, where there was no probe."""
    evidence_checked: bool = False
    """Whether seals, leaves and entries were held against each other, by their numbers."""

    def count(self, severity: Severity) -> int:
        """Return how many findings have this severity; waived ones do not count."""
        return sum(finding.severity is severity for finding in self.findings)

    def fails(self, fail_on: Severity = Severity.ERROR) -> bool:
        """Return whether any finding is as bad as `fail_on`, or worse."""
        return any(finding.fails(fail_on) for finding in self.findings)

    def only(self, select: Collection[str], ignore: Collection[str]) -> "Report":
        """Keep the findings whose code begins with one in `select` (all, if empty) and with none in
        `ignore`, waived ones too.
        """

        def kept(finding: Finding) -> bool:
            chosen = finding.code.startswith(tuple(select) or "")
            return chosen and not finding.code.startswith(tuple(ignore) or "-")

        return replace(
            self,
            findings=tuple(finding for finding in self.findings if kept(finding)),
            waived=tuple(waived for waived in self.waived if kept(waived.finding)),
            left_out=self.left_out
            + tuple(finding for finding in self.findings if not kept(finding))
            + tuple(waived.finding for waived in self.waived if not kept(waived.finding)),
        )

    @property
    def worst_first(self) -> list[Finding]:
        """The findings by severity, then by code and object."""
        return sorted(
            self.findings,
            key=lambda finding: (SEVERITIES.index(finding.severity), finding.code, finding.object),
        )

    @property
    def verdict(self) -> str:
        """The whole report in a short line."""
        counts = ", ".join(
            f"{number} {severity}{'s' if number != 1 and severity is not Severity.INFO else ''}"
            for severity in SEVERITIES
            if (number := self.count(severity))
        )
        unknown = sum(finding.code == "KMS901" for finding in self.findings)
        more = f"; {unknown} check{'s' if unknown > 1 else ''} could not run" if unknown else ""
        more += f"; {self.probed} attempts of the probe as promised" if self.probed is not None else ""
        more += "; what sealed entries say is proved by kms-schema audit verify alone" if self.evidence_checked else ""
        more += f"; {len(self.waived)} waived" if self.waived else ""
        more += f"; {len(self.left_out)} left out by --select or --ignore" if self.left_out else ""
        return f"{self.state}: {counts or 'no findings'}{more}"

    @property
    def state(self) -> str:
        """The answer in a few words. Where errors are waived the database is not what the package made, and
        is not said to be.
        """
        if any(finding.fails() and RULES[finding.code].scope is not Scope.WAIVERS for finding in self.findings):
            return "different"
        if self.fails():
            return "as the package made it, but a waiver has expired"
        waived = any(waived.finding.fails() for waived in self.waived)
        return "as the package made it, but for what is waived" if waived else "as the package made it"

    @property
    def about(self) -> str:
        """What was compared with what."""
        place = f"{self.engine} {self.version}, schema {self.schema}, compared with {self.compared_with or 'nothing'}"
        return f"{self.database} ({place})" if self.database else place
