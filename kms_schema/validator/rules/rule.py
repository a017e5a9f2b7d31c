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
    """The finding has SQL that fixes it, wherever a statement can; elsewhere the rule's `help`."""
    MANUAL = "manual"
    """No finding has SQL; the rule's `help` says what to do."""


class Scope(StrEnum):
    """Where the validator looks for a code, which also decides whether a run does so."""

    CATALOG = "catalog"
    """The revision and the objects: always."""
    POSTURE = "posture"
    """Roles, settings and surrounding objects of PostgreSQL: always there, never on SQLite."""
    STRICT = "strict"
    """Unmanaged objects: with `--strict`."""
    ROWS = "rows"
    """With `--level data`."""
    PROBE = "probe"
    """With `--probe`."""
    WAIVERS = "waivers"
    """The waivers of the run: always."""


NO_HELP = "it has to be made anew, or restored from a backup"
"""What helps where a rule does not say."""


@dataclass(frozen=True, eq=False)  # made quicker than with comparisons that nobody needs
class Rule:
    """One code: `impact` is what any finding of it means for security or data, `help` what a person can do about it.

    `expected` is the finding's text where the query for the code has none. `attributes` are the catalog attributes,
    each with the kind of object or `*`, whose change has this code instead of that of the object.
    """

    code: str
    title: str
    severity: Severity
    remediation: Remediation
    impact: str = ""
    _: KW_ONLY
    scope: Scope = Scope.CATALOG
    help: str = NO_HELP
    expected: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
