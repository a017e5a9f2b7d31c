"""What the rules make of a simulated year. `python -m tests.audit.anomalies.judged_year SEED…` prints the figures."""

import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from kms_schema.audit.anomalies.anomaly import Anomaly
from kms_schema.audit.anomalies.finding import find_anomalies
from kms_schema.audit.anomalies.rules import RULES
from support.engines import Engines
from support.engines.database import Connection
from tests.audit.anomalies.incidents import simulate
from tests.audit.anomalies.loading import load
from tests.audit.anomalies.year import BEGIN, Incident, Year

MONTH = 30


@dataclass
class Judged:
    """The anomalies of a year: incidents that were found, those that were not, and false alarms."""

    year: Year
    anomalies: list[Anomaly]

    @property
    def missed(self) -> list[Incident]:
        return [each for each in self.year.incidents if not each.is_in(self.anomalies)]

    @property
    def false_alarms(self) -> list[Anomaly]:
        return [each for each in self.anomalies if not any(one.is_about(each) for one in self.year.incidents)]

    @property
    def a_week(self) -> float:
        return 7 * len(self.false_alarms) / self.year.days


def judged(connection: Connection, year: Year, *, with_logins: bool) -> Judged:
    """Load a year into a database without rows, and find its anomalies month by month."""
    load(connection, year.life, with_logins=with_logins, is_large=True)
    found: list[Anomaly] = []
    for first in range(0, year.days, MONTH):
        last = min(first + MONTH, year.days)
        found += find_anomalies(connection, _day(first), until=_day(last))
    return Judged(year, found)


def _day(number: int) -> dt.datetime:
    return BEGIN + dt.timedelta(days=number)


def main(seeds: Sequence[str]) -> None:
    """Print a row of the table in docs/anomalies.md for each seed and each kind of log."""
    names = {"postgresql-18": True, "sqlite": False}
    print(
        "| seed | engine | entries | incidents found | false alarms a week |", *(f" {rule} |" for rule in RULES), sep=""
    )
    with closing(Engines()) as engines:
        for seed in seeds:
            for name, with_logins in names.items():
                database = engines[name].create(engines.migrated(name, "template"))
                year = simulate(int(seed))
                with closing(database.connect()) as connection:
                    result = judged(connection, year, with_logins=with_logins)
                engines[name].drop(database)
                counts = Counter(each.rule for each in result.false_alarms)
                of_all = len(year.incidents)
                print(
                    f"| {seed} | {name} | {len(year.life.entries)} | {of_all - len(result.missed)} of {of_all}"
                    f" | {result.a_week:.2f} |", *(f" {counts[rule]} |" for rule in RULES), sep="",
                )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:] or ["1"])
