"""The sequence of the audit log beside the log: the owner can set it so that no entry follows."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kms_schema.text.identifiers import literal
from kms_schema.validator.checks.posture import Observed

if TYPE_CHECKING:
    import psycopg

CODE = "sequence"
"""The code of the row of `posture_objects.sql` with the sequence, the query of the last numbers, and the log."""
_UNDEFINED_COLUMN = "42703"
FARTHEST = 2**40
"""How far above the last number a sequence can continue: rollbacks do not draw that many. The trigger has it, too."""


def with_sequence(cursor: "psycopg.Cursor[tuple[Any, ...]]", rows: Iterable[Observed]) -> Iterator[Observed]:
    """Yield the rows of the posture, with KMS454 in place of the sequence if it does not follow the log.

    A table or sequence whose row of the catalog was changed may not be readable: then the sequence is not compared.
    """
    rows = list(rows)
    readable = not any(code == "KMS453" and about.startswith(("table ", "sequence ")) for code, about, *_ in rows)
    for row in rows:
        if row[0] != CODE:
            yield row
            continue
        if not readable:
            continue
        _, sequence, numbers, log = row
        cursor.execute("SAVEPOINT numbers")
        try:
            cursor.execute(
                f"SELECT last_value::numeric + is_called::integer, (SELECT max(n) FROM ({numbers}) AS numbers (n))"
                f" FROM {sequence}".encode()
            )
        except Exception as error:
            if getattr(error, "sqlstate", None) != _UNDEFINED_COLUMN:  # it was renamed, which is a finding of its own
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT numbers")
            continue
        following, last = (int(each or 0) for each in cursor.fetchall()[0])
        if not last < following <= last + FARTHEST:
            observed = "no number is left" if following >= 2**63 else f"continues with {following}"
            yield (
                "KMS454", f"sequence {sequence.rpartition('.')[2]}",
                f"{observed}, and the last number of an entry or a seal is {last}",
                f"DO $kms$ BEGIN LOCK TABLE {log} IN SHARE ROW EXCLUSIVE MODE; PERFORM pg_catalog.setval("
                f"{literal(sequence)}, GREATEST(pg_catalog.max(n), 1), pg_catalog.max(n) IS NOT NULL)"
                f" FROM ({numbers}) AS numbers (n); END $kms$;",
            )  # fmt: skip
