"""The evidence of the audit trail: seals, leaves and entries are compared by their numbers.

The content of entries is not read: only `kms-schema audit verify` verifies it, by hashing the whole trail. The
number of queries is fixed; they make one pass over the index of sequences and over the pages of 256 leaves.
The text of the newest seals is recomputed, for their chain and their signatures.
"""

from collections.abc import Iterator
from functools import partial

from kms_schema.audit.storage.sqlite_times import AGAINST_TIME, TOLERATED_SECONDS
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.text.identifiers import quoted
from kms_schema.validator.checks.row_reader import RowReader
from kms_schema.validator.diff.findings import Finding, finding_of

NEWEST_SEALS = 100
"""How many seals are recomputed as text and hashed."""

LOGS, SEALS, LEAVES, SUBTREES = "key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees"
TOMBSTONES = "key_audit_tombstones"
SUBTREE_LEVELS = range(8, 64, 8)

_SEALED_AT = {
    "postgresql": "to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    "sqlite": "sealed_at",
}
_LAST_SEAL = "(SELECT {column} FROM {seals} ORDER BY seal_number DESC LIMIT 1)"

_SEALS_OUT_OF_ORDER = """SELECT name, CASE
        WHEN seal_number <> coalesce(before, 0) + 1 THEN 'does not follow seal ' || coalesce(before, 0)
        WHEN tree_size <= size_before THEN 'covers no more leaves than the seal before'
        WHEN last_sequence < sequence_before THEN 'ends before the last sequence of the seal before'
        WHEN origin <> origin_before THEN 'has another origin than the seal before'
    END AS problem, seal_number AS place
    FROM (SELECT seal_number, tree_size, last_sequence, origin, 'seal ' || seal_number AS name,
            lag(seal_number) OVER numbered AS before, lag(tree_size) OVER numbered AS size_before,
            lag(last_sequence) OVER numbered AS sequence_before, lag(origin) OVER numbered AS origin_before
        FROM {seals} WINDOW numbered AS (ORDER BY seal_number)) AS seals
    WHERE seal_number <> coalesce(before, 0) + 1 OR tree_size <= size_before OR last_sequence < sequence_before
        OR origin <> origin_before"""

# Faults of the whole come after those of a leaf.
_LEAVES_OUT_OF_ORDER = """SELECT 'leaf ' || first_leaf AS name,
        'does not follow: the next leaf is ' || following AS problem, first_leaf AS place
    FROM (SELECT first_leaf, coalesce(lag(first_leaf + length(hashes) / 32) OVER (ORDER BY first_leaf), 0) AS following
        FROM {leaves}) AS pages
    WHERE first_leaf <> following
    UNION ALL
    SELECT 'the last leaf', 'makes ' || leaves || ' leaves, and the last seal covers ' || sealed, 9223372036854775807
    FROM (SELECT coalesce((SELECT first_leaf + length(hashes) / 32 FROM {leaves} ORDER BY first_leaf DESC LIMIT 1), 0)
            AS leaves, coalesce({last_size}, 0) AS sealed) AS ends
    WHERE leaves <> sealed
    UNION ALL
    SELECT 'the subtrees of level ' || level, 'are ' || kept || ', and the last seal covers ' || whole || ' of them',
        9223372036854775807
    FROM (SELECT level, (coalesce({last_size}, 0) >> level) AS whole,
            (SELECT count(*) FROM {subtrees} AS subtrees WHERE subtrees.level = levels.level) AS kept,
            (SELECT coalesce(max(position), -1) + 1 FROM {subtrees} AS subtrees WHERE subtrees.level = levels.level)
                AS following
        FROM ({levels}) AS levels) AS subtrees
    WHERE kept <> whole OR following <> whole"""

