"""The probe: it tries each forbidden write, in savepoints of a transaction that is never committed.

`every_attempt` lists the modules that have the attempts; those of `declared` come from a list that a tool derives.
`protections` finds the object that must refuse each; `runner` makes them, each after writes that must be accepted;
`postgresql` and `sqlite` open the transaction. Nothing remains in the database, even of a killed probe; only sequences
advance.
"""

from contextlib import AbstractContextManager, closing

from kms_schema.validator.catalog.attributes import Objects, UnreadableError
from kms_schema.validator.diff.findings import Finding
from kms_schema.validator.probe.every_attempt import attempts
from kms_schema.validator.probe.protections import resolved
from kms_schema.validator.probe.runner import Kind, Outcome, make, not_probed, probe_findings
from kms_schema.validator.probe.session import Session

__all__ = ["probe"]


def probe(opened: AbstractContextManager[Session], expected: Objects) -> tuple[int, tuple[Finding, ...]]:
    """Try in a session all that the expected objects forbid.

    Return how many attempts went as expected, and the findings of the others.
    """
    outcomes: list[Outcome] = []
    unable: tuple[Finding, ...] = ()
    try:
        outcomes += _outcomes(opened, expected)
    except UnreadableError as error:
        unable = (not_probed(str(error)),)
    return sum(outcome.kind is Kind.AS_PROMISED for outcome in outcomes), (*probe_findings(outcomes), *unable)


def _outcomes(opened: AbstractContextManager[Session], expected: Objects) -> list[Outcome]:
    # Closed here, also by Ctrl-C: its transaction ends before the session does, and not when its garbage is collected.
    with opened as session, closing(session.circumstances()) as circumstances:
        every = attempts(session.engine, session.version, expected)
        tried = list(resolved(every, session.engine, expected))
        return [outcome for _ in circumstances for outcome in make(session, tried)]
