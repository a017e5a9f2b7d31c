"""The runner: it makes attempts, each in savepoints of its own; and the findings of their outcomes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from kms_schema.validator.catalog.attributes import kind_and_name
from kms_schema.validator.diff.findings import Finding, finding_of
from kms_schema.validator.probe.attempt import Attempt, Promise
from kms_schema.validator.probe.protections import Protection
from kms_schema.validator.probe.session import Refusal, Session


class Kind(Enum):
    """The kind of an outcome."""

    AS_PROMISED = auto()
    ACCEPTED = auto()
    REFUSED_OTHERWISE = auto()
    PERMITTED_REFUSED = auto()
    NOT_DONE = auto()
    """A trigger did not complete its effect."""
    UNKNOWN = auto()


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt under one circumstance."""

    protection: str
    tries: str
    kind: Kind
    promised: str
    """The expected outcome, in words."""
    refusal: Refusal | None
    circumstance: str


def make(session: Session, attempts: Iterable[tuple[Attempt | Promise, Protection]]) -> Iterator[Outcome]:
    """Make the attempts that apply under the circumstance, each at its protection.

    Those that create temporary objects come last. Once a transaction of SQLite has changed a schema, each ROLLBACK TO
    makes the library read the whole schema again, ten milliseconds for each attempt.
    """
    for attempt, protection in sorted(attempts, key=_creates):
        foreign_key_off = protection.is_foreign_key and not session.circumstance.foreign_keys
        if isinstance(attempt, Promise):
            if session.circumstance.foreign_keys or not (foreign_key_off or attempt.foreign_keys.get(session.engine)):
                yield _keep(session, attempt, protection.object)
            continue
        asked = protection.is_trigger or not session.circumstance.triggers_only
        if _is_for(attempt, session) and asked and not foreign_key_off:
            yield _refuse(session, attempt, protection)


def _creates(pair: tuple[Attempt | Promise, Protection]) -> bool:
    attempt = pair[0]
    made = (attempt.done,) if isinstance(attempt, Promise) else (attempt.forbidden,)
    return any(statement.text.startswith("CREATE ") for statement in (*attempt.given, *made))


def _is_for(attempt: Attempt, session: Session) -> bool:
    role = "owner" if session.is_owner else "others"
    if attempt.foreign_keys not in {None, session.circumstance.foreign_keys}:
        return False
    return attempt.engine in {None, session.engine} and (
        session.engine == "sqlite" or (session.version >= attempt.since and attempt.by in {None, role})
    )


def _refuse(session: Session, attempt: Attempt, protection: Protection) -> Outcome:
    by = protection.says.removesuffix(": ") or attempt.rule
    promised = f"refused by {by}" + (f" with SQLSTATE {attempt.sqlstate}" if session.engine == "postgresql" else "")

    def outcome(kind: Kind, refusal: Refusal | None = None) -> Outcome:
        return Outcome(protection.object, attempt.tries, kind, promised, refusal, session.circumstance.name)

    with session.savepoint():
        for statement in attempt.given:
            if refusal := session.run(statement):
                return outcome(Kind.PERMITTED_REFUSED if refusal.by_rule else Kind.UNKNOWN, refusal)
        if attempt.permitted:
            with session.savepoint():
                refusal = session.run(attempt.permitted)
            if refusal:
                return outcome(Kind.PERMITTED_REFUSED if refusal.by_rule else Kind.UNKNOWN, refusal)
        if attempt.checks_ignored:
            session.ignore_checks()
        refusal = session.run(attempt.forbidden)
        if refusal is None:
            return outcome(Kind.ACCEPTED)
        if any(refusal.is_of(says, attempt.sqlstate) for says in (protection.says, *attempt.or_by)):
            return outcome(Kind.AS_PROMISED)
        return outcome(Kind.REFUSED_OTHERWISE if refusal.by_rule else Kind.UNKNOWN, refusal)


