"""The expressions that the engines write differently, by the names that queries call them by.

A query calls `{name(arguments)}`; `{0}` and `{1}` in an expression are the arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kms_schema.reading.times import SQLITE_NOW, hours_after

_MOST = 1_000_000_000_000_000
"""No count of a document is above this: entries are claims, and a sum of them must not overflow."""
_HYPHENATED = " || '-' || ".join(
    f"substr({{0}}, {first}, {length})" for first, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
)
_TYPE_ON_SQLITE = "CASE WHEN json_valid({0}) THEN json_type({0}, '$.{1}') END"


@dataclass(frozen=True)
class Dialect:
    """The expressions of one engine."""

    engine: str
    expressions: Mapping[str, str]


POSTGRESQL = Dialect(
    "postgresql",
    MappingProxyType({
        # Times. The clock goes on during a transaction, and now does not.
        "clock": "clock_timestamp()",
        "now": "now()",
        "clock_after": "clock_timestamp() + make_interval(secs => {0})",
        "hours_after": "({0} + make_interval(hours => {1}))",
        "seconds_until": "CAST(extract(epoch FROM {0} - clock_timestamp()) AS double precision)",
        "milliseconds_since": "greatest(extract(epoch FROM clock_timestamp() - {0}) * 1000, 0)::bigint",
        "in_range": "least({0}, '9999-12-31 23:59:59.999999+00')",
        "first_time": "'-infinity'",
        "day": "date_trunc('day', {0}, 'UTC')",
        "date": "({0} AT TIME ZONE 'UTC')::date",
        "month": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM')",
        "epoch": "extract(epoch FROM {0})::double precision",
        "time_text": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        # Documents
        "json_text": "({0} ->> '{1}')",
        "json_count": "CASE WHEN jsonb_typeof({0} -> '{1}') = 'number'"
        f" THEN least(greatest(({{0}} ->> '{{1}}')::numeric, 0), {_MOST}) ELSE 0 END",
        "json_id": "CASE WHEN ({0} ->> '{1}') ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'"
        " THEN ({0} ->> '{1}')::uuid END",
        "json_type": "jsonb_typeof({0} -> '{1}')",
        "is_count": "jsonb_typeof({0} -> '{1}') = 'number'",
        "is_text": "jsonb_typeof({0} -> '{1}') = 'string'",
        # Casts to text could call a function that a superuser has given CREATE CAST.
        "document_text": "textin(jsonb_out({0}))",
        # Ids and lists of them
        "id_text": "textin(uuid_out({0}))",
        "is_of": "{0} = ANY (%({1})s)",
        "is_none_of": "{0} <> ALL (%({1})s)",
        # Texts, bytes and numbers
        "upper": 'upper({0} COLLATE "C")',
        "lower": 'lower({0} COLLATE "C")',
        "bytewise": '{0} COLLATE "C"',
        "bytes": "'\\x{0}'::bytea",
        "is_printable": "encode({0}, 'hex') ~ '^(09|0a|0d|[2-6][0-9a-f]|7[0-9a-e])+$'",
        "sum": "sum({0})",
        "greatest": "greatest({0}, {1})",
        "least": "least({0}, {1})",
        "earliest": "least({0}, {1}, {2}, {3})",
        # Rows and indexes
        "only": "ONLY",
        "skip_locked": "FOR UPDATE SKIP LOCKED",
        "indexed_by": "",
        "unindexed": "{0}",
    }),
)  # fmt: skip

SQLITE = Dialect(
    "sqlite",
    MappingProxyType({
        "clock": SQLITE_NOW,
        "now": SQLITE_NOW,
        "clock_after": "strftime('%Y-%m-%dT%H:%M:%f', 'now', '+' || {0} || ' seconds') || '000Z'",
        "hours_after": hours_after("{0}", "{1}"),
        "seconds_until": "(julianday({0}) - julianday('now')) * 86400.0",
        "milliseconds_since":
            "max(CAST(round((julianday('now') - julianday({0})) * 86400000) AS INTEGER), 0)",
        "in_range": "coalesce({0}, '9999-12-31T23:59:59.999999Z')",
        "first_time": "''",
        "day": "substr({0}, 1, 10) || 'T00:00:00.000000Z'",
        "date": "substr({0}, 1, 10)",
        "month": "substr({0}, 1, 7)",
        "epoch": "{0}",
        "time_text": "{0}",
        "json_text": "CASE WHEN json_valid({0}) THEN CAST(json_extract({0}, '$.{1}') AS TEXT) END",
        "json_count": "CASE WHEN json_valid({0}) THEN CASE WHEN json_type({0}, '$.{1}') = 'integer'"
        f" THEN min(max(json_extract({{0}}, '$.{{1}}'), 0), {_MOST}) ELSE 0 END ELSE 0 END",
        "json_id": "CASE WHEN json_valid({0}) THEN json_extract({0}, '$.{1}') END",
        "json_type": _TYPE_ON_SQLITE,
        "is_count": f"{_TYPE_ON_SQLITE} = 'integer'",
        "is_text": f"{_TYPE_ON_SQLITE} = 'text'",
        "document_text": "{0}",
        "id_text": _HYPHENATED,
        "is_of": "{0} IN (SELECT value FROM json_each(%({1})s))",
        "is_none_of": "{0} NOT IN (SELECT value FROM json_each(%({1})s))",
        "upper": "upper({0})",
        "lower": "lower({0})",
        "bytewise": "{0}",
        "bytes": "x'{0}'",
        # The length of a text ends at its first NUL, where GLOB ends as well.
        "is_printable": "(length(CAST({0} AS text)) = length({0})"
        " AND CAST({0} AS text) NOT GLOB '*[^' || char(9, 10, 13) || ' -~]*')",
        "sum": "total({0})",
        "greatest": "max({0}, {1})",
        "least": "min({0}, {1})",
        # `min` with several arguments is NULL if one is, and `least` of PostgreSQL is not.
        "earliest": "nullif(min(" + ", ".join(f"coalesce({{{each}}}, '~')" for each in range(4)) + "), '~')",
        "only": "",
        "skip_locked": "",
        "indexed_by": "INDEXED BY {0}",
        # The plus sign prevents the use of an index with low selectivity.
        "unindexed": "+{0}",
    }),
)  # fmt: skip

DIALECTS: Mapping[str, Dialect] = MappingProxyType({each.engine: each for each in (POSTGRESQL, SQLITE)})
