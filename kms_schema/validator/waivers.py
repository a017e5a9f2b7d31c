"""Waivers: accepted findings, each with a reason and a last day, in a TOML file.

    [[waiver]]
    code = "KMS132"
    object = "index reporting_by_user"      # without it, every finding of this code is waived
    reason = "the reporting team's; moves to its own table with TICKET-7"
    expires = 2027-01-31                    # the last day on which it holds, in UTC

There are no patterns: a pattern would waive findings that have not been assessed.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kms_schema.files.inputs import read_whole
from kms_schema.validator.diff.findings import Finding, finding_of
from kms_schema.validator.report import Report, Waived, WaiverError
from kms_schema.validator.rules import RULES, Scope

__all__ = ["Waiver", "WaiverError", "read_waivers", "waive"]

_COUNTS_AGAIN = "the finding counts again: fix it, or write a later day with a reason"
_WORDS = frozenset({"code", "object", "reason", "expires"})
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*[\"']?waiver[\"']?[ \t]*\]\]", re.MULTILINE)


@dataclass(frozen=True)
class Waiver:
    """An accepted finding, or all findings of a code. Raises `WaiverError` for invalid values.

    `expires` is the last day on which it holds (UTC); `place` says where it is written.
    """

    code: str
    reason: str
    expires: date
    object: str | None = None
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Refuse a waiver that matches nothing, or has no reason or no last day."""
        if not isinstance(self.code, str) or self.code not in RULES:
            raise WaiverError(f"there is no code {self.code!r}; write one in full, like KMS132")
        if RULES[self.code].scope is Scope.WAIVERS:
            raise WaiverError(f"{self.code} is about waivers themselves: change or delete the waiver that it names")
        if not isinstance(self.reason, str) or not self.reason.strip():
            raise WaiverError("it has no reason: write why the finding is accepted, and by whom")
        if type(self.expires) is not date:
            raise WaiverError(
                f"it has no day to expire: write expires = 2027-01-31, without quotes (got {self.expires!r})"
            )
        if self.object is not None and (not isinstance(self.object, str) or not self.object):
            raise WaiverError('its object is no text: write it as the report does, like "index reporting_by_user"')

    def covers(self, finding: Finding) -> bool:
        """Return whether the waiver matches this finding."""
        return finding.code == self.code and self.object in {None, finding.object}


def read_waivers(path: str | Path) -> tuple[Waiver, ...]:
    """Read a TOML file of waivers: see the module for its format.

    Raises `WaiverError` with the entry or line that is invalid, and `OSError` if the file cannot be read.

        report = kms_schema.validate(connection, waivers=read_waivers("waivers.toml"))
    """
    try:
        text = read_whole(path).decode()
        document = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WaiverError(f"{path} is not TOML: {error}") from None
    entries = document.pop("waiver", [])
    if document:
        raise WaiverError(f"{path}: there is no {next(iter(document))!r} in such a file; each entry begins [[waiver]]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise WaiverError(f"{path}: waiver is a list of tables; each entry begins [[waiver]]")
    waivers: list[Waiver] = []
    for place, entry in zip(_places(path, text, len(entries)), entries, strict=True):
        waiver = _waiver(entry, place)
        if waiver_of_same := next((w for w in waivers if (w.code, w.object) == (waiver.code, waiver.object)), None):
            raise WaiverError(f"{place}: it repeats {waiver_of_same.place}; keep one of them")
        waivers.append(waiver)
    return tuple(waivers)


def waive(report: Report, waivers: Sequence[Waiver], today: date | None = None) -> Report:
    """Return the report with the waived findings apart, and with findings about the waivers themselves.

    An expired waiver (KMS903) waives nothing; `today` is the date in UTC unless given. Raises nothing of its own.
    """
    today = today or datetime.now(UTC).date()
    valid = sorted((waiver for waiver in waivers if waiver.expires >= today), key=lambda waiver: waiver.object is None)
    findings: list[Finding] = []
    waived: list[Waived] = list(report.waived)
    for finding in report.findings:
        waiver = next((waiver for waiver in valid if waiver.covers(finding)), None)
        if waiver is None:
            findings.append(finding)
        else:
            waived.append(Waived(finding, waiver.reason, waiver.expires))
    findings += _about(waivers, report, today)
    return replace(report, findings=tuple(findings), waived=tuple(waived))


def _about(waivers: Iterable[Waiver], report: Report, today: date) -> Iterator[Finding]:
    for waiver in waivers:
        used = any(waiver.covers(finding) for finding in report.findings)
        about = f"waiver of {waiver.code}{f' {waiver.object}' if waiver.object else ''}"
        written = f"{waiver.reason}{f' ({waiver.place})' if waiver.place else ''}"
        if waiver.expires < today:
            impact = _COUNTS_AGAIN if used else "it matches no finding: delete it"
            last_day = f"until {waiver.expires}: {written}"
            yield finding_of("KMS903", about, f"{today} or later", last_day, impact=impact)
        elif not used and waiver.code not in report.not_checked:
            impact = "it would waive the next finding of this code, which has not been assessed: delete it"
            yield finding_of("KMS904", about, "a finding to waive", f"none: {written}", impact=impact)


def _waiver(entry: Mapping[str, Any], place: str) -> Waiver:
    if unknown := sorted(entry.keys() - _WORDS):
        raise WaiverError(f"{place}: there is no {unknown[0]!r} in a waiver, only {', '.join(sorted(_WORDS))}")
    try:
        return Waiver(entry.get("code"), entry.get("reason"), entry.get("expires"), entry.get("object"), place)  # type: ignore[arg-type]
    except WaiverError as error:
        raise WaiverError(f"{place}: {error}") from None


def _places(path: str | Path, text: str, number: int) -> list[str]:
    """Return the place of each entry; without lines if the file does not write them as `[[waiver]]`."""
    lines = [text.count("\n", 0, match.start()) + 1 for match in _HEADER.finditer(text)]
    if len(lines) != number:
        return [f"{path}, waiver {position}" for position in range(1, number + 1)]
    return [f"{path}, waiver {position} (line {line})" for position, line in enumerate(lines, 1)]
