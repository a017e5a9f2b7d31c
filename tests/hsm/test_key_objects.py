"""Key objects: how they are made and tried, and what tokens are refused."""

import os
from collections.abc import Iterator
from typing import Any

import pkcs11
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pkcs11 import Attribute

from kms_schema.hsm import HsmError, MissingObjectError, key_objects
from kms_schema.hsm.handles import Handle, hsm_of_key
from kms_schema.hsm.hsms import Hsms
from kms_schema.pkcs11 import TokenLostError, TokenNotFoundError, TokenUriError
from support.engines.softhsm import PIN, SoftHsm
from support.errors import raises
from tests.hsm.token_objects import import_key, in_token
from tests.keyring.processes import child

NONCE, DATA, AAD = bytes(12), b"DE89 3704", b"invoice"


@pytest.fixture
def hsms(token: SoftHsm) -> Iterator[Hsms]:
    made = Hsms({"luna": token.uri("kms")})
    yield made
    made.close()


def test_an_object_has_the_attributes_of_a_key_that_never_leaves(hsms: Hsms) -> None:
    handle = hsms.generate("luna", "orders version 1")
    assert hsms.objects("luna").faults(handle.object_id) == []


@pytest.mark.parametrize(
    ("over", "faults"),
    [
        ({}, ["NEVER_EXTRACTABLE is False", "LOCAL is False"]),
        ({"SENSITIVE": False, "EXTRACTABLE": True}, ["SENSITIVE is False", "EXTRACTABLE is True"]),
        ({"WRAP": True, "SIGN": True}, ["WRAP is True", "SIGN is True"]),
        ({"DECRYPT": False}, ["DECRYPT is False"]),
    ],
    ids=str,
)
def test_other_attributes_are_found(hsms: Hsms, token: SoftHsm, over: dict[str, bool], faults: list[str]) -> None:
    handle = Handle.new("luna")
    import_key(token, handle, os.urandom(32), **over)
    assert set(faults) <= set(hsms.objects("luna").faults(handle.object_id))


def test_a_key_that_fails_its_trial_does_not_stay(hsms: Hsms, token: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_key: object) -> None:
        raise HsmError(reason="unfit_token")

    monkeypatch.setattr(key_objects, "_try", refuse)
    with raises(HsmError, "unfit_token"):
        hsms.generate("luna", "orders version 1")
    monkeypatch.undo()
    monkeypatch.setitem(key_objects.EXPECTED, Attribute.LOCAL, False)
    with raises(HsmError, "unfit_token", match="LOCAL is True"):
        hsms.generate("luna", "orders version 1")
    assert in_token(token) == {}


class Simulated:
    """A key object of a token that does not do what a key ring needs: no such token is at hand."""

    def __init__(self, fault: str) -> None:
        self._gcm = AESGCM(bytes(32))
        self._fault = fault
        self._last = b""

    def encrypt(self, data: bytes, *, mechanism_param: Any, **_: Any) -> bytes:
        if self._fault == "mechanism":
            raise pkcs11.MechanismInvalid
        self._last = data
        if self._fault == "nonce":
            return self._gcm.encrypt(os.urandom(12), data, None)
        made = self._gcm.encrypt(mechanism_param.nonce, data, mechanism_param.aad)
        return made[:-4] if self._fault == "length" else made

    def decrypt(self, data: bytes, *, mechanism_param: Any, **_: Any) -> bytes:
        if self._fault == "other":
            return b"other"
        if self._fault == "nonce":
            return self._last
        try:
            return self._gcm.decrypt(mechanism_param.nonce, data, mechanism_param.aad)
        except InvalidTag:
            if self._fault == "tag":
                return bytes(32)
            raise pkcs11.EncryptedDataInvalid from None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nonce", "under a nonce of its own"), ("length", "under a nonce of its own"), ("tag", "does not authenticate"),
        ("mechanism", "does not encrypt with AES-GCM"), ("other", "does not decrypt what it has encrypted"),
    ],
)  # fmt: skip
def test_the_trial_finds_what_a_token_cannot(fault: str, reason: str) -> None:
    with raises(HsmError, "unfit_token", match=reason):
        key_objects._try(Simulated(fault))
    key_objects._try(Simulated(""))


