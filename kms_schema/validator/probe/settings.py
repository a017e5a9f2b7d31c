"""The attempts at what is configured: rotation policies and HSMs."""

import uuid
from collections.abc import Iterator
from typing import Any

from kms_schema.validator.probe.attempt import Attempt, Computed, Promise, Row, Statement, adding, changing, plain
from kms_schema.validator.probe.rows import EARLIEST, FIRST, envelope, hsm, policy, unused
from kms_schema.validator.probe.shapes import (
    Case,
    displacing,
    identity,
    inserted,
    inserted_in_plaintext,
    nulls_replaced,
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
    yield from inserted(POLICIES, row, _values_of_policies())
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


def _values_of_policies() -> list[Case]:
    def case(suffix: str, tries: str, **change: Any) -> Case:
        return f"ck_{POLICIES}_{suffix}", tries, change

    days = ("rotation_interval_days", "max_key_age_days")
    counted = {"max_operations": 10**15, "max_data_volume_mb": 2**33}
    window: Row = {"rotation_window_start": "22:00", "rotation_window_end": "06:00"}
    return [
        case("policy_name_not_blank", "a policy has a blank name", policy_name="\n"),
        case("key_type_known", "a policy is for an unknown type of key", key_type="rsa"),
        *(case(f"{number}_positive", f"{number} is 0", **{number: 0}) for number in days),
        *(case(f"{limit}_range", f"{limit} is 0", **{limit: 0}) for limit in counted),
        *(
            case(f"{limit}_range", f"{limit} is beyond its maximum", **{limit: most + 1})
            for limit, most in counted.items()
        ),
        case(
            "notify_before_rotation_hours_positive", "notify_before_rotation_hours is 0", notify_before_rotation_hours=0
        ),
        case(
            "rotation_window_start_is_hh_mm",
            "a window begins at an invalid time",
            **{**window, "rotation_window_start": "24:00"},
        ),
        case(
            "rotation_window_end_is_hh_mm",
            "a window ends at an invalid time",
            **{**window, "rotation_window_end": "06:60"},
        ),
        case("rotation_window_in_pairs", "a window does not end", rotation_window_start="22:00"),
        case(
            "notification_channels_is_object_or_array",
            "notification_channels is a number",
            notification_channels=Computed("'5'"),
        ),
    ]


def _hsms() -> Iterator[Attempt | Promise]:
    row = hsm()
    yield from inserted(HSMS, row, _values_of_hsms())
    trigger = "validate_hsm_configuration_credentials"
    yield from inserted_in_plaintext(HSMS, row, _plaintexts_of_hsms(), trigger=trigger)
    yield from unique(HSMS, f"pk_{HSMS}", row, {"id": row["id"], "configuration_name": unused("other")})
    name: Row = {"configuration_name": row["configuration_name"]}
    yield from unique(HSMS, f"uq_{HSMS}_configuration_name", row, name, conflict="configuration_name")
    yield from displacing(HSMS, f"uq_{HSMS}_configuration_name", hsm(), row, name)
    yield from nulls_replaced(HSMS, row, "updated_at")
    yield from identity(HSMS, row, permitted={"response_time_ms": 7}, id=uuid.uuid4(), created_at=EARLIEST)
    yield _touched(HSMS, "hsm_configuration", hsm(updated_at=FIRST), {"response_time_ms": 7})


def _values_of_hsms() -> list[Case]:
    def case(suffix: str, tries: str, **change: Any) -> Case:
        return f"ck_{HSMS}_{suffix}", tries, change

    return [
        case("provider_known", "an HSM has an unknown provider", provider="abacus"),
        case("health_status_known", "an HSM has an unknown health_status", health_status="TIRED"),
        case("configuration_name_not_blank", "an HSM has a blank name", configuration_name=" "),
        case("endpoint_url_not_blank", "an HSM has a blank address", endpoint_url="\t"),
        case("max_key_size_bits_positive", "max_key_size_bits is 0", max_key_size_bits=0),
        case("response_time_ms_not_negative", "response_time_ms is negative", response_time_ms=-1),
        case(
            "wrapping_key_ref_not_blank",
            "credentials of an HSM are under a blank name",
            authentication_config=envelope(),
            wrapping_key_ref=" ",
        ),
        case(
            "wrapping_key_ref_has_credentials",
            "an HSM without credentials names their wrapping key",
            wrapping_key_ref="kms://root",
        ),
        case("supported_algorithms_is_array", "supported_algorithms is an object", supported_algorithms={}),
    ]


def _plaintexts_of_hsms() -> list[Case]:
    def case(suffix: str, tries: str, **change: Any) -> Case:
        return f"ck_{HSMS}_{suffix}", tries, change

    return [
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


def _touched(table: str, singular: str, row: Row, change: Row) -> Promise:
    return Promise(
        dict.fromkeys(("postgresql", "sqlite"), (f"trigger {table}.touch_{singular}_updated_at",)),
        "updated_at is the time of the last change",
        changing(table, row, **change),
        plain(f"SELECT updated_at > :before FROM {{schema}}.{table} WHERE id = :id", id=row["id"], before=FIRST),
        (adding(table, row),),
    )
