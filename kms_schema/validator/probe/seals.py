"""The attempts at the evidence of the audit trail: seals, leaves and subtrees that do not follow, and changes of them.

The probe's rows follow whatever the trail holds, sealed or not, and are found by numbers that no other row has.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from kms_schema.validator.probe.attempt import Attempt, Computed, Row, SqlState, Statement, adding, plain, truncation
from kms_schema.validator.probe.audit_log import RESTORING
from kms_schema.validator.probe.rows import (
    FAR_SEQUENCE,
    HASH,
    LAST_PAGE,
    LAST_SEAL,
    SUBTREE_LEVEL,
    page,
    seal,
    seal_of_many,
    subtree,
)
from kms_schema.validator.probe.shapes import Case, inserted, of_check
from kms_schema.validator.probe.statement_forms import Target, every_other_form

SEALS, LEAVES, SUBTREES = "key_audit_seals", "key_audit_leaves", "key_audit_subtrees"
HASHES = {SEALS: "root_hash", LEAVES: "hashes", SUBTREES: "hash"}
SEAL_GUARD, LEAF_GUARD = "guard_key_audit_seal_insert", "guard_key_audit_leaf_insert"
SUBTREE_GUARD = "guard_key_audit_subtree_insert"

A_SEAL = (adding(SEALS, seal()),)
A_WHOLE_SEAL = (*A_SEAL, adding(LEAVES, page()))
MANY_LEAVES = (adding(SEALS, seal_of_many()),)
A_PAGE = (*MANY_LEAVES, adding(LEAVES, page()))
A_SUBTREE = (*MANY_LEAVES, adding(SUBTREES, subtree()))

LAST_NUMBER = Computed(f"(SELECT seal_number {LAST_SEAL})")
LAST_SIZE = Computed(f"(SELECT tree_size {LAST_SEAL})")
LAST_FIRST_LEAF = Computed(f"(SELECT first_leaf {LAST_PAGE})")


def attempts() -> Iterator[Attempt]:
    """Yield the attempts."""
    compact = "compact_range_is_sha256"
    of_seals = [
        of_check(SEALS, "signed_by_a_key", "a signature has no verifier key", verifier_key=None),
        of_check(SEALS, "signature_is_ed25519", "a signature is a byte short", signature=b"x" * 67),
        of_check(SEALS, compact, "a tree has no subtrees", compact_range=b""),
        of_check(SEALS, compact, "a subtree's root is a byte short", compact_range=(2 * HASH)[1:]),
    ]
    yield from inserted(SEALS, seal(), of_seals)
    hashes = partial(of_check, LEAVES, "hashes_are_sha256")
    of_pages = [
        hashes("a page has no leaves", hashes=b""),
        hashes("a page ends amid a hash", hashes=HASH + b"x"),
        hashes("a page has 257 leaves", hashes=HASH * 257),
    ]
    yield from inserted(LEAVES, page(), of_pages, MANY_LEAVES)
    between = of_check(SUBTREES, "level_is_of_bytes", "a subtree is of a level between", level=SUBTREE_LEVEL + 1)
    yield from inserted(SUBTREES, subtree(), [between], MANY_LEAVES)
    yield from _out_of_order()
    yield from _displaced()
    for table, trigger, row, given in (
        (SEALS, "prevent_key_audit_seal", f"seal_number = {LAST_NUMBER.text}", A_SEAL),
        (LEAVES, "prevent_key_audit_leaf", f"first_sequence = {FAR_SEQUENCE}", A_PAGE),
        (SUBTREES, "prevent_key_audit_subtree", f"level = {SUBTREE_LEVEL}", A_SUBTREE),
    ):
        yield from _changed(table, trigger, row, given)
        key = {SEALS: "seal_number", LEAVES: "first_leaf", SUBTREES: "level"}[table]
        yield from every_other_form(
            Target(table, key, HASHES[table], row, given, f"{trigger}_update", f"{trigger}_delete")
        )
    yield from _restored()


def _out_of_order() -> Iterator[Attempt]:
    left_out = Computed(f"coalesce({LAST_NUMBER.text}, 0) + 2")
    cases: list[Case] = [
        (SEAL_GUARD, "a seal leaves a number out", {"seal_number": left_out}),
        (SEAL_GUARD, "a seal has no number", {"seal_number": None}),
        (SEAL_GUARD, "a seal has number 0", {"seal_number": 0}),
        (SEAL_GUARD, "a second seal has the last number", {"seal_number": LAST_NUMBER}),
        (SEAL_GUARD, "a seal is for no more leaves than the last", {"tree_size": LAST_SIZE}),
        (SEAL_GUARD, "the tree shrinks", {"tree_size": Computed(f"{LAST_SIZE.text} - 1")}),
        (SEAL_GUARD, "a seal is of a trail with another name", {"origin": "kms-probe of another trail"}),
        (SEAL_GUARD, "a seal ends before the last sequence", {"last_sequence": FAR_SEQUENCE - 1}),
        (SEAL_GUARD, "no sequence can follow that of a seal", {"last_sequence": 2**63 - 1}),
        (SEAL_GUARD, "a compact range has 65 hashes", {"compact_range": HASH * 65}),
        (SEAL_GUARD, "the open gaps have 100000 bytes", {"open_gaps": [[1, 1, 1]] * 12_500}),
    ]
    yield from inserted(SEALS, seal(), cases, A_WHOLE_SEAL)
    yield Attempt(
        SEAL_GUARD, SEALS, "a seal comes before the leaves of the last", adding(SEALS, seal()), A_SEAL,
        adding(LEAVES, page()),
    )  # fmt: skip
    after = Computed(f"{page()['first_leaf'].text} + 1")
    cases = [(LEAF_GUARD, "a page leaves a leaf out", {"first_leaf": after})]
    yield from inserted(LEAVES, page(), cases, MANY_LEAVES)
    another = adding(LEAVES, page(first_leaf=LAST_FIRST_LEAF, first_sequence=FAR_SEQUENCE + 1))
    yield Attempt(LEAF_GUARD, LEAVES, "a second page has the last leaf", another, A_PAGE)
    more = adding(LEAVES, page(first_sequence=FAR_SEQUENCE + 1))
    yield Attempt(LEAF_GUARD, LEAVES, "a page has leaves that are not sealed", more, A_WHOLE_SEAL)
    cases = [(SUBTREE_GUARD, "a subtree is left out", {"position": 1})]
    yield from inserted(SUBTREES, subtree(), cases, MANY_LEAVES)
    yield Attempt(SUBTREE_GUARD, SUBTREES, "a second subtree is in the same place", A_SUBTREE[1], A_SUBTREE)
    yield Attempt(SUBTREE_GUARD, SUBTREES, "a subtree is not full", A_SUBTREE[1], A_WHOLE_SEAL)


_PLACES = (
    (SEALS, SEAL_GUARD, "seal_number", seal(seal_number=LAST_NUMBER), A_SEAL),
    (LEAVES, LEAF_GUARD, "first_leaf", page(first_leaf=LAST_FIRST_LEAF), A_PAGE),
    (SUBTREES, SUBTREE_GUARD, "level, position", subtree(), A_SUBTREE),
)
"""Of each table its key, and a row with the key of the probe's own."""