_ENTRIES_GONE = """SELECT 'sequences ' || first_sequence || ' to ' || last_sequence AS name,
        'were sealed with ' || size || ' entries, and have ' || present AS problem,
        first_sequence AS place
    FROM (SELECT first_leaf, first_sequence, last_sequence, size,
            (SELECT count(*) FROM {logs} AS entries WHERE entries.sequence BETWEEN first_sequence AND last_sequence)
                AS present
        FROM ({pages}) AS pages) AS counted
    WHERE present <> size{not_removed}"""

# The entries of leaves below a tombstone are removed, or about to be; the check of the newest seals covers its seal. No
# signature covers a tombstone without a seal.
_NOT_REMOVED = """ AND first_leaf >= coalesce((SELECT max(leaf_count) FROM {tombstones} AS tombstones
        WHERE seal_number IN (SELECT seal_number FROM {seals} AS seals)), 0)"""

# Between two pages, and from the last page to the last sequence of a seal.
_ENTRIES_NEVER_SEALED = """SELECT 'entry ' || id || ' (sequence ' || sequence || ')' AS name,
        'is below the last sealed sequence, and in no seal' AS problem, sequence AS place
    FROM (SELECT coalesce(lag(last_sequence) OVER (ORDER BY first_sequence), -9223372036854775807) AS after,
            first_sequence AS before
        FROM ({pages}) AS pages
        UNION ALL
        SELECT coalesce((SELECT max(last_sequence) FROM ({pages}) AS pages), -9223372036854775807), {last_sequence} + 1
    ) AS between_pages
    {between}
    WHERE after + 1 < before{not_open}"""

_BETWEEN = {
    # OFFSET 0 keeps the planner from comparing every entry with each range.
    "postgresql": "CROSS JOIN LATERAL (SELECT id, sequence FROM {logs} AS found"
    " WHERE found.sequence > after AND found.sequence < before OFFSET 0) AS entries",
    "sqlite": "JOIN {logs} AS entries ON entries.sequence > after AND entries.sequence < before",
}

_PAGES = (
    "SELECT first_leaf, first_sequence, first_sequence + length(hashes) / 32 - 1 AS last_sequence,"
    " length(hashes) / 32 AS size FROM {leaves}"
)

# SQLite has no open gaps.
_NOT_OPEN = """ AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements({open_gaps}) AS gap
        WHERE entries.sequence BETWEEN (gap ->> 0)::bigint AND (gap ->> 1)::bigint)"""

# A clock is corrected by less, and two sessions are less apart between the sequence and the time of an entry.
_AGAINST_TIME = {
    "postgresql": """SELECT id, sequence, CASE WHEN before > "timestamp" + interval '{seconds} seconds'
        THEN 'is dated ' || "timestamp" || ', and the entry before ' || before
        ELSE 'is dated ' || "timestamp" || ', and its id is of another time' END AS problem
    FROM (SELECT id, sequence, "timestamp", lag("timestamp") OVER (ORDER BY sequence) AS before,
            to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AS of_id
        FROM {logs} AS entries) AS entries
    WHERE before > "timestamp" + interval '{seconds} seconds'
        OR of_id NOT BETWEEN "timestamp" - interval '{seconds} seconds' AND "timestamp" + interval '{seconds} seconds'
        OR substr(id::text, 15, 1) <> '7'""",
    "sqlite": AGAINST_TIME,
}
_TIMES_AGAINST_SEQUENCE = (
    "SELECT 'entry ' || id || ' (sequence ' || sequence || ')' AS name, problem, sequence AS place"
    " FROM ({against_time}) AS entries"
)

WANTED = {
    "KMS511": (SEALS, "seals that follow each other", _SEALS_OUT_OF_ORDER),
    "KMS512": (LEAVES, "the leaves and subtrees that the last seal covers", _LEAVES_OUT_OF_ORDER),
    "KMS513": (LOGS, "every sealed entry", _ENTRIES_GONE),
    "KMS514": (LOGS, "no entry between sealed entries", _ENTRIES_NEVER_SEALED),
    "KMS519": (LOGS, "times that follow the sequence", _TIMES_AGAINST_SEQUENCE),
}
"""By code: the table, what is expected, and a query of the violations: name, problem and place in the trail."""


