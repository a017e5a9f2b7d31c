"""The runner: it makes attempts, each in savepoints of its own, and returns the outcome of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

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