def _keep(session: Session, promise: Promise, protection: str) -> Outcome:
    def outcome(kind: Kind, refusal: Refusal | None = None) -> Outcome:
        return Outcome(protection, promise.keeps, kind, promise.keeps, refusal, session.circumstance.name)

    with session.savepoint():
        for statement in (*promise.given, promise.done):
            if refusal := session.run(statement):
                return outcome(Kind.PERMITTED_REFUSED if refusal.by_rule else Kind.UNKNOWN, refusal)
        kept = session.answer(promise.question)[:1] in ((True,), (1,), [True])
        return outcome(Kind.AS_PROMISED if kept else Kind.NOT_DONE)


_CODES = {
    Kind.ACCEPTED: "KMS601",
    Kind.REFUSED_OTHERWISE: "KMS602",
    Kind.PERMITTED_REFUSED: "KMS603",
    Kind.NOT_DONE: "KMS604",
    Kind.UNKNOWN: "KMS901",
}
_AT_STAKE = {
    "key_audit_logs": "entries of the audit log can be changed, removed or forged",
    "key_versions": "key material can be lost, or stored in a form that the schema forbids",
    "key_masters": "keys can get into states that the schema forbids, on which programs depend",
    "key_rotations": "rotations can get into states that the schema forbids, and run twice or never",
}
_UNTRIED = "the write was not tried; whether it is refused is unknown"


def probe_findings(outcomes: Iterable[Outcome]) -> tuple[Finding, ...]:
    """Return the findings: accepted and otherwise refused writes by object, the others by cause."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.kind is not Kind.AS_PROMISED:
            code = _CODES[outcome.kind]
            by_cause = outcome.kind in {Kind.PERMITTED_REFUSED, Kind.UNKNOWN}
            groups.setdefault((code, _cause(outcome) if by_cause else outcome.protection), []).append(outcome)
    return tuple(_finding(code, group) for (code, _), group in groups.items())


def not_probed(reason: str) -> Finding:
    """Return the finding that no write was tried."""
    impact = "no forbidden write was tried; whether they are refused is unknown"
    return finding_of("KMS901", "probe", "every forbidden write tried", f"unknown: {reason}", impact=impact)


def _cause(outcome: Outcome) -> str:
    """Return the cause: the name of the rule, else the message."""
    if outcome.refusal is None:
        return ""
    named = outcome.refusal.says if outcome.refusal.sqlstate else outcome.refusal.says.partition(": ")[0]
    return (outcome.kind is Kind.PERMITTED_REFUSED and named) or outcome.refusal.message


def _finding(code: str, group: list[Outcome]) -> Finding:
    first = group[0]
    protections = list(dict.fromkeys(outcome.protection for outcome in group))
    table = kind_and_name(first.protection)[1].partition(".")[0]
    impact = {"KMS601": _AT_STAKE.get(table), "KMS901": _UNTRIED}.get(code)
    write: Callable[[Outcome], str] = (
        _of_cause if len(protections) > 1 or code in {"KMS603", "KMS901"} else _outcome_line
    )
    lines = list(dict.fromkeys(write(outcome) for outcome in group))
    expected = "\n".join(dict.fromkeys(outcome.promised for outcome in group))
    if code == "KMS603":
        expected = "accepted"
    if code == "KMS901":
        expected = "each forbidden write refused"
    return finding_of(code, first.protection, expected, "\n".join(lines), impact=impact, also=tuple(protections[1:]))


def _outcome_line(outcome: Outcome) -> str:
    if outcome.refusal is None:
        how = "accepted" if outcome.kind is Kind.ACCEPTED else "not done"
    else:
        sqlstate = f", SQLSTATE {outcome.refusal.sqlstate}" if outcome.refusal.sqlstate else ""
        how = f"refused: {outcome.refusal.message}{sqlstate}"
    return f"{outcome.tries} ({outcome.circumstance}): {how}"


def _of_cause(outcome: Outcome) -> str:
    message = outcome.refusal.message if outcome.refusal else "no message"
    return ("unknown: " if outcome.kind is Kind.UNKNOWN else "refused: ") + message
