"""A simulated year of 200 keys: ordinary life. The module `incidents` plants incidents into it.

Ordinary life has services with office hours, weekends, ends of months and growth; their deployments; jobs by night, by
month and by quarter; rotations in their window; staff who come and go; new services; a few emergencies. None of it was
chosen by the thresholds, and a seed gives the same year each time.
"""

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.rules import KNOWN_DAYS, RuleName
from kms_schema.vocabulary import RecordedEvent, UseEvent
from tests.audit.anomalies.life import Key, Life

BEGIN = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
LEARNED = KNOWN_DAYS
"""Days before the year, in which everything is already in use."""
STAFF = ("alice", "bob", "carol", "dave", "erin", "frank")
JOINED = {"alice": -LEARNED, "bob": -LEARNED, "carol": -LEARNED, "dave": 60, "erin": 150, "frank": 290}


@dataclass
class Service:
    """An application with a login, and the keys that it uses."""

    login: str
    keys: list[Key]
    uses: float
    """Uses of a key on a working day."""
    at_weekends: float
    """The share of that at weekends."""
    at_month_end: float
    """How many times as much on the last working day of a month."""
    begins: int = -LEARNED


@dataclass
class Incident:
    """A planted incident, and how it is recognised among the anomalies."""

    name: str
    rule: RuleName
    day: int
    actor: str | None = None
    key: str | None = None
    by_login: bool = False
    """Found by logins, which SQLite does not have."""

    def is_about(self, anomaly: Anomaly) -> bool:
        """Return whether an anomaly of any rule is about the actor or the key of this incident, on its day."""
        keys = {entry.key_id for entry in anomaly.entries}
        _, claims, user = (self.actor or "").partition(" for ")
        on_sqlite = claims and anomaly.actor == f"sqlite for {user}"
        named = on_sqlite or anomaly.actor == self.actor if self.actor else self.key in keys
        return bool(named) and anomaly.day == (BEGIN + dt.timedelta(days=self.day)).date()

    def is_in(self, found: list[Anomaly]) -> bool:
        """Return whether its rule has found it."""
        return any(each.rule is self.rule and self.is_about(each) for each in found)


@dataclass
class Year:
    """What happened."""

    life: Life
    days: int
    services: list[Service] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def at(self, day: int, hour: float = 12.0) -> dt.datetime:
        return BEGIN + dt.timedelta(days=day, seconds=round(hour * 3600))

    def plant(self, name: str, rule: RuleName, day: int, **about: str | bool) -> None:
        self.incidents.append(Incident(name, rule, day, **about))  # type: ignore[arg-type]


def ordinary_year(seed: int, *, days: int = 365, keys: int = 200) -> Year:
    """Return a year of so many days and keys."""
    year = Year(Life(seed), days)
    _services(year, keys)
    _rotated(year)
    for service in year.services:
        _used(year, service)
    _jobs(year)
    _staff(year)
    _emergencies(year)
    return year


def _services(year: Year, keys: int) -> None:
    life, random = year.life, year.life.random
    for key_type in ("dek", "tls", "kek"):
        life.policy(key_type, ("22:00", "04:00"))
    begin = year.at(-LEARNED, 1)
    made = 0
    while made < keys:
        number = len(year.services)
        new = number % 7 == 6  # some services begin within the year, with keys of their own
        begins = random.randrange(20, max(21, year.days - 20)) if new else -LEARNED
        own = []
        for _ in range(min(random.choice((3, 6, 10, 16) if keys >= 100 else (3, 6)), keys - made)):
            key_type = random.choices(("dek", "tls", "kek", "backup"), (75, 15, 2, 8))[0]
            own.append(life.key(f"key-{made}", year.at(begins, 1) if new else begin, key_type=key_type))
            made += 1
        shared = [year.life.random.choice(year.services[0].keys)] if number % 5 == 4 else []
        year.services.append(Service(
            f"svc_{number}", [*own, *shared], uses=10 ** random.uniform(1, 5.5),
            at_weekends=random.choice((0.1, 0.4, 1.0)), at_month_end=random.choice((1.0, 1.0, 1.5, 4.0, 12.0)),
            begins=begins,
        ))  # fmt: skip


def _used(year: Year, service: Service) -> None:
    """Use the keys of a service each day; a deployment every week or two starts other processes."""
    random = year.life.random
    growth = random.choice((0.0, 0.0, 0.0005, 0.003))
    for key in service.keys:
        share, process, written = random.uniform(0.2, 1.5), 0, 0
        rare = random.random() < 0.15  # keys of old data are read once in a while
        for day in range(service.begins, year.days):
            if random.random() < 0.1 or process == 0:
                _write_rest(year, key, f"{service.login}-{process}:1", written, day)
                process, written = process + 1, 0
            moment = year.at(day)
            if rare and random.random() > 0.05:
                continue
            weekday = 1.0 if moment.weekday() < 5 else service.at_weekends
            busy = service.at_month_end if _is_month_end(moment) else 1.0
            noise = math.exp(random.gauss(0, 0.25))
            uses = service.uses * share * weekday * busy * noise * math.exp(growth * (day - service.begins))
            if uses < 1 and random.random() > uses:
                continue
            for hour in (8, 16):
                when = year.at(day, hour + random.random())
                year.life.use(
                    key, when, service.login, encryptions=int(uses / 6), decryptions=int(uses / 3),
                    process=f"{service.login}-{process}:1",
                )  # fmt: skip
                written = written or key.live(when)