def evidence_queries(engine: str, schema: str, *, tombstones: bool) -> Iterator[tuple[str, str, str, str]]:
    """Yield the code, the table, what is expected and the query of each check; `schema` is PostgreSQL's, unquoted.

    `tombstones` is whether the revision has tombstones.
    """
    for code, (table, wanted, template) in WANTED.items():
        yield code, table, wanted, _filled(template, engine, schema, tombstones=tombstones)


def changed_seals(reader: RowReader, *, tombstones: bool) -> Iterator[Finding]:
    """Yield a finding if a signature of the newest seals does not verify, or a seal does not follow the seal before it.

    A signature covers the tombstone of its seal, if the revision has `tombstones`. Raises `UnreadableError`.
    """
    problems = list(_problems(reader, tombstones=tombstones))
    if problems:
        total = f"{len(problems)} {'seal' if len(problems) == 1 else 'seals'} of the newest {NEWEST_SEALS}:"
        yield finding_of("KMS515", f"table {SEALS}", "seals that verify", "\n".join([total, *problems]))


def _problems(reader: RowReader, *, tombstones: bool) -> Iterator[str]:
    tables = _tables(reader.engine, reader.schema)
    tombstone_join, tombstone_columns = "", ", NULL, NULL, NULL"
    if tombstones:
        tombstone_join = f" LEFT JOIN {tables['tombstones']} AS tombstone ON tombstone.seal_number = seals.seal_number"
        tombstone_columns = ", tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256"
    newest = reader.rows(
        f"SELECT seals.seal_number, origin, {_SEALED_AT[reader.engine]}, tree_size, root_hash, previous_seal_hash,"
        " verifier_key, signature, next_key, compact_range, seals.last_sequence, CAST(open_gaps AS text),"
        f" snapshot_xmax, system_identifier{tombstone_columns} FROM {tables['seals']} AS seals{tombstone_join}"
        f" ORDER BY seals.seal_number DESC LIMIT {NEWEST_SEALS}"
    )
    before: StoredSeal | None = None
    for row in reversed(newest):
        try:
            seal = StoredSeal.from_row(row)
            seal.check_signature()
        except ValueError as error:
            yield str(error) if str(error).startswith("seal ") else f"seal {row[0]}: {error}"
            before = None
            continue
        if before and before.number == seal.number - 1 and seal.previous_seal_hash != before.seal().hash():
            yield f"seal {seal.number}: it follows another seal than the one before it"
        before = seal


def _tables(engine: str, schema: str) -> dict[str, str]:
    """Return the name of each table in a query: rows of a child table are not part of the trail."""
    place = "main" if engine == "sqlite" else f"ONLY {quoted(schema)}"
    return {name.rpartition("_")[2]: f"{place}.{name}" for name in (LOGS, SEALS, LEAVES, SUBTREES, TOMBSTONES)}


def _filled(template: str, engine: str, schema: str, *, tombstones: bool) -> str:
    tables = _tables(engine, schema)
    last = partial(_LAST_SEAL.format, seals=tables["seals"])
    levels = " UNION ALL ".join(f"SELECT {level} AS level" for level in SUBTREE_LEVELS)
    not_open = _NOT_OPEN.format(open_gaps=last(column="open_gaps")) if engine == "postgresql" else ""
    return template.format(
        **tables,
        pages=_PAGES.format(leaves=tables["leaves"]),
        levels=levels,
        last_size=last(column="tree_size"),
        last_sequence=last(column="last_sequence"),
        between=_BETWEEN[engine].format(logs=tables["logs"]),
        not_open=not_open,
        against_time=_AGAINST_TIME[engine].format(logs=tables["logs"], seconds=TOLERATED_SECONDS),
        not_removed=_NOT_REMOVED.format(**tables) if tombstones else "",
    )