def test_messages_are_encrypted_in_the_token(hsms: Hsms) -> None:
    objects, handle = hsms.objects("luna"), hsms.generate("luna", "orders version 1")
    for data, bound in ((DATA, AAD), (b"", b""), (DATA, b""), (os.urandom(100_000), os.urandom(5000))):
        ciphertext = objects.encrypt(handle.object_id, NONCE, memoryview(data), bytearray(bound))
        assert objects.decrypt(handle.object_id, NONCE, memoryview(ciphertext), bound) == data
    for changed, other in ((ciphertext[:-1], bound), (b"", bound), (ciphertext, b"other")):
        with pytest.raises(InvalidTag):
            objects.decrypt(handle.object_id, NONCE, changed, other)


def test_an_object_is_destroyed_once(hsms: Hsms, token: SoftHsm) -> None:
    handle = hsms.generate("luna", "orders version 1")
    hsms.objects("luna").encrypt(handle.object_id, NONCE, DATA, AAD)
    other = Hsms({"luna": token.uri("kms")})
    other.destroy(handle)
    other.close()
    with pytest.raises(MissingObjectError, match=handle.object_id.hex()):
        hsms.destroy(handle)
    with pytest.raises(MissingObjectError):
        hsms.objects("luna").encrypt(handle.object_id, NONCE, DATA, AAD)
    assert in_token(token) == {}


def test_a_token_that_is_gone_and_back(hsms: Hsms, token: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_objects, "LOOKS_AGAIN_AFTER", 0)
    handle = hsms.generate("luna", "orders version 1")
    ciphertext = hsms.objects("luna").encrypt(handle.object_id, NONCE, DATA, AAD)
    away = token.folder / "away"
    token.tokens.rename(away)
    token.tokens.mkdir()
    with pytest.raises((TokenLostError, TokenNotFoundError, MissingObjectError)):
        hsms.objects("luna").decrypt(handle.object_id, NONCE, ciphertext, AAD)
    token.tokens.rmdir()
    away.rename(token.tokens)
    assert hsms.objects("luna").decrypt(handle.object_id, NONCE, ciphertext, AAD) == DATA


def test_a_forked_child_uses_the_same_objects(hsms: Hsms) -> None:
    handle = hsms.generate("luna", "orders version 1")
    ciphertext = hsms.objects("luna").encrypt(handle.object_id, NONCE, DATA, AAD)

    def opened() -> bytes:
        return hsms.objects("luna").decrypt(handle.object_id, NONCE, ciphertext, AAD)

    assert child(lambda write: write(opened())).read_to_the_end() == opened() == DATA


def test_handles_of_others_are_refused() -> None:
    handle = Handle.new("luna/1")
    assert Handle.parse(str(handle)) == handle
    for text in ("", "luna", "/" + "0" * 32, "luna/" + "0" * 31, "luna/" + "G" * 32):
        with raises(MissingObjectError, "handle"):
            Handle.parse(text)
    for text in ("luna", "", "/orders"):
        with raises(MissingObjectError, "handle"):
            hsm_of_key(text)


def test_nothing_shows_a_uri_or_a_pin(hsms: Hsms, token: SoftHsm) -> None:
    assert repr(hsms) == "<Hsms 'luna'>"
    with raises(HsmError, "no_uri") as raised:
        hsms.objects("other")
    assert str(token.module) not in str(raised.value)
    with pytest.raises(TokenUriError) as refused:
        Hsms({"luna": f"pkcs11:token=kms?module-path=/m.so&pin-value={PIN}"})
    assert PIN not in str(refused.value)
