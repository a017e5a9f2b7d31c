"""Pairs of mutations on objects of which one needs the other, for each pair of kinds.

The printed fixes are run from top to bottom, and one that fails is passed over. Then nothing may be left but findings
that name a manual action, and fixes of objects that need the object of such a finding.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import product
from zlib import crc32

from kms_schema import snapshots, validate
from kms_schema.validator import Finding
from kms_schema.validator.diff.findings import MANUAL_ACTION
from support.engines import Database, Engine
from support.engines.database import Connection
from tests.validator.mutations.kinds import Mutation, run
from tests.validator.mutations.runner import DriverError

Pair = tuple[Mutation, Mutation]
Needs = Mapping[str, frozenset[str]]
ROUNDS = 2
"""The runs of all printed fixes after which nothing may be left: one drift can be listed with another one first."""


def pairs(every: Iterable[Mutation], engine: str, version: str) -> Iterator[Pair]:
    """Yield mutations of objects that need each other: each kind with a drop, a rename and a change of each sort.

    Objects need each other if one is the table or column of the other, refers to it, or reads it: `needs` in snapshots.
    """
    needs = needs_at_head(engine, version)
    by_object: dict[str, list[Mutation]] = {}
    for mutation in every:
        if mutation.kind.severity == "error" and not mutation.undo and not mutation.kind.reconnects:
            by_object.setdefault(mutation.names, []).append(mutation)
    edges = [(one, other) for one in by_object for other in by_object.keys() & needed_by(one, needs)]
    chosen: dict[tuple[str, ...], Pair] = {}
    tried_kinds = set()
    for one, other in sorted(edges, key=lambda edge: crc32("".join(edge).encode())):  # of all tables
        kinds = tuple(frozenset(each.kind.name for each in by_object[key]) for key in (one, other))
        if kinds in tried_kinds:
            continue
        tried_kinds.add(kinds)
        for first, second in product(by_object[one], by_object[other]):
            for pair in ((first, second), (second, first)):
                chosen.setdefault((pair[0].kind.name, effect(pair[1])), pair)
                chosen.setdefault((effect(pair[0]), pair[1].kind.name), pair)
    yield from dict.fromkeys(pair for _, pair in sorted(chosen.items(), key=lambda each: each[0]))


def needs_at_head(engine: str, version: str) -> Needs:
    """Return what each expected object needs."""
    expected = snapshots.load(engine, snapshots.chain()[-1], version)
    return {key: frozenset(each.get("needs", ())) for key, each in expected.items()}


def effect(mutation: Mutation) -> str:
    """Return the sort of object that a mutation changes, and whether it drops, renames or changes it."""
    word = re.search("dropped|renamed", mutation.kind.name)
    return f"{mutation.kind.of} {word[0] if word else 'changed'}"


def needed_by(key: str, needs: Needs) -> frozenset[str]:
    """Return what an object needs; of an index that it needs, also the constraint that the index belongs to."""
    direct = needs.get(key, frozenset())
    return direct.union(*(needs.get(each, frozenset()) for each in direct if each.startswith("index ")))


def tried(engine: Engine, template: Database, chosen: Iterable[Pair]) -> Iterator[tuple[Pair, str]]:
    """Yield what became of each pair: `fixed`, `manual`, `impossible` (the second cannot be made), or a fault."""
    with closing(template.connect()) as connection:
        report = validate(connection)
    usual = {(each.code, each.object) for each in report.findings}
    needs = needs_at_head(report.engine, report.version)
    for pair in chosen:
        database = engine.create(template)
        try:
            with closing(database.connect()) as connection:
                for mutation in pair:
                    run(connection, mutation.in_database(database.name).change)
        except DriverError:
            yield pair, "impossible"
        else:
            with closing(database.connect()) as connection:
                yield pair, outcome(connection, usual, needs)
        finally:
            engine.drop(database)


def outcome(connection: Connection, usual: set[tuple[str, str]], needs: Needs) -> str:
    """Run the printed fixes until nothing is left to run, at most `ROUNDS` times."""
    errors: list[str] = []
    for _ in range(ROUNDS + 1):
        try:
            findings = [each for each in validate(connection).worst_first if (each.code, each.object) not in usual]
        except Exception as error:  # noqa: BLE001  (a fault, named with its pair)
            return f"the validator failed: {error!r}"
        fixes = [each for each in findings if is_sql(each)]
        manual = {each.object for each in findings if not is_sql(each)}
        if all(manual & all_needs(each.object, needs) for each in fixes) and errors:
            fixes = []  # they wait for the manual actions
        if not fixes:
            return "manual" if findings else "fixed"
        last, errors = errors, []
        for finding in fixes:
            try:
                run(connection, finding.remediation or "")
            except DriverError as error:
                rolled_back(connection)
                errors.append(f"{finding.code} {finding.object}: {finding.remediation}: {error}")
    return f"{'; '.join(f'{each.code} {each.object}' for each in findings)} left: {'; '.join(last)}"


def all_needs(key: str, needs: Needs) -> set[str]:
    """Return what an object needs, directly or not."""
    unread, seen = [key], set[str]()
    while unread:
        more = needs.get(unread.pop(), frozenset()) - seen
        seen |= more
        unread += more
    return seen


def is_sql(finding: Finding) -> bool:
    """Return whether a finding has SQL that fixes it."""
    return bool(finding.remediation) and not (finding.remediation or "").startswith(MANUAL_ACTION)


def rolled_back(connection: Connection) -> None:
    """End the transaction that a fix of several statements has left open, with its settings of SQLite."""
    if isinstance(connection, sqlite3.Connection):
        connection.rollback()
        connection.executescript("PRAGMA legacy_alter_table = off; PRAGMA writable_schema = off")
