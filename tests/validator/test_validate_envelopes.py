"""Level `data`: envelopes that are none, and versions that are wrapped by nothing, are found and named.

What the guards would have refused is written past them; what they let in, since no rule of a row can see it, is written
by plain SQL.
"""

import secrets
import uuid
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from kms_schema.validator import validate
from support.concurrency.statements import kek, master, version
from support.engines import Database
from support.engines.database import Connection
from support.rows.smallest import Row, envelope, hsm_configuration, insert
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled
from support.violations.violation import foreign_keys_off, spelled
from tests.validator.envelope_rows import TEXT, described, found, gcm, name

NONCE, TAG = secrets.token_bytes(12), secrets.token_bytes(16)


NO_ENVELOPES = {
    "another format byte": ("material_is_envelope", {"encrypted_key_data": b"\x07" + secrets.token_bytes(60)}),
    "nothing": ("material_is_envelope", {"encrypted_key_data": b""}),
    "text": ("material_is_envelope", {"encrypted_key_data": TEXT}),
    "no wrapper": ("one_wrapper", {"wrapping_key_ref": None}),
    "said by nothing": ("material_names_its_envelope", {"encryption_metadata": None}),
    "no check value": ("material_has_checksum", {"key_checksum": None}),
    "a copy of what was destroyed": ("destroyed_has_no_material", {"destroyed_at": "2030-01-01T00:00:00.000000Z"}),
}


def test_material_that_breaks_a_constraint_is_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        rows = {case: version(connection, master(connection)) for case in NO_ENVELOPES}
        with triggers_disabled(connection):
            for case, (_, change) in NO_ENVELOPES.items():
                change_row(connection, "key_versions", rows[case], **change)
        says = found(connection)
    for constraint in {constraint for constraint, _ in NO_ENVELOPES.values()}:
        cases = [case for case in NO_ENVELOPES if NO_ENVELOPES[case][0] == constraint]
        first, *lines = says[f"constraint key_versions.ck_key_versions_{constraint}"].splitlines()
        assert first.startswith(f"{len(cases)} row")
        assert sorted(lines) == sorted(f"{spelled(rows[case]['id'], database.dialect)} violates it" for case in cases)


def test_two_wrappers_are_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        row = version(connection, master(connection), wrapped_by_version_id=version(connection, kek(connection))["id"])
        with triggers_disabled(connection):
            change_row(connection, "key_versions", row, wrapping_key_ref="kms://root")
        (rule,) = found(connection)
    assert rule == "constraint key_versions.ck_key_versions_one_wrapper"


NO_CREDENTIALS = {
    "text": TEXT,
    "nothing": b"",
    "too short": b"\x01" + secrets.token_bytes(28),
    "padded": b"\x02" + secrets.token_bytes(40),
}


def test_credentials_that_are_no_envelope_are_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        rows = [insert(connection, "hsm_configurations", **hsm_configuration()) for _ in NO_CREDENTIALS]
        with triggers_disabled(connection):
            for row, credentials in zip(rows, NO_CREDENTIALS.values(), strict=True):
                change_row(connection, "hsm_configurations", row, authentication_config=credentials)
        says = found(connection)
    (rule,) = says
    assert rule == "constraint hsm_configurations.ck_hsm_configurations_authentication_config_is_envelope"
    assert [row["id"] for row in rows if spelled(row["id"], database.dialect) not in says[rule]] == []


@pytest.mark.only_on("sqlite")
def test_a_text_in_the_place_of_bytes_is_no_envelope(database: Database) -> None:
    with closing(database.connect()) as connection:
        row = version(connection, master(connection))
        with triggers_disabled(connection):
            change_row(connection, "key_versions", row, encrypted_key_data="\x01" + "x" * 60)
        assert {rule.rpartition("_key_versions_")[2] for rule in found(connection)} == {
            "encrypted_key_data_type",
            "material_is_envelope",
        }


SAID = {
    "another format": described(2, "AES-256-GCM"),
    "another format, as text": described("02", "AES-256-GCM"),
    "no number": described({}, "AES-256-GCM"),
    "another algorithm": described(1, "AES-256-KWP"),
    "another key size": described(1, "AES-128-GCM"),
}


