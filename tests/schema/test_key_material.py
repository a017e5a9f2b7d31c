"""The rules of key material: envelopes and nothing else, their wrappers, rewrapping and destruction."""

import datetime as dt
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding

from support.rows.smallest import Row, envelope, hsm_key_master, insert, key_master, key_version, now
from support.shared import SharedDatabase
from tests.schema.key_rules import (
    insert_refused,
    update,
    update_refused,
)

pytestmark = pytest.mark.versions("oldest and newest")

RULE = "validate_key_version_material"
WRAPPER_RULE = "validate_key_version_wrapper"
DESTRUCTION_RULE = "prevent_key_version_destruction"
ENVELOPE_RULE = "ck_key_versions_material_is_envelope"
WRAPPER_KEY_RULE = "fk_key_versions_wrapped_by_version_id_key_versions"
KEY_SIZES = [8, 256, 521, 2048]
GONE: Row = {"created_at": now() - dt.timedelta(days=1), "destroyed_at": now()}


def plaintext(bits: int) -> bytes:
    return secrets.token_bytes((bits + 7) // 8)


def aes_gcm(bits: int) -> bytes:
    """Return a key of `bits` as AES-256-GCM really encrypts it, in an envelope of format 01."""
    nonce = secrets.token_bytes(12)
    return b"\x01" + nonce + AESGCM(secrets.token_bytes(32)).encrypt(nonce, plaintext(bits), b"associated")


def aes_key_wrap(bits: int) -> bytes:
    """Return a key of `bits` as AES key wrap with padding really wraps it, in an envelope of format 02.

    Under another key each time: it has no nonce, and one short key in 256 would come out the same.
    """
    return b"\x02" + aes_key_wrap_with_padding(secrets.token_bytes(32), plaintext(bits))


def stored_key(shared: SharedDatabase, **over: Any) -> Row:
    return insert(shared.connection, "key_masters", **key_master(**over))


def stored_version(shared: SharedDatabase, master: Row | None = None, **over: Any) -> Row:
    return insert(shared.connection, "key_versions", **key_version(master or stored_key(shared), **over))


def kek_version(shared: SharedDatabase, **over: Any) -> Row:
    """Return the version of a key encryption key of its own."""
    return stored_version(shared, stored_key(shared, key_type="kek"), **over)


def rewrap(wrapper: Row | None, **over: Any) -> Row:
    """Return the change that rewraps a 256-bit key with `wrapper` or an external key."""
    return {
        "encrypted_key_data": envelope(256),
        "wrapped_by_version_id": None if wrapper is None else wrapper["id"],
        "wrapping_key_ref": "kms://other" if wrapper is None else None,
        **over,
    }


def destruction(**over: Any) -> Row:
    return {"destroyed_at": now(), "encrypted_key_data": None, **over}


@pytest.mark.parametrize("bits", KEY_SIZES)
@pytest.mark.parametrize("seal", [aes_gcm, aes_key_wrap])
def test_an_envelope_has_the_length_of_its_format(
    shared: SharedDatabase, seal: Callable[[int], bytes], bits: int
) -> None:
    key, sealed = stored_key(shared, key_size_bits=bits), seal(bits)
    version = stored_version(shared, key, encrypted_key_data=sealed)
    update(shared.connection, "key_versions", version, **rewrap(None, encrypted_key_data=seal(bits)))
    for wrong in (sealed[:-1], sealed + b"\0", sealed[:1], sealed[:1] + plaintext(bits)):
        new = key_version(key, version_number=2, encrypted_key_data=wrong)
        insert_refused(shared.connection, "key_versions", new, rule=RULE)
        change = rewrap(None, encrypted_key_data=wrong, wrapping_key_ref="kms://third")
        error = update_refused(shared.connection, "key_versions", version, change, rule=RULE)
        assert "possible plaintext" in str(error)


def test_the_formats_differ_in_length(shared: SharedDatabase) -> None:
    key = stored_key(shared)
    for first_byte, rest in ((b"\x02", aes_gcm(256)[1:]), (b"\x01", aes_key_wrap(256)[1:])):
        new = key_version(key, encrypted_key_data=first_byte + rest)
        insert_refused(shared.connection, "key_versions", new, rule=RULE)


@pytest.mark.parametrize(
    "material",
    [
        b"",
        b"\x00" + bytes(60),
        b"\x03" + bytes(60),
        b"0123456789abcdef0123456789abcdef",
        b"-----BEGIN PRIVATE KEY-----",
        json.dumps({"key": "secret"}).encode(),
    ],
    ids=["empty", "format-0", "format-3", "plaintext", "pem", "json"],
)
def test_material_that_is_not_an_envelope_is_refused(shared: SharedDatabase, material: bytes) -> None:
    version = stored_version(shared)
    new = key_version(stored_key(shared), encrypted_key_data=material)
    insert_refused(shared.connection, "key_versions", new, rule=ENVELOPE_RULE)
    change = rewrap(None, encrypted_key_data=material)
    update_refused(shared.connection, "key_versions", version, change, rule=ENVELOPE_RULE)


@pytest.mark.parametrize("missing", ["format", "algorithm", "associated_data", "all", "metadata"])
def test_metadata_names_the_envelope(shared: SharedDatabase, missing: str) -> None:
    rule = "ck_key_versions_material_names_its_envelope"
    named = {"format": 1, "algorithm": "AES-256-GCM", "associated_data": "key-1"}
    version = stored_version(shared, encryption_metadata={**named, "more": []})
    fewer = {"all": {}, "metadata": None}.get(missing, {name: named[name] for name in named if name != missing})
    new = key_version(stored_key(shared), encryption_metadata=fewer)
    insert_refused(shared.connection, "key_versions", new, rule=rule)
    update_refused(shared.connection, "key_versions", version, {"encryption_metadata": fewer}, rule=rule)


def test_material_is_a_blob_or_an_hsm_handle_or_destroyed(shared: SharedDatabase) -> None:
    key, held = stored_key(shared), insert(shared.connection, "key_masters", **hsm_key_master())
    none = {"encrypted_key_data": None, "wrapping_key_ref": None}
    blob = {column: key_version(key)[column] for column in ("key_checksum", "encryption_metadata", "wrapping_key_ref")}
    both = key_version(held, encrypted_key_data=envelope(256), **blob)
    insert_refused(shared.connection, "key_versions", key_version(key, **none), rule=RULE)
    insert_refused(shared.connection, "key_versions", both, rule=RULE)
    still_there = "ck_key_versions_destroyed_has_no_material"
    insert_refused(shared.connection, "key_versions", key_version(key, **GONE), rule=still_there)
    stored_version(shared, key, version_number=1)
    stored_version(shared, key, version_number=2, **none, **GONE)
    in_hsm = stored_version(shared, held, version_number=1)
    stored_version(shared, held, version_number=2, **GONE)
    added = {**blob, "encrypted_key_data": envelope(256)}
    update_refused(shared.connection, "key_versions", in_hsm, added, rule=RULE)


def test_material_changes_only_as_a_rewrap(shared: SharedDatabase) -> None:
    version, wrapper, other = stored_version(shared), kek_version(shared), kek_version(shared)
    refusals: list[tuple[str, Row]] = [
        ("may only be rewrapped", {"encrypted_key_data": envelope(256)}),
        ("may only be removed by destruction", {"encrypted_key_data": None, "wrapping_key_ref": None}),
        ("key_checksum may not change", rewrap(None, key_checksum="f" * 64)),
        ("changes only with the material", {"wrapping_key_ref": "kms://other"}),
        ("changes only with the material", {"wrapping_key_ref": None, "wrapped_by_version_id": wrapper["id"]}),
        ("changes only with the material", rewrap(wrapper, encrypted_key_data=version["encrypted_key_data"])),
    ]
    for fault, change in refusals:
        assert fault in str(update_refused(shared.connection, "key_versions", version, change, rule=RULE))
    for change in (rewrap(wrapper), rewrap(other), rewrap(None), rewrap(wrapper)):
        update(shared.connection, "key_versions", version, **change)


@pytest.mark.parametrize("kind", ["tls", "backup", "held in an HSM"])
def test_a_wrapper_is_a_version_of_a_kek_with_material(shared: SharedDatabase, kind: str) -> None:
    key = stored_key(shared, key_type="kek")
    version = stored_version(shared, key)
    other = key_master(key_type=kind) if kind != "held in an HSM" else hsm_key_master()
    wrapper = stored_version(shared, insert(shared.connection, "key_masters", **other))
    new = key_version(key, version_number=2, wrapped_by_version_id=wrapper["id"])
    insert_refused(shared.connection, "key_versions", new, rule=WRAPPER_RULE)
    update_refused(shared.connection, "key_versions", version, rewrap(wrapper), rule=WRAPPER_RULE)


def test_a_handle_has_no_wrapper(shared: SharedDatabase) -> None:
    held = insert(shared.connection, "key_masters", **hsm_key_master())
    for wrapped in ({"wrapped_by_version_id": kek_version(shared)["id"]}, {"wrapping_key_ref": "kms://root"}):
        insert_refused(
            shared.connection, "key_versions", key_version(held, **wrapped), rule="ck_key_versions_one_wrapper"
        )


def test_a_version_does_not_wrap_itself(shared: SharedDatabase) -> None:
    new = key_version(stored_key(shared, key_type="kek"))
    own = {**new, "wrapped_by_version_id": new["id"], "wrapping_key_ref": None}
    insert_refused(shared.connection, "key_versions", own, rule=WRAPPER_KEY_RULE)
    version = kek_version(shared)
    update_refused(shared.connection, "key_versions", version, rewrap(version), rule=WRAPPER_RULE)


@pytest.mark.parametrize("size", [2, 5])
def test_no_chain_of_wrappers_closes_a_circle(shared: SharedDatabase, size: int) -> None:
    chain = [kek_version(shared)]
    while len(chain) < size:
        chain.append(kek_version(shared, wrapped_by_version_id=chain[-1]["id"]))
    for later in chain[1:]:
        update_refused(shared.connection, "key_versions", chain[0], rewrap(later), rule=WRAPPER_RULE)
    update(shared.connection, "key_versions", chain[0], **rewrap(kek_version(shared)))


def test_destruction_removes_the_material_and_may_keep_the_name_of_its_wrapper(shared: SharedDatabase) -> None:
    for cleared in ({}, {"wrapping_key_ref": None}):
        version, still_there = stored_version(shared), "ck_key_versions_destroyed_has_no_material"
        update_refused(shared.connection, "key_versions", version, {"destroyed_at": now()}, rule=still_there)
        update(shared.connection, "key_versions", version, **destruction(**cleared))
        for change in ({"encrypted_key_data": envelope(256)}, rewrap(None), {"wrapping_key_ref": "kms://other"}):
            update_refused(shared.connection, "key_versions", version, change, rule=RULE)


def test_a_version_is_not_destroyed_while_it_wraps(shared: SharedDatabase) -> None:
    wrapper = kek_version(shared)
    first, second = (stored_version(shared, wrapped_by_version_id=wrapper["id"]) for _ in range(2))

    def still_refused() -> None:
        update_refused(shared.connection, "key_versions", wrapper, destruction(), rule=DESTRUCTION_RULE)

    still_refused()
    update(shared.connection, "key_versions", first, **rewrap(None))
    still_refused()
    update(shared.connection, "key_versions", second, **destruction())
    update(shared.connection, "key_versions", wrapper, **destruction())
