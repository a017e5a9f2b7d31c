"""Drifts of different objects, which a database can have at once, and the SQL that fixes them."""

import re
import sqlite3
from collections.abc import Sequence

import psycopg

from kms_schema.validator.diff.findings import Finding
from support.engines.database import Connection
from support.reports import run

TOGETHER = 6
"""Drifts that a database has at once, at most."""
Drift = tuple[str, str, str]
"""A statement, and the code and the object of its finding."""


def together(drifts: Sequence[Drift]) -> list[list[Drift]]:
    """Return batches of drifts that name no object in common; what drops others with an object is alone."""
    alone: list[list[Drift]] = []
    batches: list[tuple[set[str], list[Drift]]] = []
    for drift in drifts:
        statement, _, key = drift
        if "CASCADE" in statement or key == "revision of the database":
            alone.append([drift])
            continue
        names = set(re.findall(r"\b(?!pg_)\w+_\w+", f"{statement} {key}"))
        room = (each for each in batches if len(each[1]) < TOGETHER and names.isdisjoint(each[0]))
        taken, batch = next(room, (set[str](), list[Drift]()))
        if not batch:
            batches.append((taken, batch))
        taken |= names
        batch.append(drift)
    return [*(batch for _, batch in batches), *alone]


def is_run(connection: Connection, finding: Finding, wrong: dict[str, object]) -> bool:
    """Run the SQL of a finding, if it fixes all of it; say whether it was, and note what it failed for."""
    if not finding.remediation or finding.remediation.startswith("--") or finding.also:
        return False
    try:
        run(connection, finding.remediation)
    except (psycopg.Error, sqlite3.Error) as error:
        wrong[finding.remediation] = str(error)
        return False
    return True