def test_an_envelope_that_is_described_as_another_is_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        key = master(connection)
        rows = {
            case: version(connection, key, version_number=number, **said)
            for number, (case, said) in enumerate(SAID.items(), 1)
        }
        version(connection, key, version_number=8, **described("01", "aes-256-gcm"))
        padded = {"encrypted_key_data": b"\x02" + secrets.token_bytes(40), **described(2, "AES-256-KWP")}
        version(connection, key, version_number=9, **padded)
        says = found(connection)
    assert says.keys() == {"KMS521"}
    first, *lines = says["KMS521"].splitlines()
    assert first == f"{len(SAID)} rows:"
    assert sorted(lines) == sorted(
        f"{name(key, row, database)} is an AES-256-GCM envelope by its first byte, and encryption_metadata names"
        f" another {'algorithm' if 'algorithm' in case or 'size' in case else 'format'}"
        for case, row in rows.items()
    )


def change_row(connection: Connection, table: str, row: Row, **change: Any) -> None:
    settings = ", ".join(f"{column} = :{column}" for column in change)
    assert execute(connection, f"UPDATE {table} SET {settings} WHERE id = :id", {**change, "id": row["id"]}).rowcount  # noqa: S608


class Chain:
    """Root, a KEK under it, one under that, and a DEK under that."""

    def __init__(self, connection: Connection, **top: Any) -> None:
        self.keys = [kek(connection, **top), kek(connection), master(connection)]
        self.rows: list[Row] = []
        for key in self.keys:
            below = {"wrapped_by_version_id": self.rows[-1]["id"]} if self.rows else {}
            self.rows.append(version(connection, key, **below))


Damage = Callable[[Connection, Chain], None]
DAMAGES: dict[str, tuple[str, Damage]] = {
    "gone": (
        "fk_key_versions_wrapped_by_version_id_key_versions",
        lambda connection, chain: execute_one(connection, "DELETE FROM key_versions WHERE id = :id", chain.rows[0]),
    ),
    "destroyed": (
        "validate_key_version_wrapper",
        lambda connection, chain: change_row(
            connection, "key_versions", chain.rows[0], destroyed_at="2030-01-01T00:00:00.000000Z",
            encrypted_key_data=None, wrapping_key_ref=None,
        ),
    ),
    "wrapped by what it wraps": (
        "validate_key_version_wrapper",
        lambda connection, chain: change_row(
            connection, "key_versions", chain.rows[0], wrapping_key_ref=None, wrapped_by_version_id=chain.rows[1]["id"]
        ),
    ),
    "without material": (
        "validate_key_version_material",
        lambda connection, chain: change_row(
            connection, "key_versions", chain.rows[0], wrapping_key_ref=None, encrypted_key_data=None
        ),
    ),
    "emptied": (
        "validate_key_version_material and ck_key_versions_one_wrapper",
        lambda connection, chain: change_row(connection, "key_versions", chain.rows[0], encrypted_key_data=None),
    ),
    "wrapped by nobody": (
        "ck_key_versions_one_wrapper",
        lambda connection, chain: change_row(connection, "key_versions", chain.rows[0], wrapping_key_ref=None),
    ),
}  # fmt: skip


def execute_one(connection: Connection, statement: str, row: Row) -> None:
    assert execute(connection, statement, {"id": row["id"]}).rowcount == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_hangs_from_a_wrapper_that_is_lost_is_named_once(database: Database, damage: str) -> None:
    """The version whose own wrapper is at fault is named by its rule, and what hangs from it as wrapped by nothing."""
    rules, make = DAMAGES[damage]
    with closing(database.connect()) as connection:
        Chain(connection)
        assert found(connection) == {}
        chain = Chain(connection)
        with triggers_disabled(connection), foreign_keys_off(connection):
            make(connection, chain)
        says = found(connection)
    lost = says.pop("KMS522")
    assert {key.rpartition(".")[2].removesuffix("_insert") for key in says} == set(rules.split(" and "))
    direct = damage in {"gone", "destroyed", "wrapped by what it wraps"}
    hanging = [2] if direct else [1, 2]
    for place, key in enumerate(chain.keys):
        assert (name(key, chain.rows[place], database) in lost) == (place in hanging)
    assert lost.startswith(f"{len(hanging)} row")