def _write_rest(year: Year, key: Key, process: str, first: int, day: int) -> None:
    """A process that ends writes what it has not written of each version, those that ended before it included."""
    when, login = year.at(day, 7.9), process.partition("-")[0]
    for version in range(first, key.live(when) + 1) if first else ():
        year.life.use(key, when, login, encryptions=3, decryptions=5, process=process, version=version)


def _is_month_end(moment: dt.datetime) -> bool:
    """Return whether it is the last working day of a month."""
    following = moment + dt.timedelta(days=1 if moment.weekday() < 4 else 7 - moment.weekday())
    return moment.weekday() < 5 and following.month != moment.month


def _jobs(year: Year) -> None:
    """Read many keys each night, each month and each quarter; back up each Sunday."""
    random = year.life.random
    old = [key for service in year.services if service.begins < 0 for key in service.keys]
    nightly, monthly = random.sample(old, min(30, len(old))), random.sample(old, min(45, len(old)))
    for day in range(-LEARNED, year.days):
        moment = year.at(day)
        jobs: list[tuple[str, list[Key], int]] = []
        if random.random() < 0.97:  # a night fails at times
            jobs.append(("reporting", random.sample(nightly, len(nightly) - random.randrange(4)), 50))
        if moment.weekday() == 6:
            jobs.append(("backup", old[::4], 5))
        if moment.day == 2:
            jobs.append(("billing", monthly, 800))
        if moment.day == 3 and moment.month % 3 == 1:
            jobs.append(("archive", old[::3], 20))
        for login, keys, uses in jobs:
            for key in dict.fromkeys(map(id, keys)):
                found = next(each for each in keys if id(each) == key)
                year.life.use(
                    found, year.at(day, 1 + random.random()), login, decryptions=uses, process=f"{login}:{day}"
                )


def _rotated(year: Year) -> None:
    """Rotate each key once in ninety days, in the night; a key-encryption key once a year."""
    random = year.life.random
    policies = {each["key_type"]: each for each in year.life.policies}
    for service in year.services:
        for key in service.keys:
            every = 365 if key.master["key_type"] == "kek" else 90
            policy = policies.get(key.master["key_type"])
            first = (key.master["created_at"] - BEGIN).days + random.randrange(3, every)
            if len(key.versions) > 1:
                continue  # a shared key, rotated already
            for day in range(first, year.days, every):
                year.life.rotate(
                    key, year.at(day, 21.1 + 4.6 * random.random()), "rotator", policy, trigger="scheduled"
                )
                if key.master["key_type"] == "kek":
                    for other in service.keys:
                        year.life.recorded(RecordedEvent.VERSION_REWRAPPED, year.at(day, 27), "rotator", other)


def _staff(year: Year) -> None:
    """Change a few keys each week; new members of staff begin within the year."""
    random = year.life.random
    for day in range(-LEARNED, year.days):
        if year.at(day).weekday() > 4 or random.random() > 0.4:
            continue
        users = [user for user in STAFF if JOINED[user] <= day]
        keys = [key for service in year.services if service.begins <= day for key in service.keys]
        for key in random.sample(keys, min(len(keys), random.choice((1, 1, 1, 2, 5)))):
            year.life.recorded(
                RecordedEvent.KEY_CHANGED, year.at(day, 8 + 9 * random.random()), "console", key,
                user=random.choice(users),
            )  # fmt: skip


def _emergencies(year: Year) -> None:
    """What is ordinary and rare, and looks like an incident: false alarms are expected."""
    life, random = year.life, year.life.random
    old = [key for service in year.services if service.begins < 0 for key in service.keys]
    for day in _spread(year, 110):  # rotations after an incident, in the afternoon
        key = life.key(f"leaked-{day}", year.at(-LEARNED, 1))
        life.rotate(key, year.at(day, 14), "rotator", None, trigger="security_incident")
    for day in _spread(year, 170):  # a load test
        key = random.choice(old)
        life.use(key, year.at(day, 15), "svc_0", encryptions=2_000_000, process="load:1")
    for day in _spread(year, 150):  # an old service begins to use a key of another
        service, key = year.services[1], random.choice(year.services[2].keys)
        for later in range(day, year.days):
            life.use(key, year.at(later, 11), service.login, decryptions=20, process="svc_1-x:1")
    for number, day in enumerate(_spread(year, 130)):  # a planned revocation; the data moves to another key
        key = life.key(f"retired-{number}", year.at(-LEARNED, 1))
        for each in range(-LEARNED, day):
            life.use(key, year.at(each, 9), "svc_3", encryptions=50, decryptions=90, process="svc_3-1:1")
        life.end(key, year.at(day, 10), "console", "revoked", user="alice")
        life.use(
            key, year.at(day + 2, 9), "svc_3", decryptions=12, process="svc_3-1:1"
        )  # it ends, and says what it did
        for minute in range(3):
            life.use(key, year.at(day + 3, 9 + minute / 60), "svc_4", event=UseEvent.KEY_USE_REFUSED)
        life.use(key, year.at(day + 4, 9), "rotator", event=UseEvent.REVOKED_KEY_OPENED, user_id="alice")


def _spread(year: Year, every: int) -> Iterator[int]:
    return iter(range(every // 2, year.days - 5, every))
