"""Strengths by SP 800-57, states, and chains: tables and functions, without a database."""

import pytest

from kms_schema.inventory.chains import Chain, Chains
from kms_schema.inventory.rows import Version, Wrapper
from kms_schema.inventory.states import STATES, MaterialState, VersionState, material_state, version_state
from kms_schema.inventory.strengths import rate
from kms_schema.vocabulary import KeyStatus


@pytest.mark.parametrize(
    ("name", "size", "strength", "category"),
    [
        ("AES-128", 128, 128, 1),
        ("AES-192-GCM", 192, 192, 3),
        ("XAES-256-GCM", 256, 256, 5),
        ("AES-256-GCM", 128, 128, 1),
        ("AES-256-XTS", 512, 256, 5),
        ("AES", 64, None, None),
        ("3DES", 192, 112, None),
        ("RSA-1024", 1024, 80, 0),
        ("RSA-2048", 9728, 112, 0),
        ("RSA-3072", 3072, 128, 0),
        ("RSA-4096", 4096, 128, 0),
        ("RSA-512", 512, None, 0),
        ("ECDSA-P224", 224, 112, 0),
        ("ECDSA-P256", 256, 128, 0),
        ("EC-P384", 384, 192, 0),
        ("secp521r1", 521, 256, 0),
        ("Ed25519", 256, 128, 0),
        ("X448", 448, 224, 0),
        ("HMAC-SHA-256", 512, 256, None),
        ("HMAC-SHA-256", 128, 128, None),
        ("SHA-256", 256, 128, None),
        ("ChaCha20-Poly1305", 256, None, None),
        ("ours", 256, None, None),
    ],
)
def test_strength_and_category(name: str, size: int, strength: int | None, category: int | None) -> None:
    rated = rate(name, size)
    assert (rated.strength_bits, rated.quantum_category) == (strength, category)


def test_the_length_of_an_encoding_is_no_size() -> None:
    assert rate("RSA", 9728).strength_bits == 192
    assert rate("RSA", 9728, size_is_known=False).strength_bits is None


def test_a_state_for_each_status_and_state_of_a_version() -> None:
    assert {(each, status) for each, row in STATES.items() for status in row} == {
        (each, status) for each in VersionState for status in KeyStatus
    }
    used = {state for row in STATES.values() for state in row.values()}
    assert used == set(MaterialState) - {MaterialState.SUSPENDED}


def test_a_revoked_key_is_compromised_until_it_is_destroyed() -> None:
    for each in VersionState:
        state = material_state("archived", each, was_revoked=True, is_past_expiry=False)
        assert state == ("destroyed" if each is VersionState.DESTROYED else "compromised")


def test_no_version_of_a_pending_key_is_active() -> None:
    """The schema lets a version be live before its key is active; programs look at the key."""
    assert STATES[VersionState.LIVE][KeyStatus.PENDING] == STATES[VersionState.WAITING][KeyStatus.PENDING]


def test_expiry_ends_the_use_of_a_live_version_alone() -> None:
    for each, expected in (("waiting", "pre-activation"), ("live", "deactivated"), ("destroyed", "destroyed")):
        assert material_state("active", VersionState(each), was_revoked=False, is_past_expiry=True) == expected


def test_the_state_of_a_version_is_that_of_its_last_time() -> None:
    assert version_state(None, None, None) == "waiting"
    assert version_state("t", None, None) == "live"
    assert version_state("t", "t", None) == "ended"
    assert version_state(None, None, "t") == "destroyed"


def version(wrapped_by: str) -> Version:
    return Version("id", 1, "t", "t", None, None, 0, 0, wrapped_by, None, None, "AES-256-GCM")


def test_a_chain_may_be_long() -> None:
    wrappers = {
        f"{n}": Wrapper("kek", n, "AES-256", 256 if n != 4000 else 128, f"{n + 1}" if n < 5000 else None,
                        None if n < 5000 else "kms://root")
        for n in range(5001)
    }  # fmt: skip
    chains = Chains(wrappers)
    assert chains.of(version("0")) == Chain(5001, "kms://root", 128)
    assert chains.of(version("4001")) == Chain(1000, "kms://root", 256)


def test_a_wrapper_that_is_missing_or_in_a_circle_has_no_strength() -> None:
    circle = {a: Wrapper("kek", 1, "AES-256", 256, b, None) for a, b in (("x", "y"), ("y", "x"))}
    assert Chains({}).of(version("gone")) == Chain(0, None, None)
    assert Chains(circle).of(version("x")).strength_bits is None
