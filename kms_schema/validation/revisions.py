"""Where a database stands in the chain of revisions, as findings of their own."""

from collections.abc import Iterator, Sequence

from kms_schema.validation.catalog import Revisions
from kms_schema.validation.findings import Finding, severity_of

_UPGRADE = "run: kms-schema upgrade"


def standing(
    revisions: Revisions, chain: Sequence[str], closest: str, version_table: str, *, empty: bool
) -> tuple[Finding, ...]:
    """Return what is wrong with Alembic's table.

    `chain` holds every revision, oldest first; `closest` is the one that the database is compared with.
    """
    head = chain[-1]
    if revisions.stamped is None:
        meaning = f"it is most like {closest}, but whether it is behind cannot be told"
        return (_finding("KMS901", head, f"unknown: {revisions.reason}", meaning),)
    if not revisions.stamped:
        there = "no revision is stamped" if revisions.table_exists else f"there is no {version_table} table"
        meaning = f"upgrades would start from nothing; it is most like {closest}"
        if empty:
            meaning = f"nothing of the schema is here; {_UPGRADE}"
        return (_finding("KMS001", head, there, meaning),)
    return (*_of_stamps(revisions.stamped, chain), *_behind(revisions.stamped, chain))


def _of_stamps(stamped: Sequence[str], chain: Sequence[str]) -> Iterator[Finding]:
    ours = [name for name in stamped if name in chain]
    if len(ours) > 1:
        meaning = "upgrades refuse to run until one revision is stamped"
        yield _finding("KMS004", chain[-1], ", ".join(ours), meaning)
    if ours:
        return  # beside one of ours, the others are those of a host application that shares the table
    for name in stamped:
        meaning = "a newer version of the package was here last, or only another application was"
        yield _finding("KMS003", f"one of {', '.join(chain)}", name, meaning)


def _behind(stamped: Sequence[str], chain: Sequence[str]) -> Iterator[Finding]:
    known = [revision for revision in chain if revision in stamped]
    if known and (behind := len(chain) - 1 - chain.index(known[-1])):
        meaning = f"the database is behind by {behind}: what later revisions add and guard is not there; {_UPGRADE}"
        yield _finding("KMS002", chain[-1], known[-1], meaning)


def _finding(code: str, expected: str, actual: str, meaning: str) -> Finding:
    return Finding(code, severity_of(code), "revision of the database", expected, actual, meaning)
