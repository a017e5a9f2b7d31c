"""Metrics of single keys, which are bounded: the counts of all, and a series for each of the first."""

from collections.abc import Mapping, Sequence
from typing import Any

from kms_schema.monitoring.names import MOST_SERIES
from kms_schema.monitoring.reader import Reader
from kms_schema.monitoring.samples import Sample
from kms_schema.reading.reader import id_of


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
