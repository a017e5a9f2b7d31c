"""Try mutations: each in a throwaway database, validated, fixed by what the findings say, and validated again."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

import psycopg

from kms_schema import validate
from kms_schema.validator import Finding
from support.engines import Database, Engine
from support.engines.database import Connection
from tests.validator.mutations.kinds import Mutation, run

DriverError = (psycopg.Error, sqlite3.Error)


class Fix(StrEnum):
    """What became of the SQL in the findings."""

    FIXED = "fixed"
    MANUAL = "manual"
    FAILED = "failed"


@dataclass(frozen=True)
class Trial:
    """One mutation and what the validator made of it. `fault` says what is wrong with that, if anything."""

    mutation: Mutation
    found: bool
    findings: int
    fixing: Fix
    fault: str | None = None


class Court:
    """Tries mutations of one migrated database on one engine."""

    def __init__(self, engine: Engine, template: Database) -> None:
        """Remember what is found where nothing was changed, which may be about roles alone: that superusers exist."""
        self._engine, self._template = engine, template
        with closing(template.connect()) as connection:
            findings = validate(connection).findings
        self._usual = frozenset((each.code, each.object) for each in findings if each.code.startswith("KMS4"))
        assert len(self._usual) == len(findings), f"a clean database has findings: {_listed(findings)}"

    def trials(self, mutations: Iterable[Mutation]) -> Iterator[Trial]:
        """Try each in a database of its own."""
        for mutation in mutations:
            database = self._engine.create(self._template)
            here = mutation.in_database(database.name)
            try:
                yield self._trial(here, database)
            finally:
                self._engine.drop(database)
                if here.undo:
                    with closing(self._template.connect()) as connection:
                        run(connection, here.undo)

    def _trial(self, mutation: Mutation, database: Database) -> Trial:
        with closing(database.connect()) as connection:
            try:
                run(connection, mutation.change)
            except DriverError as error:
                return Trial(mutation, False, 0, Fix.FAILED, f"could not be made: {error}")
        with closing(database.connect()) as connection:
            try:
                findings = self._unusual(connection)
            except DriverError as error:
                return Trial(mutation, False, 0, Fix.FAILED, f"the validator failed: {error}")
            fault = _fault(mutation, findings)
            fixing, left = self._fix(connection, findings)
        if fixing is Fix.FAILED or (fixing is Fix.MANUAL and not mutation.kind.manual):
            fault = fault or f"{fixing}: {left}"
        elif mutation.kind.manual and fixing is Fix.FIXED:
            fault = fault or "fixed, although that is said to be impossible"
        return Trial(mutation, _named(mutation, findings), len(findings), fixing, fault)

    def _fix(self, connection: Connection, findings: list[Finding]) -> tuple[Fix, str]:
        """Run what fixes the findings, and return what is still found, or why it could not be run."""
        if any(finding.remediation is None or finding.remediation.startswith("--") for finding in findings):
            unfixed = next(f for f in findings if f.remediation is None or f.remediation.startswith("--"))
            return (
                Fix.MANUAL if unfixed.remediation else Fix.FAILED,
                f"{unfixed.object} {unfixed.remediation}",
            )
        for finding in findings:
            try:
                run(connection, finding.remediation or "")
            except DriverError as error:
                return Fix.FAILED, f"{finding.remediation}: {error}"
        left = self._unusual(connection)
        fixes = " ".join(finding.remediation or "" for finding in findings)
        return (Fix.FAILED, f"{fixes} leaves {_listed(left)}") if left else (Fix.FIXED, "")

    def _unusual(self, connection: Connection) -> list[Finding]:
        return [each for each in validate(connection).findings if (each.code, each.object) not in self._usual]


def _named(mutation: Mutation, findings: list[Finding]) -> bool:
    return any(each.object == mutation.names and each.severity in mutation.kind.severity for each in findings)


def _fault(mutation: Mutation, findings: list[Finding]) -> str | None:
    """Say what is wrong with what was found: one cause must be one finding, which names the right object."""
    if not findings:
        return "missed"
    if not _named(mutation, findings):
        return f"named {_listed(findings)} and not {mutation.kind.severity} {mutation.names}"
    return None if len(findings) == 1 else f"one cause, and several findings: {_listed(findings)}"


def _listed(findings: Sequence[Finding]) -> str:
    return "; ".join(f"{each.code} {each.object}" for each in findings)