def test_a_key_in_an_hsm_ends_a_chain(database: Database) -> None:
    with closing(database.connect()) as connection:
        chain = Chain(connection, hsm_provider="pkcs11", hsm_key_id="handle")
        assert found(connection) == {}
        with triggers_disabled(connection):
            execute(connection, "UPDATE key_masters SET hsm_provider = NULL, hsm_key_id = NULL")
        assert name(chain.keys[1], chain.rows[1], database) in found(connection)["KMS522"]


def test_an_envelope_in_two_rows_is_named_in_both(database: Database) -> None:
    with closing(database.connect()) as connection:
        keys = [master(connection) for _ in range(4)]
        rows = [version(connection, key) for key in keys]
        copied = version(connection, keys[0], version_number=2, encrypted_key_data=rows[0]["encrypted_key_data"])
        hsm = hsm_configuration(authentication_config=rows[3]["encrypted_key_data"])
        insert(connection, "hsm_configurations", **hsm)
        says = found(connection)
    of_hsm = f"HSM configuration {hsm['configuration_name']} ({spelled(hsm['id'], database.dialect)})"
    pairs = [(keys[0], rows[0], keys[0], copied), (keys[0], copied, keys[0], rows[0])]
    assert says.keys() == {"KMS523"}
    assert says["KMS523"].splitlines()[0] == "4 rows:"
    assert set(says["KMS523"].splitlines()[1:]) == {
        *(f"{name(k, r, database)} has the same envelope as {name(o, s, database)}" for k, r, o, s in pairs),
        f"{of_hsm} has the same envelope as {name(keys[3], rows[3], database)}",
        f"{name(keys[3], rows[3], database)} has the same envelope as {of_hsm}",
    }


def test_a_nonce_that_comes_twice_under_a_wrapper_is_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        keys = [master(connection) for _ in range(3)]
        wrapper = version(connection, kek(connection))
        same = [version(connection, key, encrypted_key_data=gcm(NONCE)) for key in keys]
        version(connection, keys[0], version_number=2, encrypted_key_data=gcm(NONCE), wrapping_key_ref="kms://other")
        under = {"wrapped_by_version_id": wrapper["id"], "encrypted_key_data": gcm(NONCE)}
        version(connection, keys[0], version_number=3, **under)
        padded = {"encrypted_key_data": b"\x02" + NONCE + secrets.token_bytes(28), **described(2, "AES-256-KWP")}
        version(connection, keys[0], version_number=4, **padded)
        says = found(connection)
    assert says.keys() == {"KMS524"}
    lines = says["KMS524"].splitlines()
    assert lines[0] == "3 rows:"
    for key, row in zip(keys, same, strict=True):
        assert any(line.startswith(f"{name(key, row, database)} has the same nonce under") for line in lines)
    assert all(line.endswith(" and 1 more") for line in lines[1:])


def test_a_nonce_of_credentials_that_comes_twice_under_a_root_key_is_named(database: Database) -> None:
    with closing(database.connect()) as connection:
        row = version(connection, master(connection), encrypted_key_data=gcm(NONCE), wrapping_key_ref="kms://root")
        for under in ("kms://root", "kms://other", None):
            credentials = {"authentication_config": gcm(NONCE), "wrapping_key_ref": under}
            named = {"configuration_name": f"under {under}"}
            insert(connection, "hsm_configurations", **hsm_configuration(**credentials, **named))
        says = found(connection)
    assert says.keys() == {"KMS524"}
    first, *lines = says["KMS524"].splitlines()
    assert first == "2 rows:"
    assert str(row["version_number"]) in says["KMS524"]
    assert sum(line.startswith("HSM configuration under kms://root ") for line in lines) == 1


def test_questions_go_on_where_a_description_cannot_be_read(database: Database) -> None:
    """On SQLite nothing but a CHECK keeps what is no JSON out: what is said of one envelope hides no other."""
    with closing(database.connect()) as connection:
        one, two = (version(connection, master(connection), id=uuid.uuid4()) for _ in range(2))
        with triggers_disabled(connection):
            change_row(connection, "key_versions", one, **described(2, "AES-256-KWP"))
            if database.dialect == "sqlite":
                change_row(connection, "key_versions", two, encryption_metadata="{")
        report = validate(connection, level="data")
    (finding,) = [finding for finding in report.findings if finding.code == "KMS521"]
    assert spelled(one["id"], database.dialect) in finding.actual
    assert envelope(256)[0] == 1