def _displaced() -> Iterator[Attempt]:
    """Yield attempts to replace a stored row; on PostgreSQL the guard trigger refuses an upsert as well."""
    for table, protection, key, row, given in _PLACES:
        for verb in ("REPLACE", "INSERT OR IGNORE", "INSERT OR FAIL"):
            statement = adding(table, row, verb)
            yield Attempt(protection, table, f"{verb} displaces a row of {table}", statement, given, engine="sqlite")
        for then in ("DO NOTHING", f"({key}) DO UPDATE SET {key.partition(',')[0]} = 1"):
            statement = adding(table, row, end=f" ON CONFLICT {then}")
            yield Attempt(protection, table, f"ON CONFLICT {then} meets a row of {table}", statement, given)
    rule, again = f"uq_{LEAVES}_first_sequence", page()
    tries = "a second page begins with the same sequence"
    yield Attempt(rule, LEAVES, tries, adding(LEAVES, again), A_PAGE, sqlstate=SqlState.UNIQUE)
    yield Attempt(
        rule, LEAVES, "REPLACE displaces the page with the same sequence", adding(LEAVES, again, "REPLACE"), A_PAGE,
        engine="sqlite",
    )  # fmt: skip


def _changed(table: str, trigger: str, row: str, given: tuple[Statement, ...]) -> Iterator[Attempt]:
    name = f"{{schema}}.{table}"
    column = HASHES[table]
    for verb, engine in (("UPDATE", None), ("UPDATE ONLY", "postgresql"), ("UPDATE OR REPLACE", "sqlite")):
        statement = plain(f"{verb} {name} SET {column} = {column} WHERE {row}")
        more: dict[str, Any] = {"sqlstate": SqlState.WRITTEN_ONCE, "engine": engine}
        yield Attempt(f"{trigger}_update", table, f"{verb} of a row of {table}", statement, given, **more)
    statement, tries = plain(f"DELETE FROM {name} WHERE {row}"), f"DELETE of a row of {table}"
    yield Attempt(f"{trigger}_delete", table, tries, statement, given, sqlstate=SqlState.WRITTEN_ONCE)
    # A tombstone refers to its seal: without CASCADE the server refuses before any trigger fires.
    yield truncation(f"{trigger}_delete_truncate", table, cascade=True)


