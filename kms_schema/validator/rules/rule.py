"""The declaration of one code of the validator."""

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Remediation(StrEnum):
    """How a finding is fixed."""

    SQL = "sql"
    """The finding has SQL that fixes it; where no statement can, the help of the rule, if it has one."""
    MANUAL = "manual"
    """Manual action: the help of the rule says what to do."""


class Scope(StrEnum):
    """The part of a validation that checks a code. It decides whether a run checks it."""

    CATALOG = "catalog"
    """The revision and the objects: always."""
    POSTURE = "posture"
    """Roles, settings and surrounding objects: always on PostgreSQL, never on SQLite."""
    STRICT = "strict"
    """Unmanaged objects: with `--strict`."""
    ROWS = "rows"
    """With `--level data`."""
    PROBE = "probe"
    """With `--probe`."""
    WAIVERS = "waivers"
    """The waivers of the run: always."""


@dataclass(frozen=True, eq=False)  # created faster than with comparisons, which nothing uses
class Rule:
    """One code: `impact` is the effect of a finding on security or data, `help` the manual action.

    Without `help` every finding has SQL. `expected` is the text of a finding whose query has none, `page` the page of
    docs/ with more about it. `attributes` are the catalog attributes, each with the kind of object or `*`, whose change
    has this code instead of the code of the object.
    """

    code: str
    title: str
    severity: Severity
    remediation: Remediation
    impact: str = ""
    _: KW_ONLY
    scope: Scope = Scope.CATALOG
    help: str = ""
    expected: str = ""
    page: str = "validator"
    attributes: tuple[tuple[str, str], ...] = ()
