"""The report of a validation: the findings, the waived ones, and what was checked. `formats` renders it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

from kms_schema.errors import KmsSchemaError
from kms_schema.validator.diff.findings import SEVERITIES, Finding
from kms_schema.validator.rules import RULES, Scope, Severity


class WaiverError(KmsSchemaError, ValueError):
    """A waiver or a file of waivers is invalid; the message has the place and the correction."""


@dataclass(frozen=True)
class Waived:
    """A finding that is accepted, with the reason, until the end of the day `expires` (UTC)."""

    finding: Finding
    reason: str
    expires: date


@dataclass(frozen=True)
class Report:
    """The result of a validation.

    `compared_with` is the revision of the expected catalog, `version` the version of the server or library. `checked`
    has the keys of all objects that were compared, `not_checked` the codes that this run did not check; `left_out` has
    the findings that `only` removed.
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
    """How many attempts of a probe went as expected; None without a probe."""
    evidence_checked: bool = False
    """True if seals, leaves and entries were compared by their numbers."""
    of_host: bool = False
    """True if the objects of a host were compared with a file or a database, which `compared_with` names."""
    not_compared: tuple[str, ...] = ()
    """Objects of a host that are there, and of a kind that is not compared."""

    def count(self, severity: Severity) -> int:
        """Return the number of findings with this severity, without waived ones."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def unchecked(self) -> int:
        """The number of checks that could not run, without waived ones."""
        return sum(finding.code == "KMS901" for finding in self.findings)

    def fails(self, fail_on: Severity = Severity.ERROR) -> bool:
        """Return whether any finding is as severe as `fail_on`, or more; waived ones do not count."""
        return any(finding.fails(fail_on) for finding in self.findings)

    def only(self, select: Collection[str], ignore: Collection[str]) -> "Report":
        """Return the report of the findings whose code begins with one in `select`, and with none in `ignore`.

        An empty `select` selects all codes. The others, waived ones included, are in `left_out`.

            report.only(["KMS1"], ["KMS132"])
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
        """The findings by severity, and in the order in which their fixes are to be run."""
        return sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))

    @property
    def verdict(self) -> str:
        """The report in a line: the state, the counts, and the unchecked parts."""
        counts = ", ".join(
            f"{number} {severity}{'s' if number != 1 and severity is not Severity.INFO else ''}"
            for severity in SEVERITIES
            if (number := self.count(severity))
        )
        unknown = self.unchecked
        more = f"; {unknown} check{'s' if unknown > 1 else ''} could not run" if unknown else ""
        more += f"; {self.probed} attempts of the probe as expected" if self.probed is not None else ""
        more += "; indexes not compared" if "KMS518" in self.not_checked else ""
        more += "; only kms-schema audit verify verifies the content of sealed entries" if self.evidence_checked else ""
        left = len(self.not_compared)
        more += f"; {left} object{'s' if left > 1 else ''} not compared" if left else ""
        more += f"; {len(self.waived)} waived" if self.waived else ""
        more += f"; {len(self.left_out)} left out by --select or --ignore" if self.left_out else ""
        return f"{self.state}: {counts or 'no findings'}{more}"

    @property
    def state(self) -> str:
        """The verdict without counts. Waived errors are drift, and are named as an exception."""
        if any(finding.fails() and RULES[finding.code].scope is not Scope.WAIVERS for finding in self.findings):
            return "drift detected"
        if self.fails():
            return "no drift, but a waiver has expired"
        waived = any(waived.finding.fails() for waived in self.waived)
        return "no drift except waived findings" if waived else "no drift"

    @property
    def about(self) -> str:
        """The database, and the revision that it was compared with."""
        place = f"{self.engine} {self.version}, schema {self.schema}, compared with {self.compared_with or 'nothing'}"
        return f"{self.database} ({place})" if self.database else place
