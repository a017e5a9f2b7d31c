"""The attempts at the registry of keys."""

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from kms_schema.validator.probe.attempt import Attempt, Promise, Row, SqlState, adding, by_trigger, changing, plain
from kms_schema.validator.probe.rows import (
    EARLIEST,
    FAR,
    FIRST,
    SECOND,
    active_key,
    held_version,
    hsm_key,
    kek,
    key,
    key_in,
    live_version,
    unused,
    version,
)
from kms_schema.validator.probe.shapes import (
    Case,
    identity,
    inserted,
    nulls_replaced,
    of_check,
    of_rule,
    unique,
    updated,
)
from kms_schema.vocabulary import KEY_LIFECYCLE, KEY_STATUS_TIME, KeyStatus

TABLE = "key_masters"
LIFECYCLE = "enforce_key_lifecycle_consistency"
PARENT = "validate_key_master_parent"
PARENT_KEY = "fk_key_masters_parent_key_id_key_masters"
TOUCHED: Row = {"status_reason": "touched by a probe"}


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    row = key()
    case = partial(of_check, TABLE)
    values = [
        case("expires_after_creation", "a key expires at its creation", expires_at=FIRST),
        case("hsm_provider_and_key_together", "a key has an HSM provider and no handle", hsm_provider="pkcs11"),
        case("hsm_provider_and_key_together", "a key has an HSM's handle and no provider", hsm_key_id="h"),
        case("hsm_type_is_hsm_held", "a key of type hsm is in no HSM", key_type="hsm"),
        case("parent_is_another_key", "a key is its own parent", parent_key_id=row["key_id"]),
        case("times_agree_with_status", "a pending key was activated", activated_at=FIRST),
        case("times_agree_with_status", "an active key was revoked", **_in("active"), revoked_at=FIRST),
        case("times_agree_with_status", "a rotated key expired", **_in("rotated"), expired_at=FIRST),
        case("times_agree_with_status", "an expired key was revoked", **_in("expired"), revoked_at=FIRST),
        case("times_agree_with_status", "a revoked key was archived", **_in("revoked"), archived_at=FIRST),
    ]
    yield from inserted(TABLE, row, values)
    yield from _times()
    yield from unique(TABLE, "pk_key_masters", row, {"id": row["id"], "key_id": unused("other")})
    yield from unique(TABLE, "uq_key_masters_key_id", row, {"key_id": row["key_id"]}, conflict="key_id")
    yield from nulls_replaced(TABLE, row, "updated_at")
    yield from identity(
        TABLE, row, permitted=TOUCHED, id=uuid.uuid4(), key_id=unused("other"), key_type="tls", algorithm="ROT13",
        key_size_bits=128, created_at=EARLIEST,
    )  # fmt: skip
    yield from _lifecycle()
    yield from _parents()
    yield from _custody()
    yield from _encrypted_columns()
    fewer = of_rule("prevent_key_master_counter_decrease", "usage_count of a key decreases", usage_count=6)
    yield from updated(TABLE, key(usage_count=7), [fewer], permitted={"usage_count": 8})
    yield from _promises()


def _in(status: str) -> Row:
    """Return only what makes a key be in `status`."""
    return {column: value for column, value in key_in(status).items() if column == "status" or value is FIRST}


def _times() -> Iterator[Attempt]:
    """A status without its time, on INSERT and on UPDATE."""
    for status, time in KEY_STATUS_TIME.items():
        rule = f"ck_{TABLE}_{status}_has_{time}"
        row = key_in(status)
        yield from inserted(TABLE, row, [(rule, f"a key is imported as {status} without {time}", {time: None})])
        cleared = [(rule, f"the {time} of a key that is {status} is cleared", {time: None})]
        yield from updated(TABLE, row, cleared, permitted={time: SECOND})


def _lifecycle() -> Iterator[Attempt]:
    for before, allowed in KEY_LIFECYCLE.items():
        permitted: Row = {"status": str(allowed[0])} if allowed else TOUCHED
        cases: list[Case] = [
            (LIFECYCLE, f"a key goes from {before} to {after}", {"status": str(after)})
            for after in KeyStatus
            if after not in (before, *allowed)
        ]
        yield from updated(TABLE, key_in(before), cases, permitted=permitted)


