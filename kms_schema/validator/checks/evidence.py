"""The evidence of the audit trail: seals, leaves and entries are compared by their numbers.

The content of entries is not read: only `kms-schema audit verify` verifies it, by hashing the whole trail. The
number of queries is fixed; they make one pass over the index of sequences and over the pages of 256 leaves.
The text of the newest seals is recomputed, for their chain and their signatures.
"""

from collections.abc import Iterator

from kms_schema.audit.storage.sqlite_values import AGAINST_TIME, TOLERATED_SECONDS
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.reading.queries import Queries
from kms_schema.validator.checks.row_reader import RowReader
from kms_schema.validator.diff.findings import Finding, finding_of

NEWEST_SEALS = 100
"""How many seals are recomputed as text and hashed."""

LOGS, SEALS, LEAVES, SUBTREES = "key_audit_logs", "key_audit_seals", "key_audit_leaves", "key_audit_subtrees"
TOMBSTONES = "key_audit_tombstones"
SUBTREE_LEVELS = range(8, 64, 8)

_QUERIES = Queries(
    __file__,
    levels=" UNION ALL ".join(f"SELECT {level} AS level" for level in SUBTREE_LEVELS),
    against_time=AGAINST_TIME,
    seconds=TOLERATED_SECONDS,
    newest=NEWEST_SEALS,
)

WANTED = {
    "KMS511": (SEALS, "seals that follow each other", "seals_out_of_order"),
    "KMS512": (LEAVES, "the leaves and subtrees that the last seal covers", "leaves_out_of_order"),
    "KMS513": (LOGS, "every sealed entry", "entries_gone"),
    "KMS514": (LOGS, "no entry between sealed entries", "entries_never_sealed"),
    "KMS519": (LOGS, "times that follow the sequence", "times_against_sequence"),
}
"""By code: the table, what is expected, and the query of the violations: name, problem and place in the trail."""


def evidence_queries(engine: str, schema: str, *, tombstones: bool) -> Iterator[tuple[str, str, str, str]]:
    """Yield the code, the table, what is expected and the query of each check; `schema` is PostgreSQL's, unquoted.

    `tombstones` is whether the revision has tombstones.
    """
    not_removed = _QUERIES.render("not_removed", engine, schema) if tombstones else ""
    for code, (table, wanted, query) in WANTED.items():
        yield code, table, wanted, _QUERIES.render(query, engine, schema, not_removed=not_removed)


def changed_seals(reader: RowReader, *, tombstones: bool) -> Iterator[Finding]:
    """Yield a finding if a signature of the newest seals does not verify, or a seal does not follow the seal before it.

    A signature covers the tombstone of its seal, if the revision has `tombstones`. Raises `UnreadableError`.
    """
    problems = list(_problems(reader, tombstones=tombstones))
    if problems:
        total = f"{len(problems)} {'seal' if len(problems) == 1 else 'seals'} of the newest {NEWEST_SEALS}:"
        yield finding_of("KMS515", f"table {SEALS}", "seals that verify", "\n".join([total, *problems]))


def _problems(reader: RowReader, *, tombstones: bool) -> Iterator[str]:
    words = {"tombstones": "", "tombstone_columns": "NULL, NULL, NULL"}
    if tombstones:
        words = {
            "tombstones": _QUERIES.render("tombstones_of_seals", reader.engine, reader.schema),
            "tombstone_columns": "tombstone.leaf_count, tombstone.last_sequence, tombstone.archive_sha256",
        }
    newest = reader.rows(_QUERIES.render("newest_seals", reader.engine, reader.schema, **words))
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
