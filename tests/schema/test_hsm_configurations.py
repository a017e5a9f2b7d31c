"""HSM configurations: credentials are an envelope and never readable, words are known, names are taken once."""

import json

import pytest

from kms_schema.vocabulary import HsmHealth, HsmProvider
from support.recorded_changes import last_sequence, recorded
from support.rows.smallest import Row, envelope, hsm_configuration, in_words, insert, now
from support.shared import SharedDatabase
from support.statements import execute
from support.violations.refused_rows import (
    Forbidden,
    refuses_insert,
    refuses_update,
    update,
    value_of,
)

pytestmark = pytest.mark.versions("oldest and newest")

TABLE = "hsm_configurations"

NONCE, TAG = bytes(12), bytes(16)
CREDENTIALS = {"user": "crypto-officer", "pin": "31337", "url": "https://hsm.example"}

PLAINTEXTS = {
    "json": json.dumps(CREDENTIALS).encode(),
    "text": b"pin=31337; user=crypto-officer; slot=0",
    "text of digits": b"01" * 40,
    "empty": b"",
    "format 02": b"\x02" + NONCE + b"wrapped" + TAG,
    "format 00": b"\x00" + NONCE + b"secret" + TAG,
    "no format": NONCE + b"secret" + TAG,
    "format alone": b"\x01",
    "nothing encrypted": b"\x01" + NONCE + TAG,
}

ACCEPTED: list[Row] = [
    *({"provider": str(provider)} for provider in HsmProvider),
    *({"health_status": str(health), "last_health_check": now()} for health in HsmHealth),
    {"authentication_config": envelope(256)},
    {"authentication_config": b"\x01" + NONCE + b"x" + TAG},
    {"authentication_config": envelope(80_000)},
    {"authentication_config": None},
    {"authentication_config": envelope(256), "wrapping_key_ref": "kms://root-2026"},
    {"authentication_config": envelope(256), "wrapping_key_ref": "ü" * 255},
    {"authentication_config": envelope(256), "wrapping_key_ref": None},
    {"supported_algorithms": ["AES-256", "RSA-4096"]},
    {"supported_algorithms": []},
    {"max_key_size_bits": 1, "response_time_ms": 0},
    {"max_key_size_bits": 2**31 - 1, "response_time_ms": 2**31 - 1},
    {"configuration_name": "ü" * 100, "endpoint_url": "h" * 255, "created_by": "x" * 100},
    {"is_active": False, "require_dual_auth": True, "audit_all_operations": False},
    {"supports_key_generation": False, "supports_key_derivation": True},
]


@pytest.mark.parametrize("change", ACCEPTED, ids=in_words)
def test_a_sound_configuration_is_accepted_on_insert_and_on_update(shared: SharedDatabase, change: Row) -> None:
    insert(shared.connection, TABLE, **{**hsm_configuration(), **change})
    execute(shared.connection, f"DELETE FROM {TABLE}")  # noqa: S608  (its name may be in the change)
    row = insert(shared.connection, TABLE, **hsm_configuration())
    update(shared.connection, TABLE, row, **change)
    for column, value in change.items():
        if isinstance(value, bytes):
            assert value_of(shared.connection, TABLE, row, column) == value


@pytest.mark.parametrize("plaintext", PLAINTEXTS.values(), ids=PLAINTEXTS)
def test_credentials_that_are_no_envelope_are_refused(shared: SharedDatabase, plaintext: bytes) -> None:
    no_envelope = Forbidden(
        {"authentication_config": plaintext}, "ck_hsm_configurations_authentication_config_is_envelope"
    )
    refuses_insert(shared.connection, TABLE, hsm_configuration(), no_envelope)
    row = insert(shared.connection, TABLE, **hsm_configuration(authentication_config=envelope(256)))
    refuses_update(shared.connection, TABLE, row, no_envelope)


def test_the_name_of_the_wrapping_key_is_in_the_trail_and_no_envelope(shared: SharedDatabase) -> None:
    connection = shared.connection
    row = insert(connection, TABLE, **hsm_configuration(authentication_config=envelope(64), wrapping_key_ref="kms://a"))
    after = last_sequence(connection)
    update(connection, TABLE, row, authentication_config=envelope(64), wrapping_key_ref="kms://b")
    (entry,) = recorded(connection, after)
    said = entry["additional_metadata"]
    assert said["changed"] == ["authentication_config", "wrapping_key_ref"]
    assert (said["from"], said["to"]) == ({"wrapping_key_ref": "kms://a"}, {"wrapping_key_ref": "kms://b"})


def test_the_history_of_an_hsms_health_is_in_the_trail(shared: SharedDatabase) -> None:
    connection = shared.connection
    row = insert(connection, TABLE, **hsm_configuration(health_status=None))
    after = last_sequence(connection)
    update(connection, TABLE, row, health_status="HEALTHY", response_time_ms=3, last_health_check=now())
    update(connection, TABLE, row, health_status="HEALTHY", response_time_ms=4, last_health_check=now())
    update(connection, TABLE, row, health_status="DEGRADED", response_time_ms=900, last_health_check=now())
    update(connection, TABLE, row, health_status="OFFLINE", response_time_ms=None, last_health_check=now())
    update(connection, TABLE, row, health_status=None)
    entries = recorded(connection, after)
    assert {entry["event_description"] for entry in entries} == {f"hsm health changed: {row['configuration_name']}"}
    documents = [entry["additional_metadata"] for entry in entries]
    assert [document["response_time_ms"] for document in documents] == [3, 900, None, None]
    assert [(document["from"], document["to"]) for document in documents] == [
        ({}, {"health_status": "HEALTHY"}),
        ({"health_status": "HEALTHY"}, {"health_status": "DEGRADED"}),
        ({"health_status": "DEGRADED"}, {"health_status": "OFFLINE"}),
        ({"health_status": "OFFLINE"}, {}),
    ]
    assert all(document["changed"] == ["health_status"] and document["last_health_check"] for document in documents)


def test_missing_values_get_defaults(shared: SharedDatabase) -> None:
    execute(
        shared.connection,
        f"INSERT INTO {TABLE} (provider, configuration_name) VALUES ('pkcs11', 'plain')",  # noqa: S608
    )
    found = execute(
        shared.connection,
        "SELECT supports_key_generation, supports_key_derivation, is_active, require_dual_auth,"  # noqa: S608
        f" audit_all_operations, created_at = updated_at, id IS NOT NULL FROM {TABLE}",
    ).fetchone()
    assert tuple(found) == (True, False, True, False, True, True, True)
