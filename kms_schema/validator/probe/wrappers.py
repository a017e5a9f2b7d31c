"""The attempts at wrappers, at keys with dependents, and at the tags of ciphertexts."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from kms_schema.validator.probe.attempt import (
    Attempt,
    Engine,
    Promise,
    Row,
    SqlState,
    Statement,
    adding,
    by_trigger,
    changing,
    deleting,
    plain,
)
from kms_schema.validator.probe.rows import (
    SECOND,
    active_key,
    destroyed_version,
    entry,
    envelope,
    kek,
    key,
    rotation,
    version,
)
from kms_schema.validator.probe.shapes import Case, identity, inserted, unique, updated

KEYS, VERSIONS = "key_masters", "key_versions"
RULE = "validate_key_version_wrapper"
WRAPPER = "fk_key_versions_wrapped_by_version_id_key_versions"
RESTRICTED_SINCE_18 = 18
"""From this version on, a foreign key with RESTRICT raises SQLSTATE 23001, not 23503."""


def attempts(version_of_server: int) -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    yield from _tags()
    yield from _wrappers()
    yield from _circles()
    yield from _destruction()
    yield from _deletion(SqlState.WRITTEN_ONCE if version_of_server >= RESTRICTED_SINCE_18 else SqlState.FOREIGN_KEY)


def _under(wrapper: Row) -> Row:
    """Return the values that rewrap material with a version."""
    return {"wrapped_by_version_id": wrapper["id"], "wrapping_key_ref": None, "encrypted_key_data": envelope()}


def _wrappers() -> Iterator[Attempt]:
    of, wrapping, other, kek_of = active_key(), kek(), active_key(), kek()
    wrapper, by_dek, gone = version(wrapping), version(other), destroyed_version(kek_of)
    of_wrapping = version(wrapping, version_number=2)
    stored = [adding(KEYS, each) for each in (of, wrapping, other, kek_of)]
    stored += [adding(VERSIONS, each) for each in (wrapper, by_dek, gone)]
    wrapped = version(of, wrapped_by_version_id=wrapper["id"])
    unfit: list[Case] = [
        (RULE, "a version is wrapped by one of a dek", _under(by_dek)),
        (RULE, "a version is wrapped by one that is destroyed", _under(gone)),
    ]
    same: list[Case] = [(RULE, "a version is wrapped by another of the same key", _under(wrapper))]
    orphans: list[Case] = [(WRAPPER, "a version is wrapped by one that does not exist", _under({"id": uuid.uuid4()}))]
    both: Row = {"wrapped_by_version_id": wrapper["id"]}
    twice: list[Case] = [("ck_key_versions_one_wrapper", "material is wrapped by two", both)]
    elsewhere: Row = {"encrypted_key_data": envelope(), "wrapping_key_ref": "kms-probe://another root"}
    yield from inserted(VERSIONS, version(of), twice, stored)
    for suffix, make in (("_insert", inserted), ("", updated)):
        permitted: Row = {"wrapped_by_version_id": None, **elsewhere}
        more: dict[str, Any] = {"permitted": permitted} if make is updated else {}
        yield from make(VERSIONS, wrapped, unfit, given=stored, **more)
        yield from make(VERSIONS, of_wrapping, same, given=stored, **more)
        for engine, trigger in (("postgresql", RULE), ("sqlite", RULE + suffix)):
            protection = f"trigger {VERSIONS}.{trigger}"
            of_orphans: dict[str, Any] = {"sqlstate": SqlState.FOREIGN_KEY, "protection": protection, "engine": engine}
            yield from make(VERSIONS, wrapped, orphans, given=stored, **of_orphans, **more)


def _circles() -> Iterator[Attempt]:
    keys = [kek() for _ in range(3)]
    top, middle, bottom = (version(each) for each in keys)
    middle.update(_under(top))
    bottom.update(_under(middle))
    stored = tuple(adding(KEYS, each) for each in keys) + tuple(
        adding(VERSIONS, each) for each in (top, middle, bottom)
    )
    for lowest, length in ((middle, 2), (bottom, 3)):
        closing = changing(VERSIONS, top, **_under(lowest))
        yield Attempt(RULE, VERSIONS, f"{length} versions wrap each other", closing, stored)


def _destruction() -> Iterator[Attempt]:
    of, wrapping = active_key(), kek()
    wrapper, free = version(wrapping), version(wrapping, version_number=2)
    wrapped = version(of, wrapped_by_version_id=wrapper["id"])
    given = tuple(adding(KEYS, each) for each in (of, wrapping))
    given += tuple(adding(VERSIONS, each) for each in (wrapper, free, wrapped))
    destroyed: Row = {"destroyed_at": SECOND, "encrypted_key_data": None, "wrapping_key_ref": None}
    yield Attempt(
        "prevent_key_version_destruction", VERSIONS, "a version is destroyed while another is wrapped by it",
        changing(VERSIONS, wrapper, **destroyed), given, changing(VERSIONS, free, **destroyed), SqlState.WRITTEN_ONCE,
    )  # fmt: skip


def _deletion(restricted: str) -> Iterator[Attempt]:
    """Keys with history, and keys that others depend on, cannot be deleted."""
    of, free = key(key_type="kek"), key()
    child, other = active_key(parent_key_id=of["key_id"]), active_key()
    wrapper = version(of)
    dependents: dict[str, tuple[str, tuple[Statement, ...]]] = {
        "fk_key_audit_logs_key_id_key_masters": (
            "a key with audit entries is deleted",
            (adding("key_audit_logs", entry(key_id=of["id"])),),
        ),
        "fk_key_rotations_key_id_key_masters": (
            "a key with rotations is deleted",
            (adding("key_rotations", rotation(of)),),
        ),
        "fk_key_masters_parent_key_id_key_masters": ("the parent of a key is deleted", (adding(KEYS, child),)),
        WRAPPER: (
            "a key is deleted whose version wraps another's",
            (
                adding(KEYS, other),
                adding(VERSIONS, wrapper),
                adding(VERSIONS, version(other, wrapped_by_version_id=wrapper["id"])),
            ),
        ),
    }
    for rule, (tries, depending) in dependents.items():
        given = (adding(KEYS, of), adding(KEYS, free), *depending)
        yield Attempt(rule, KEYS, tries, deleting(KEYS, of), given, deleting(KEYS, free), restricted)


TABLE = "key_versions"
TAG = 4_000_000_007


def _tags() -> Iterator[Attempt | Promise]:
    """Yield the attempts at the tags with which the ciphertexts of versions begin."""
    of = active_key()
    given = (adding("key_masters", of),)
    row = version(of)
    taken = {"ciphertext_tag": TAG, "version_number": 2}
    tagged = version(of, ciphertext_tag=TAG)
    yield from unique(TABLE, f"uq_{TABLE}_ciphertext_tag", tagged, taken, given=given, conflict="ciphertext_tag")
    yield from identity(TABLE, row, permitted={"generation_time_ms": 7}, given=given, ciphertext_tag=TAG)
    drawn = f"{TABLE}.draw_key_version_ciphertext_tag"
    on_sqlite: Mapping[Engine, tuple[str, ...]] = {"sqlite": (f"trigger {drawn}_insert",)}
    for protections in (by_trigger(drawn), on_sqlite):
        yield Promise(
            protections,
            "a new version has a tag",
            adding(TABLE, row),
            plain("SELECT ciphertext_tag > 0 FROM {schema}.key_versions WHERE id = :id", id=row["id"]),
            given,
        )
