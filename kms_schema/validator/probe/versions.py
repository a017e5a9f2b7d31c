"""The attempts at versions and their material."""

import uuid
from collections.abc import Iterator
from functools import partial

from kms_schema.validator.probe.attempt import (
    Attempt,
    Promise,
    Row,
    SqlState,
    adding,
    by_trigger,
    changing,
    deleting,
    plain,
    truncation,
)
from kms_schema.validator.probe.rows import (
    EARLIEST,
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    active_key,
    destroyed_version,
    envelope,
    held_version,
    hsm_key,
    key,
    key_in,
    live_version,
    unused,
    version,
)
from kms_schema.validator.probe.shapes import (
    Case,
    displacing,
    identity,
    inserted,
    inserted_in_plaintext,
    nulls_replaced,
    of_check,
    of_rule,
    unique,
    updated,
)

TABLE = "key_versions"
ACTIVATION = "validate_key_version_activation"
CHRONOLOGY = "validate_key_version_chronology"
MATERIAL = "validate_key_version_material"
KEY = "fk_key_versions_key_id_key_masters"
TOUCHED: Row = {"generation_time_ms": 7}


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts at columns of versions; `wrappers` has the attempts at wrappers."""
    of = active_key()
    given = (adding("key_masters", of),)
    row = version(of)
    case = partial(of_check, TABLE)
    values = [
        case("destroyed_has_no_material", "a destroyed version keeps its material", destroyed_at=SECOND),
        case("one_wrapper", "material is wrapped by nothing", wrapping_key_ref=None),
        case("material_has_checksum", "material has no key check value", key_checksum=None),
    ]
    yield from inserted(TABLE, row, values, given)
    unnamed = {"format": 1, "algorithm": "AES-256-GCM"}
    named = "material_names_its_envelope"
    plaintexts = [
        case("key_checksum_is_sha256", "a key check value is no hexadecimal digest", key_checksum="Z" * 64),
        case("material_is_envelope", "material does not begin as an envelope", encrypted_key_data=b"\x7f" + b"k" * 60),
        case(named, "material without encryption_metadata", encryption_metadata=None),
        case(named, "material does not name its associated data", encryption_metadata=unnamed),
    ]
    yield from inserted_in_plaintext(TABLE, row, plaintexts, given, trigger=MATERIAL)
    listed = [case("encryption_metadata_is_object", "encryption_metadata is a list", encryption_metadata=[])]
    yield from inserted_in_plaintext(TABLE, destroyed_version(of), listed, given, trigger=MATERIAL)
    yield from _unique(of)
    yield from nulls_replaced(TABLE, row, "usage_count", given=given)
    other = active_key()
    yield from identity(
        TABLE, version(of), permitted=TOUCHED, given=(*given, adding("key_masters", other)),
        id=uuid.uuid4(), key_id=other["id"], version_number=9, created_at=EARLIEST,
    )  # fmt: skip
    yield from _counters(of)
    yield from _activation()
    yield from _chronology(of)
    yield from _material(of)
    yield from _removal(of)
    yield from _promises(of)


def _unique(of: Row) -> Iterator[Attempt]:
    given = (adding("key_masters", of),)
    row = version(of)
    second: Row = {"version_number": 2}
    yield from unique(TABLE, f"pk_{TABLE}", row, {"id": row["id"], **second}, given=given)
    same: Row = {"key_id": of["id"], "version_number": 1}
    number = "key_id, version_number"
    yield from unique(TABLE, f"uq_{TABLE}_key_id_version_number", row, same, given=given, conflict=number)
    live = live_version(of)
    also_live: Row = {"activated_at": FIRST, **second}
    yield from unique(TABLE, "uq_key_versions_live", live, also_live, given=given)
    beside = version(of, version_number=2)
    yield from displacing(TABLE, "uq_key_versions_live", beside, live, {"activated_at": FIRST}, given=given)
    ended = live_version(of, deactivated_at=SECOND)
    stored = (*given, adding(TABLE, ended), adding(TABLE, live_version(of, version_number=2)))
    yield Attempt(
        "uq_key_versions_live", TABLE, "an ended version is live again beside another",
        changing(TABLE, ended, deactivated_at=None), stored, changing(TABLE, ended, deactivated_at=THIRD),
        sqlstate=SqlState.UNIQUE,
    )  # fmt: skip


def _counters(of: Row) -> Iterator[Attempt]:
    rule = "prevent_key_version_counter_decrease"
    cases: list[Case] = [
        (rule, "usage_count of a version decreases", {"usage_count": 6}),
        (rule, "data_volume_bytes of a version decreases", {"data_volume_bytes": 6}),
        (rule, "usage_count of a version jumps to its maximum", {"usage_count": 10**15}),
        (rule, "data_volume_bytes of a version jumps to its maximum", {"data_volume_bytes": 2**53}),
    ]
    row = version(of, usage_count=7, data_volume_bytes=7)
    more: Row = {"usage_count": 8, "data_volume_bytes": 8}
    yield from updated(TABLE, row, cases, permitted=more, given=(adding("key_masters", of),))


def _activation() -> Iterator[Attempt]:
    for status in ("revoked", "expired", "archived"):
        of = key_in(status)
        given = (adding("key_masters", of),)
        live: Case = (ACTIVATION, f"a version of a key that is {status} is live", {"activated_at": FIRST})
        yield from inserted(TABLE, version(of), [live], given)
        yield from updated(TABLE, version(of), [live], permitted=TOUCHED, given=given)
        ended = live_version(of, deactivated_at=SECOND)
        again: Case = (ACTIVATION, f"a version of a key that is {status} is live again", {"deactivated_at": None})
        yield from updated(TABLE, ended, [again], permitted={"deactivated_at": THIRD}, given=given)


def _chronology(of: Row) -> Iterator[Attempt]:
    case = partial(of_rule, CHRONOLOGY)
    given = (adding("key_masters", of),)
    not_live = case("a version was deactivated and never activated", deactivated_at=SECOND)
    early = case("a version was activated before it was created", activated_at=EARLIEST)
    yield from inserted(TABLE, version(of), [not_live, early], given)
    yield from updated(TABLE, version(of), [not_live, early], permitted={"activated_at": SECOND}, given=given)
    ended = live_version(of, activated_at=THIRD, deactivated_at=FOURTH)
    backwards = case("a version was deactivated before it was activated", deactivated_at=SECOND)
    yield from inserted(TABLE, ended, [backwards], given)
    moved = case("activated_at of a version changes", activated_at=SECOND)
    yield from updated(TABLE, ended, [backwards, moved], permitted={"deactivated_at": THIRD}, given=given)
    gone = destroyed_version(of, activated_at=FIRST, deactivated_at=SECOND, destroyed_at=THIRD)
    alive = case("a live version is destroyed", deactivated_at=None)
    later = case("a version was destroyed before it was deactivated", destroyed_at=FIRST)
    yield from inserted(TABLE, gone, [alive, later], given)
    unborn = case("a version was destroyed before it was created", destroyed_at=EARLIEST)
    yield from inserted(TABLE, destroyed_version(of), [unborn], given)
    changed = case("destroyed_at of a version changes", destroyed_at=FOURTH)
    revived = case("deactivated_at of a destroyed version changes", deactivated_at=FIRST)
    yield from updated(TABLE, gone, [changed, revived], permitted=TOUCHED, given=given)
    live = live_version(of)
    destroyed = case("a live version is destroyed", destroyed_at=SECOND, encrypted_key_data=None)
    yield from updated(TABLE, live, [destroyed], permitted={"deactivated_at": SECOND}, given=given)


def _material(of: Row) -> Iterator[Attempt]:
    case = partial(of_rule, MATERIAL)
    given = (adding("key_masters", of),)
    none = case("a version has no material anywhere", encrypted_key_data=None, key_checksum=None, wrapping_key_ref=None)
    plaintext = case("material is as long as the bare key", encrypted_key_data=b"\x01" + b"k" * 31)
    padded = case("padded material has another length than its key", encrypted_key_data=b"\x02" + b"k" * 41)
    yield from inserted(TABLE, version(of), [none, plaintext, padded], given)
    rewrapped: Row = {"encrypted_key_data": envelope(), "wrapping_key_ref": "kms-probe://another root"}
    changes = [
        case("the key check value of a version changes", key_checksum="0" * 64),
        case("material is removed and not destroyed", encrypted_key_data=None, wrapping_key_ref=None),
        case("material changes and its wrapper does not", encrypted_key_data=envelope()),
        case("the wrapper changes and the material does not", wrapping_key_ref="kms-probe://another root"),
        case("material is rewrapped into a bare key", **{**rewrapped, "encrypted_key_data": b"\x01" + b"k" * 31}),
    ]
    yield from updated(TABLE, version(of), changes, permitted=rewrapped, given=given)
    held_by = hsm_key()
    held = (adding("key_masters", held_by),)
    here = {name: value for name, value in version(of).items() if name.startswith(("encr", "key_check", "wrapping"))}
    both = case("a key that an HSM holds has material here as well", **here)
    row = held_version(held_by)
    yield from inserted(TABLE, row, [both, case("a version has no handle", hsm_key_id=None)], held)
    added = case("material is added to a version without any", **here)
    moved = case("the HSM handle of a version changes", hsm_key_id=unused("handle"))
    yield from updated(TABLE, row, [added, moved], permitted=TOUCHED, given=held)


def _removal(of: Row) -> Iterator[Attempt]:
    row = version(of)
    given = (adding("key_masters", of), adding(TABLE, row))
    deletion = "prevent_key_version_delete"
    yield Attempt(deletion, TABLE, "a version is deleted", deleting(TABLE, row), given, sqlstate=SqlState.WRITTEN_ONCE)
    yield truncation(f"{deletion}_truncate", TABLE, "all versions are truncated", cascade=True)
    orphans: Case = (KEY, "a version is of a key that does not exist", {"key_id": uuid.uuid4()})
    for engine, trigger in (("postgresql", MATERIAL), ("sqlite", f"{MATERIAL}_insert")):
        yield from inserted(
            TABLE, row, [orphans], given[:1],
            sqlstate=SqlState.FOREIGN_KEY, protection=f"trigger {TABLE}.{trigger}", engine=engine,
        )  # fmt: skip


def _promises(of: Row) -> Iterator[Promise]:
    given = (adding("key_masters", of),)
    row = version(of, usage_count=7)
    yield Promise(
        by_trigger(f"{TABLE}.record_key_version_insert"),
        "the use of a new version counts for its key",
        adding(TABLE, row),
        plain("SELECT usage_count = 7 FROM {schema}.key_masters WHERE id = :id", id=of["id"]),
        given,
    )
    first, second = live_version(of, deactivated_at=SECOND), version(of, version_number=2)
    yield Promise(
        by_trigger(f"{TABLE}.record_key_version_activation"),
        "activating a further version is a rotation of its key",
        changing(TABLE, second, activated_at=THIRD),
        plain("SELECT rotated_at = :at FROM {schema}.key_masters WHERE id = :id", id=of["id"], at=THIRD),
        (*given, adding(TABLE, first), adding(TABLE, second)),
    )
    yield from _index_bounds(of)
    constraint = f"constraint {TABLE}.{KEY}"
    plain_key = key()
    row = version(plain_key)
    yield Promise(
        {"postgresql": (constraint,), "sqlite": ("trigger key_masters.prevent_key_master_delete_cascade", constraint)},
        "versions are deleted with their key",
        deleting("key_masters", plain_key),
        plain("SELECT count(*) = 0 FROM {schema}.key_versions WHERE id = :id", id=row["id"]),
        (adding("key_masters", plain_key), adding(TABLE, row)),
    )


def _index_bounds(of: Row) -> Iterator[Promise]:
    row = version(of, usage_count=7)
    given = (adding("key_masters", of),)
    stored = (*given, adding(TABLE, row))
    for trigger, keeps, done, before in (
        ("_insert", "a new version has index bounds of its counters", adding(TABLE, row), given),
        ("", "a counter that passes its index bound gets another", changing(TABLE, row, usage_count=10**7), stored),
        ("_change", "an index bound is not below its counter", changing(TABLE, row, usage_index_bound=6), stored),
    ):
        question = (
            "SELECT usage_index_bound >= usage_count AND volume_index_bound >= data_volume_bytes AND key_type = :type"
            " FROM {schema}.key_versions WHERE id = :id"
        )
        yield Promise(
            by_trigger(f"{TABLE}.record_key_version_index_bounds{trigger}"), keeps, done,
            plain(question, id=row["id"], type=of["key_type"]), before,
        )  # fmt: skip