def _restored() -> Iterator[Attempt]:
    """Only the owner may restore, and a restore neither duplicates nor changes rows, nor bypasses constraints."""
    for table, protection, _, row, given in _PLACES:
        tries = f"a role other than the owner restores a row of {table}"
        statement, restoring = adding(table, row), (*given, RESTORING)
        yield Attempt(protection, table, tries, statement, restoring, engine="postgresql", by="others")
    owner: dict[str, Any] = {"engine": "postgresql", "by": "owner"}
    for table, _, key, row, given in _PLACES:
        restoring = (*given, RESTORING)
        again = {**row, "first_sequence": FAR_SEQUENCE + 1} if table == LEAVES else row
        tries = f"a restore brings a second row of {table} with the same {key}"
        yield Attempt(f"pk_{table}", table, tries, adding(table, again), restoring, sqlstate=SqlState.UNIQUE, **owner)
        column = key.partition(",")[0]
        upsert = adding(table, row, end=f" ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}")
        trigger = {SEALS: "seal", LEAVES: "leaf", SUBTREES: "subtree"}[table]
        tries = f"an upsert in a restore rewrites a row of {table}"
        rule = f"prevent_key_audit_{trigger}_update"
        yield Attempt(rule, table, tries, upsert, restoring, sqlstate=SqlState.WRITTEN_ONCE, **owner)
    twice = adding(SEALS, seal(tree_size=LAST_SIZE))
    tries = "a restore brings a second seal for as many leaves"
    of_size = f"uq_{SEALS}_tree_size"
    yield Attempt(of_size, SEALS, tries, twice, (*A_SEAL, RESTORING), sqlstate=SqlState.UNIQUE, **owner)
    impossible: tuple[tuple[str, Row, str, Row], ...] = (
        (SEALS, seal(), "seal_number_positive", {"seal_number": 0}),
        (SEALS, seal(), "origin_not_blank", {"origin": " "}),
        (SEALS, seal(), "tree_size_positive", {"tree_size": 0}),
        (SEALS, seal(), "last_sequence_positive", {"last_sequence": 0}),
        (LEAVES, page(), "first_leaf_not_negative", {"first_leaf": -1}),
        (SUBTREES, subtree(), "position_not_negative", {"position": -1}),
    )
    for table, row, suffix, change in impossible:
        cases: list[Case] = [(f"ck_{table}_{suffix}", f"a restore brings a row of {table}: {change}", change)]
        yield from inserted(table, row, cases, (RESTORING,), **owner)
