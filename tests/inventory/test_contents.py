"""What an inventory says of keys in each state, custody and depth of wrapping."""

import pytest

from kms_schema.inventory import FORMS, Form
from support.engines import Database
from tests.inventory.keys_of_each_kind import ROOT, SECRET_NAMES
from tests.inventory.written import write, write_csv, write_json

STATES = {
    ("kek-upper", 1): "active",
    ("kek-lower", 1): "active",
    ("orders", 1): "destroyed",
    ("orders", 2): "deactivated",
    ("orders", 3): "active",
    ("orders", 4): "pre-activation",
    ("past", 1): "deactivated",
    ("expired", 1): "deactivated",
    ("rotated", 1): "deactivated",
    ("revoked", 1): "compromised",
    ("archived", 1): "deactivated",
    ("buried", 1): "compromised",
    ("cards", 1): "active",
    ("=1+2", 1): "active",
}


def test_every_version_has_its_state(stocked: Database) -> None:
    document = write_json(stocked, "json")
    found = {(key["name"], each["version"]): each["state"] for key in document["keys"] for each in key["versions"]}
    assert found == STATES
    assert [key["name"] for key in document["keys"]] == sorted({"empty", *(name for name, _ in STATES)})
    assert document["totals"] == {
        "keys": 12, "versions": 14, "versions active": 5, "versions compromised": 2, "versions deactivated": 5,
        "versions destroyed": 1, "versions pre-activation": 1,
    }  # fmt: skip


def test_strength_is_the_lowest_of_the_wrapping_chain(stocked: Database) -> None:
    keys = {key["name"]: key for key in write_json(stocked, "json")["keys"]}
    orders = {each["version"]: each for each in keys["orders"]["versions"]}
    assert (keys["orders"]["strength_bits"], orders[3]["wrapped_by"]) == (256, "kek-lower:1")
    assert orders[3]["chain"] == {"keks": 2, "root_key": ROOT, "strength_bits": 128}
    assert orders[2]["chain"] == {"keks": 0, "root_key": ROOT, "strength_bits": 256}
    assert orders[1]["chain"] == {"keks": 0, "root_key": None, "strength_bits": None}
    (tls,) = keys["=1+2"]["versions"]
    assert (keys["=1+2"]["strength_bits"], tls["chain"]["strength_bits"]) == (112, 112)


def test_custody_names_the_hsm_and_the_root_key(stocked: Database) -> None:
    document = write_json(stocked, "json")
    (hsm,) = document["hsms"]
    (cards,) = [key for key in document["keys"] if key["name"] == "cards"]
    (version,) = cards["versions"]
    assert (version["custody"], version["hsm"], version["wrapped_by"]) == ("hsm", "vault-3", None)
    assert (hsm["name"], hsm["provider"], hsm["credentials_under"]) == ("vault-3", "thales_luna", ROOT)
    assert document["root_keys"] == [{"name": ROOT, "versions": 10}]
    (orders,) = [key for key in document["keys"] if key["name"] == "orders"]
    assert orders["encrypted_columns"] == ["reports.iban" if stocked.dialect == "sqlite" else "app.reports.iban"]


def test_algorithms_in_use_have_their_purposes(stocked: Database) -> None:
    uses = {each["name"]: (each["strength_bits"], each["uses"]) for each in write_json(stocked, "json")["algorithms"]}
    assert uses["AES-128"] == (128, {"kek": 1})
    assert uses["AES-256-GCM"] == (256, {"dek": 3, "hsm": 1, "wrapping": 12})
    assert uses["RSA-2048"] == (112, {"tls": 1})
    assert uses["HMAC-SHA-256"][1] == {"key derivation by a root key": 10}
    assert {"SHA-256", "Ed25519"} <= set(uses)


def test_csv_has_a_row_for_each_version_and_no_formula(stocked: Database) -> None:
    rows = write_csv(stocked)
    assert [row["record"] for row in rows].count("version") == len(STATES)
    assert {(row["name"].lstrip("'"), int(row["version"])): row["state"] for row in rows if row["version"]} == STATES
    assert not any(
        value.strip().startswith(("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}"))
        for row in rows
        for value in row.values()
    )
    assert (rows[0]["record"], "tree size" in rows[0]["note"]) == ("document", True)
    assert [row["name"] for row in rows if row["record"] in {"key", "hsm", "root key"}] == [ROOT, "vault-3", "empty"]


@pytest.mark.parametrize("form", FORMS)
def test_without_names_no_name_is_left(stocked: Database, form: Form) -> None:
    with_names, without = write(stocked, form)[0], write(stocked, form, names=False)[0]
    assert [name for name in SECRET_NAMES if name not in with_names] == []
    assert [name for name in SECRET_NAMES if name in without] == []
    assert with_names.count("\n") == without.count("\n")


@pytest.mark.parametrize("form", FORMS)
def test_two_inventories_of_one_state_differ_by_their_times_alone(stocked: Database, form: Form) -> None:
    first, second = (write(stocked, form)[0].splitlines() for _ in range(2))
    assert [line for line, other in zip(first, second, strict=True) if line != other][1:] == []
