"""The attempts at what is configured: rotation policies and HSMs."""

import uuid
from collections.abc import Iterator
from functools import partial

from kms_schema.validator.probe.attempt import Attempt, Promise, Row, Statement, adding, by_trigger, changing, plain
from kms_schema.validator.probe.rows import EARLIEST, FIRST, hsm, policy, unused
from kms_schema.validator.probe.shapes import (
    Case,
    displacing,
    identity,
    inserted,
    inserted_in_plaintext,
    nulls_replaced,
    of_check,
    unique,
    updated,
)

POLICIES, HSMS = "rotation_policies", "hsm_configurations"
DUE = "validate_rotation_policy_triggers"
ZONE = "validate_rotation_policy_timezone"
ENVELOPE = "authentication_config_is_envelope"


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    yield from _policies()
    yield from _hsms()
    yield Attempt(
        "pk_key_view_refreshes", "key_view_refreshes", "a view has two times of its last refresh",
        Statement("INSERT INTO {schema}.key_view_refreshes (view_name) VALUES ('kms-probe'), ('kms-probe')"),
        permitted=Statement("INSERT INTO {schema}.key_view_refreshes (view_name) VALUES ('kms-probe')"),
        sqlstate="23505", engine="postgresql",
    )  # fmt: skip


def _policies() -> Iterator[Attempt | Promise]:
    row = policy()
    half: list[Case] = [
        (f"ck_{POLICIES}_rotation_window_in_pairs", "a window does not end", {"rotation_window_start": "22:00"}),
        (f"ck_{POLICIES}_rotation_window_in_pairs", "a window does not begin", {"rotation_window_end": "06:00"}),
    ]
    yield from inserted(POLICIES, row, half)
    blank: list[Case] = [(f"ck_{POLICIES}_timezone_not_blank", "a policy has a blank time zone", {"timezone": " "})]
    yield from inserted(POLICIES, row, blank, unless=f"trigger {POLICIES}.{ZONE}")
    yield from unique(POLICIES, f"pk_{POLICIES}", row, {"id": row["id"], "policy_name": unused("other")})
    name: Row = {"policy_name": row["policy_name"]}
    yield from unique(POLICIES, f"uq_{POLICIES}_policy_name", row, name, conflict="policy_name")
    yield from displacing(POLICIES, f"uq_{POLICIES}_policy_name", policy(), row, name)
    yield from nulls_replaced(POLICIES, row, "updated_at")
    yield from identity(POLICIES, row, permitted={"max_operations": 7}, id=uuid.uuid4(), created_at=EARLIEST)
    nothing: list[Case] = [(DUE, "a policy has nothing that makes a key due", {"rotation_interval_days": None})]
    yield from inserted(POLICIES, row, nothing)
    yield from updated(POLICIES, row, nothing, permitted={"max_operations": 7})
    zone: list[Case] = [
        (ZONE, f"a policy is in the time zone {zone!r}", {"timezone": zone}) for zone in ("Mars/Olympus", "UTC+3", " ")
    ]
    yield from inserted(POLICIES, row, zone, engine="postgresql")
    yield from updated(POLICIES, row, zone, permitted={"timezone": "UTC"}, engine="postgresql")
    yield _touched(POLICIES, "rotation_policy", policy(updated_at=FIRST), {"max_operations": 7})


def _hsms() -> Iterator[Attempt | Promise]:
    row = hsm()
    tries = "an HSM without credentials names their wrapping key"
    alone: list[Case] = [(f"ck_{HSMS}_wrapping_key_ref_has_credentials", tries, {"wrapping_key_ref": "kms://root"})]
    yield from inserted(HSMS, row, alone)
    trigger = "validate_hsm_configuration_credentials"
    case = partial(of_check, HSMS)
    plaintexts = [
        case("endpoint_url_has_no_secret", "an address has a password", endpoint_url="https://user:secret@hsm.example"),
        case(
            "endpoint_url_has_no_secret", "an address has an encoded name", endpoint_url="https://hsm.example/?p%69n=1"
        ),
        case("endpoint_url_has_no_secret", "an address has a PIN", endpoint_url="pkcs11:object=kek?pin-value=1234"),
        case(
            ENVELOPE,
            "credentials of an HSM are stored unencrypted",
            authentication_config=b'{"pin": "0000 0000 0000 0000"}',
        ),
        case(ENVELOPE, "an envelope of credentials has no content", authentication_config=b"\x01" + b"k" * 28),
    ]
    yield from inserted_in_plaintext(HSMS, row, plaintexts, trigger=trigger)
    yield from unique(HSMS, f"pk_{HSMS}", row, {"id": row["id"], "configuration_name": unused("other")})
    name: Row = {"configuration_name": row["configuration_name"]}
    yield from unique(HSMS, f"uq_{HSMS}_configuration_name", row, name, conflict="configuration_name")
    yield from displacing(HSMS, f"uq_{HSMS}_configuration_name", hsm(), row, name)
    yield from nulls_replaced(HSMS, row, "updated_at")
    yield from identity(HSMS, row, permitted={"response_time_ms": 7}, id=uuid.uuid4(), created_at=EARLIEST)
    yield _touched(HSMS, "hsm_configuration", hsm(updated_at=FIRST), {"response_time_ms": 7})


def _touched(table: str, singular: str, row: Row, change: Row) -> Promise:
    return Promise(
        by_trigger(f"{table}.touch_{singular}_updated_at"),
        "updated_at is the time of the last change",
        changing(table, row, **change),
        plain(f"SELECT updated_at > :before FROM {{schema}}.{table} WHERE id = :id", id=row["id"], before=FIRST),
        (adding(table, row),),
    )
