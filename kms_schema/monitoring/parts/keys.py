"""Keys by type and status, those that expire or are near their limit, and HSMs."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kms_schema.monitoring.names import EXPIRY_DAYS, MOST_SERIES, NO_HEALTH
from kms_schema.monitoring.reader import Reader, seconds
from kms_schema.monitoring.samples import Read, Sample
from kms_schema.reading.reader import id_of
from kms_schema.vocabulary import HsmHealth, HsmProvider, KeyStatus, KeyType


class Found:
    """Keys that a query found: their number by type, and the first of them."""

    def __init__(
        self, reader: Reader, query: str, *, greatest_first: bool, apart: Sequence[str] = (), **values: object
    ) -> None:
        """Run the query of this name, which has the columns id, key_id, key_type, about, measure and shown.

        about: what is counted apart. measure: by which the keys are in order, the greatest or the smallest first.
        shown: whether the key may have a series. apart: the values of `about` that are listed apart, each up to the
        limit, so that many keys in one state leave out none of another.
        """
        order, extreme = ("DESC", "max") if greatest_first else ("ASC", "min")
        of_each = [f" AND about = '{each}'" for each in apart] or [""]
        first = [reader.text("first_keys", of=of, order=order, most=MOST_SERIES) for of in of_each if reader.names]
        words = {"query": reader.text(query), "extreme": extreme, "first_keys": "".join(first)}
        rows = reader.rows("counts_of_keys", words, **values)
        self._named = reader.names
        self._totals = [row for row in rows if row[2] is None]
        self._listed = [row for row in rows if row[2] is not None]

    def count(self, key_type: str, about: str) -> int:
        """Return how many keys of a type there are."""
        return next((int(row[4]) for row in self._totals if row[:2] == (key_type, about)), 0)

    def series(self, name: str, abouts: Mapping[str, tuple[str, ...]], convert: Any = float) -> list[Sample]:
        """Return a sample for each key; without names one for each type, with the first value.

        abouts: the values of `about` that have series, each with the labels that it adds.
        """
        if not self._named:
            rows = [row for row in self._totals if row[1] in abouts]
            return [Sample(name, convert(row[5]), ("", "", row[0], *abouts[row[1]])) for row in rows]
        return [Sample(name, convert(row[5]), (str(id_of(row[2])), row[3], row[0], *abouts[row[1]])) for row in
                self._listed if row[1] in abouts]  # fmt: skip

    def omitted(self, abouts: Mapping[str, tuple[str, ...]]) -> int:
        """Return how many keys have no series of their own; 0 without names, where no key has."""
        if not self._named:
            return 0
        return sum(int(row[4]) for row in self._totals if row[1] in abouts) - len(self._listed)


VIEWS = ("key_health_monitor", "key_management_dashboard")


def keys(reader: Reader) -> Read:
    """Count keys by type and status; on PostgreSQL as of the last refresh of the dashboard."""
    counts = {(kind, status): int(count) for kind, status, count in reader.rows("keys")}
    samples = [
        Sample("kms_keys", counts.get((kind, status), 0), (kind, status)) for kind in KeyType for status in KeyStatus
    ]
    # The views of SQLite are never stale.
    refreshed = [(view, reader.now) for view in VIEWS] if reader.on_sqlite else reader.rows("view_refreshes")
    samples += [Sample("kms_view_refresh_timestamp_seconds", seconds(at), (view,)) for view, at in refreshed]
    return Read(samples)


def expiry(reader: Reader) -> Read:
    """List active keys that expire within 30 days or have expired."""
    until = reader.now + dt.timedelta(days=EXPIRY_DAYS)
    abouts: dict[str, tuple[str, ...]] = {"expired": (), "expiring": ()}
    found = Found(reader, "expiring", greatest_first=False, apart=[*abouts], now=reader.now, until=until)
    samples = found.series("kms_key_expiration_timestamp_seconds", abouts, seconds)
    if not reader.names:  # both have a series without a name: the earlier one counts
        first: dict[tuple[str, ...], Sample] = {}
        for each in sorted(samples, key=lambda sample: sample.value):
            first.setdefault(each.labels, each)
        samples = list(first.values())
    for kind in KeyType:
        samples.append(Sample("kms_keys_expiring", found.count(kind, "expiring"), (kind,)))
        samples.append(Sample("kms_keys_expired_active", found.count(kind, "expired"), (kind,)))
    return Read(samples, found.omitted(abouts))


def usage(reader: Reader) -> Read:
    """List active keys whose live version has reached 90 % of its limit."""
    found = Found(reader, "near_limit", greatest_first=True)
    abouts: dict[str, tuple[str, ...]] = {"near": ()}
    samples = found.series("kms_key_usage_ratio", abouts)
    samples += [Sample("kms_keys_near_limit", found.count(kind, "near"), (kind,)) for kind in KeyType]
    return Read(samples, found.omitted(abouts))


class Hsm(NamedTuple):
    """An HSM configuration with the result of its last health check."""

    name: str
    provider: str
    is_active: bool
    health: str | None
    checked_at: Any
    milliseconds: float | None


def hsms(reader: Reader) -> Read:
    """Show each HSM with the result of its last health check, and the use of the keys of each provider."""
    samples: list[Sample] = []
    found = reader.read(Hsm, "hsms")
    for each in found[:MOST_SERIES]:
        hsm = (each.name, each.provider)
        samples.append(Sample("kms_hsm_active", int(each.is_active), hsm))
        for status in (*HsmHealth, NO_HEALTH):
            samples.append(Sample("kms_hsm_health", int((each.health or NO_HEALTH) == status), (*hsm, status)))
        if each.checked_at is not None:
            samples.append(Sample("kms_hsm_health_check_timestamp_seconds", seconds(each.checked_at), hsm))
        if each.milliseconds is not None:
            samples.append(Sample("kms_hsm_response_seconds", each.milliseconds / 1000, hsm))
    used = dict(reader.rows("hsm_operations"))
    samples += [Sample("kms_hsm_provider_operations", float(used.get(each, 0)), (each,)) for each in HsmProvider]
    return Read(samples, max(0, len(found) - MOST_SERIES))
