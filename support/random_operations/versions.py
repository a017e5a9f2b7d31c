"""Random operations on key versions: see `operations.py`."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from support.random_operations.invariants import is_live
from support.random_operations.operations import (
    BY_DEFAULT,
    FUTURE,
    PAST,
    TIMES,
    Operation,
    blob,
    existing,
    inserting,
    numbered,
    one_of,
    seldom,
    sometimes,
    updating,
)
from support.rows.smallest import Row
from support.rows.table_dump import TableDump

CHECKSUM = "ab" * 32
NO_MATERIAL: Row = {"encrypted_key_data": None, "wrapped_by_version_id": None, "wrapping_key_ref": None}


def add_version(data: DataObject, dump: TableDump) -> Operation:
    key = existing(data, dump["key_masters"], "key")
    number = data.draw(st.integers(1, 3))
    by_handle = seldom(data, key.get("hsm_key_id") is not None, True, False)
    handle = seldom(data, f"handle-{number}", "handle-1", None)
    material = {"hsm_key_id": handle} if by_handle else _material(data, dump, key)
    activated = one_of(data, None, *PAST, *FUTURE)
    deactivated = seldom(data, None, *TIMES)
    return inserting(
        "key_versions",
        id=numbered(f"{key['id']}", number),
        key_id=key["id"],
        version_number=seldom(data, number, 0),
        created_at=one_of(data, PAST[0], BY_DEFAULT),
        activated_at=activated,
        deactivated_at=deactivated,
        destroyed_at=seldom(data, None, FUTURE[1]),
        usage_count=seldom(data, BY_DEFAULT, 2, -1),
        entropy_score=seldom(data, None, 99.5, 100.5),
        **material,
    )


def _material(data: DataObject, dump: TableDump, key: Row) -> Row:
    return {
        "encrypted_key_data": blob(data, key.get("key_size_bits", 256)),
        "key_checksum": seldom(data, CHECKSUM, "AB" * 32, None),
        "encryption_metadata": seldom(
            data, {"format": 1, "algorithm": "AES-256-GCM", "associated_data": "k"}, {"format": 1}, [], None
        ),
        **_wrapper(data, dump),
    }


def _wrapper(data: DataObject, dump: TableDump) -> Row:
    ids = [version["id"] for version in dump["key_versions"]]
    by_version = seldom(data, one_of(data, *ids), numbered("version", 0)) if ids else None
    return dict(
        seldom(
            data,
            {"wrapping_key_ref": one_of(data, "kms://root", "kms://next"), "wrapped_by_version_id": None}
            if by_version is None or data.draw(st.booleans())
            else {"wrapping_key_ref": None, "wrapped_by_version_id": by_version},
            {"wrapping_key_ref": "kms://root", "wrapped_by_version_id": by_version},
            {"wrapping_key_ref": " ", "wrapped_by_version_id": None},
        )
    )


def activate_version(data: DataObject, dump: TableDump) -> Operation:
    """Draw the next step of a version's life, seldom another."""
    version = existing(data, dump["key_versions"], "version")
    if version.get("activated_at") is None:
        usual = {"activated_at": one_of(data, PAST[1], *FUTURE)}
    elif is_live(version):
        usual = {"deactivated_at": one_of(data, PAST[2], *FUTURE)}
    else:
        usual = {"deactivated_at": None}
    others = (
        {"activated_at": one_of(data, *TIMES, None)},
        {"deactivated_at": one_of(data, *TIMES, None)},
        {"activated_at": PAST[2], "deactivated_at": FUTURE[0]},
    )
    return updating("key_versions", version, **sometimes(data, usual, *others))


def destroy_version(data: DataObject, dump: TableDump) -> Operation:
    version = existing(data, dump["key_versions"], "version")
    kept: Row = one_of(data, {}, {"encrypted_key_data": None})
    time = seldom(data, FUTURE[1], None, *TIMES)
    return updating("key_versions", version, destroyed_at=time, **seldom(data, NO_MATERIAL, kept))


def rewrap_version(data: DataObject, dump: TableDump) -> Operation:
    version = existing(data, dump["key_versions"], "version")
    sizes = {key["id"]: key["key_size_bits"] for key in dump["key_masters"]}
    change: dict[str, Any] = {
        "encrypted_key_data": blob(data, sizes.get(version.get("key_id"), 256)),
        **_wrapper(data, dump),
    }
    if seldom(data, False, True):
        del change[one_of(data, *change)]
    return updating("key_versions", version, key_checksum=seldom(data, BY_DEFAULT, "cd" * 32, None), **change)


def rewrap_several_versions(data: DataObject, dump: TableDump) -> Operation:
    """Draw a rewrap of several versions at once: each must see what became of the one before."""
    versions = [*dump["key_versions"]] or [{"id": numbered("version", 0)}]
    several = data.draw(st.lists(st.sampled_from(versions), min_size=2, max_size=3))
    change = {"encrypted_key_data": blob(data, 256), **_wrapper(data, dump)}
    return Operation("UPDATE", "key_versions", change, tuple(version["id"] for version in several))


def change_version(data: DataObject, dump: TableDump) -> Operation:
    version = existing(data, dump["key_versions"], "version")
    change = one_of(
        data,
        {"usage_count": data.draw(st.integers(-1, 9))},
        {"data_volume_bytes": data.draw(st.integers(-1, 9))},
        {"version_number": one_of(data, 1, 2, 9)},
        {"key_id": existing(data, dump["key_masters"], "key")["id"]},
        {"created_at": one_of(data, *PAST)},
        {"encryption_metadata": one_of(data, None, {}, {"format": 2, "algorithm": "AES", "associated_data": ""})},
        {"generation_time_ms": one_of(data, 1, -1)},
        {"key_checksum": one_of(data, CHECKSUM, None, "x")},
    )
    return updating("key_versions", version, **change)


def delete_version(data: DataObject, dump: TableDump) -> Operation:
    return Operation("DELETE", "key_versions", {}, (existing(data, dump["key_versions"], "version")["id"],))