def _parents() -> Iterator[Attempt]:
    top = kek()
    middle, bottom = kek(parent_key_id=top["key_id"]), kek()
    bottom["parent_key_id"] = middle["key_id"]
    chain = [adding(TABLE, each) for each in (top, middle, bottom)]
    other = active_key()
    given = [*chain, adding(TABLE, other)]
    child = active_key(parent_key_id=top["key_id"])
    orphan: Case = (PARENT_KEY, "a key has a parent that does not exist", {"parent_key_id": unused("unknown")})
    unfit: Case = (PARENT, "the parent of a key is a dek", {"parent_key_id": other["key_id"]})
    for suffix, make in (("_insert", inserted), ("", updated)):
        more: dict[str, Any] = {"permitted": {"parent_key_id": middle["key_id"]}} if make is updated else {}
        yield from make(TABLE, child, [unfit], given=given, **more)
        for engine, trigger in (("sqlite", PARENT + suffix), ("postgresql", PARENT)):
            yield from make(
                TABLE,
                child,
                [orphan],
                given=given,
                sqlstate=SqlState.FOREIGN_KEY,
                protection=f"trigger {TABLE}.{trigger}",
                engine=engine,
                **more,
            )
    for lowest, length in ((middle, 2), (bottom, 3)):
        closing = changing(TABLE, top, parent_key_id=lowest["key_id"])
        yield Attempt(PARENT, TABLE, f"{length} keys are each other's parents", closing, tuple(chain))


def _custody() -> Iterator[Attempt]:
    rule = "validate_key_master_custody"
    into: Row = {"hsm_provider": "pkcs11", "hsm_key_id": unused("handle")}
    here, there = active_key(), hsm_key(key_type="dek")
    out: Row = {"hsm_provider": None, "hsm_key_id": None}
    held = held_version(there)
    for row, of, change, where in ((here, version(here), into, "into an"), (there, held, out, "out of its")):
        tries = f"a key with a version is moved {where} HSM"
        given = (adding(TABLE, row), adding("key_versions", of))
        yield Attempt(rule, TABLE, tries, changing(TABLE, row, **change), given, changing(TABLE, row, expires_at=FAR))


def _encrypted_columns() -> Iterator[Attempt]:
    rule = "validate_key_master_encrypted_columns"
    case: Case = (rule, "a column of an application has no name", {"encrypted_columns": [{"table": "invoices"}]})
    yield from inserted(TABLE, key(), [case])
    yield from updated(TABLE, key(), [case], permitted={"encrypted_columns": []})
    # On PostgreSQL the owner, as whom a probe runs, may do this; tests of the roles have it.
    row = key(encrypted_columns=[{"table": "invoices", "column": "iban"}])
    gone: Case = (rule, "a column that holds ciphertexts is taken away", {"encrypted_columns": None})
    yield from updated(TABLE, row, [gone], permitted=TOUCHED, engine="sqlite")


def _promises() -> Iterator[Promise]:
    for before, allowed in KEY_LIFECYCLE.items():
        for after in allowed:
            row = key_in(before)
            time = KEY_STATUS_TIME[after]
            yield Promise(
                by_trigger(f"{TABLE}.{LIFECYCLE}", f"{TABLE}.{LIFECYCLE}_fill"),
                f"a key that goes from {before} to {after} gets its {time}",
                changing(TABLE, row, status=str(after)),
                plain(f"SELECT {time} IS NOT NULL FROM {{schema}}.{TABLE} WHERE id = :id", id=row["id"]),
                (adding(TABLE, row),),
            )
    row = active_key(updated_at=FIRST)
    yield Promise(
        by_trigger(f"{TABLE}.touch_key_master_updated_at"),
        "updated_at of a key is the time of its last change",
        changing(TABLE, row, **TOUCHED),
        plain(f"SELECT updated_at > :before FROM {{schema}}.{TABLE} WHERE id = :id", id=row["id"], before=FIRST),
        (adding(TABLE, row),),
    )
    live = live_version(row, usage_count=7)
    yield Promise(
        by_trigger(f"{TABLE}.record_key_version_index_bounds_limit"),
        "another limit of a key is in the index bound of its live version",
        changing(TABLE, row, max_usage_count=8),
        plain("SELECT usage_index_bound = 7 FROM {schema}.key_versions WHERE id = :id", id=live["id"]),
        (adding(TABLE, row), adding("key_versions", live)),
    )
    yield Promise(
        by_trigger(f"{TABLE}.{LIFECYCLE}_end_live_version", f"{TABLE}.{LIFECYCLE}_fill"),
        "revoking a key ends its live version",
        changing(TABLE, row, status="revoked"),
        plain("SELECT deactivated_at IS NOT NULL FROM {schema}.key_versions WHERE id = :id", id=live["id"]),
        (adding(TABLE, row), adding("key_versions", live)),
    )
