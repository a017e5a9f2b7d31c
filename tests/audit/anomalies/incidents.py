"""Incidents that are planted into a simulated year."""

from collections.abc import Callable

from kms_schema.audit.anomalies.rules import RuleName
from kms_schema.vocabulary import RecordedEvent
from tests.audit.anomalies.year import LEARNED, Year, ordinary_year


def simulate(seed: int, *, days: int = 365, keys: int = 200) -> Year:
    """Return a year with an incident every twelfth day, or more often in a short life."""
    year = ordinary_year(seed, days=days, keys=keys)
    every = max(3, min(12, year.days // (len(_PLANTED) + 1)))
    for number, day in enumerate(range(every, year.days - 3, every)):
        _PLANTED[number % len(_PLANTED)](year, day)
    return year


def _stranger(year: Year, day: int) -> None:
    thief, victim = year.life.random.sample(year.services[3:6], 2)  # those that no other incident is about
    key = year.life.random.choice([each for each in victim.keys if each not in thief.keys])
    year.life.use(key, year.at(day, 3), thief.login, decryptions=1, process="shell:99")
    year.plant("a service reads a key of another", RuleName.NEW_ACTOR, day, actor=thief.login, by_login=True)


def _intruder(year: Year, day: int) -> None:
    key = year.life.random.choice(year.services[0].keys)
    year.life.recorded(RecordedEvent.KEY_CHANGED, year.at(day, 3), "console", key, user=f"intruder-{day}")
    year.plant("an unknown user changes a key", RuleName.NEW_ACTOR, day, actor=f"console for intruder-{day}")


def _revoked(year: Year, day: int) -> None:
    key = year.life.key(f"ended-{day}", year.at(-LEARNED, 2))
    for each in range(-LEARNED, day - 2):
        year.life.use(key, year.at(each, 9), "svc_0", encryptions=50, decryptions=90, process="svc_0-1:1")
    year.life.end(key, year.at(day - 2, 10), "console", "revoked", user="alice")
    year.life.use(key, year.at(day, 2), "svc_0", decryptions=1, process="other:1")
    year.plant("a revoked key decrypts", RuleName.ENDED_KEY_USED, day, key=key.name)


def _old_version(year: Year, day: int) -> None:
    before = year.at(day - 1)
    keys = [key for service in year.services for key in service.keys if key.live(before) > 1]
    key = year.life.random.choice(keys)
    for hour in (2, 3):
        year.life.use(key, year.at(day, hour), "svc_0", encryptions=9, process="other:2", version=1)
    year.plant("an old version encrypts", RuleName.ENDED_KEY_USED, day, key=key.name)


def _swept(year: Year, day: int) -> None:
    keys = [key for service in year.services if service.begins < 0 for key in service.keys]
    for key in dict.fromkeys(key.name for key in keys[:60]):
        year.life.use(
            next(each for each in keys if each.name == key), year.at(day, 3), "svc_2", decryptions=1, process="x:3"
        )
    year.plant("a service reads sixty keys", RuleName.KEY_SWEEP, day, actor="svc_2", by_login=True)


def _locked_out(year: Year, day: int) -> None:
    keys = [key for service in year.services if service.begins < 0 for key in service.keys]
    for key in keys[:40]:
        year.life.recorded(RecordedEvent.KEY_CHANGED, year.at(day, 3), "console", key, user="bob")
    year.plant("somebody changes forty keys", RuleName.KEY_SWEEP, day, actor="console", by_login=True)


def _drained(year: Year, day: int) -> None:
    service = year.services[0]
    key = service.keys[day % 3]
    largest = max(
        (entry[8]["decryptions"] + entry[8]["encryptions"] for entry in year.life.entries
         if entry[2] == key.id and "decryptions" in entry[8]), default=0,
    )  # fmt: skip
    year.life.use(key, year.at(day, 20), service.login, decryptions=8 * largest + 5000, process="x:4")
    year.plant("a key is used eight times as much", RuleName.USE_SPIKE, day, key=key.name)


def _at_noon(year: Year, day: int) -> None:
    key = year.life.key(f"exchanged-{day}", year.at(-LEARNED, 2))
    year.life.version(key, year.at(day, 12), "rotator")
    year.plant("a key is exchanged at noon", RuleName.OUTSIDE_WINDOW, day, key=key.name)


def _forged(year: Year, day: int) -> None:
    key = year.life.random.choice(year.services[0].keys)
    year.life.recorded(RecordedEvent.KEY_REVOKED, year.at(day, 12), "owner", key)
    year.plant("an entry says that a key was revoked", RuleName.FORGED_ENTRY, day, key=key.name)


_PLANTED: tuple[Callable[[Year, int], None], ...] = (
    _stranger, _intruder, _revoked, _old_version, _swept, _locked_out, _drained, _at_noon, _forged,
)  # fmt: skip
