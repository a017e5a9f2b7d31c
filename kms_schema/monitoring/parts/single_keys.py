"""Metrics of single keys, which are bounded: the counts of all, and a series for each of the first."""

from collections.abc import Mapping, Sequence
from typing import Any

from kms_schema.monitoring.names import MOST_SERIES
from kms_schema.monitoring.reader import Reader, text_of_id
from kms_schema.monitoring.samples import Sample

_LISTED = """
UNION ALL
SELECT * FROM (
    SELECT key_type, about, id, key_id, 1, measure FROM found WHERE shown{of}
    ORDER BY measure {order}, key_id LIMIT {most}
) AS listed"""
_COUNTED = """
WITH found AS MATERIALIZED ({query})
SELECT key_type, about, NULL AS id, NULL AS key_id, count(*) AS keys, {extreme}(measure) AS measure
FROM found GROUP BY key_type, about"""


class Found:
    """Keys that a query found: their number by type, and the first of them."""

    def __init__(
        self, reader: Reader, query: str, *, greatest_first: bool, apart: Sequence[str] = (), **values: object
    ) -> None:
        """Run a query with the columns id, key_id, key_type, about, measure and shown.

        about: what is counted apart. measure: by which the keys are in order, the greatest or the smallest first.
        shown: whether the key may have a series. apart: the values of `about` that are listed apart, each up to the
        limit, so that many keys in one state leave out none of another.
        """
        order, extreme = ("DESC", "max") if greatest_first else ("ASC", "min")
        listed = [_LISTED.replace("{of}", f" AND about = '{each}'") for each in apart] or [_LISTED.replace("{of}", "")]
        parts = _COUNTED + ("".join(listed) if reader.names else "")
        if not reader.on_sqlite:  # text costs the driver less than UUIDs; the first SELECT decides the types
            parts = parts.replace("NULL AS id", "NULL::text AS id").replace("NULL AS key_id", "NULL::varchar AS key_id")
            parts = parts.replace("about, id,", "about, id::text,")
        statement = parts.format(query="{query}", order=order, extreme=extreme, most=MOST_SERIES).replace(
            "{query}", query
        )
        rows = reader.rows(statement, **values)
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
        return [Sample(name, convert(row[5]), (text_of_id(row[2]), row[3], row[0], *abouts[row[1]])) for row in
                self._listed if row[1] in abouts]  # fmt: skip

    def omitted(self, abouts: Mapping[str, tuple[str, ...]]) -> int:
        """Return how many keys have no series of their own; 0 without names, where no key has."""
        if not self._named:
            return 0
        return sum(int(row[4]) for row in self._totals if row[1] in abouts) - len(self._listed)
