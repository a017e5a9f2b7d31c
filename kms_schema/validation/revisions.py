"""Where a database stands in the chain of revisions, as findings of their own."""

from collections.abc import Sequence

from kms_schema.validation.catalog import Revisions
from kms_schema.validation.findings import Finding, severity_of

_UPGRADE = "run: alembic upgrade head"


def standing(
    revisions: Revisions, chain: Sequence[str], anything_there: bool
) -> tuple[str | None, tuple[Finding, ...]]:
    """Return the revision to compare with, or None for an empty database, and what is wrong with
    `alembic_version`.

    `chain` holds every revision, oldest first. A database whose revision cannot be told is compared with the
    head.
    """
    head = chain[-1]
    if revisions.stamped is None:
        return head, (
            _finding(
                "KMS901",
                head,
                f"unknown: {revisions.reason}",
                "whether the database is behind cannot be told",
            ),
        )
    known = [revision for revision in chain if revision in revisions.stamped]
    findings = [
        _finding(
            "KMS003",
            f"one of {', '.join(chain)}",
            name,
            "another version of the package, or somebody else, was here last",
        )
        for name in revisions.stamped
        if name not in chain
    ]
    if len(revisions.stamped) > 1:
        actual = ", ".join(revisions.stamped)
        findings.append(_finding("KMS004", head, actual, "upgrades refuse to run until one revision is stamped"))
    if not revisions.stamped:
        there = "no revision is stamped" if revisions.table_exists else "there is no alembic_version table"
        meaning = (
            "upgrades would start from nothing" if anything_there else f"nothing of the schema is here; {_UPGRADE}"
        )
        return (head if anything_there else None), (_finding("KMS001", head, there, meaning),)
    if known and (behind := len(chain) - 1 - chain.index(known[-1])):
        meaning = f"the database is behind by {behind}: what later revisions add and guard is not there; {_UPGRADE}"
        findings.append(_finding("KMS002", head, known[-1], meaning))
    return (known[-1] if known else head), tuple(findings)


def _finding(code: str, expected: str, actual: str, meaning: str) -> Finding:
    return Finding(code, severity_of(code), "revision of the database", expected, actual, meaning)
