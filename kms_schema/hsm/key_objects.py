"""The key objects of a token: AES-256 keys that are generated in the token, never leave it, and only do AES-GCM.

The nonces are the caller's: the binding does not return one that a token chooses, so such a token is found by a trial
and refused. The bytes are those of AES-256-GCM in software: ciphertext, then a tag of 16 bytes.
"""

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import pkcs11
from cryptography.exceptions import InvalidTag
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass

from kms_schema.crypto.secret import BytesLike
from kms_schema.hsm.errors import HsmError, MissingObjectError
from kms_schema.pkcs11.token import Token

Result = TypeVar("Result")

KEY_BITS = 256
LABEL = "kms-schema "
"""The labels of the objects begin with it; the key and the number of the version follow."""

LOOKS_AGAIN_AFTER = 10.0
"""Seconds in which the module is started again at most once to look for objects that are missing."""

_TAG_BITS = 128
_USES = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
_MADE_AS = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
_WRONG_CIPHERTEXT = (
    pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange, pkcs11.SignatureInvalid, pkcs11.SignatureLenRange,
    pkcs11.DataInvalid, pkcs11.DataLenRange,
)  # fmt: skip
_NO_BETTER_ERROR = (pkcs11.GeneralError, pkcs11.FunctionFailed, pkcs11.ArgumentsBad)
"""SoftHSM and others answer so to a wrong authentication tag, too."""
_OLD_HANDLE = (pkcs11.ObjectHandleInvalid, pkcs11.KeyHandleInvalid)

EXPECTED: dict[Attribute, Any] = {
    Attribute.CLASS: ObjectClass.SECRET_KEY,
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.VALUE_LEN: KEY_BITS // 8,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: True,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.SIGN: False,
    Attribute.VERIFY: False,
    Attribute.DERIVE: False,
}
"""The attributes of a key object. LOCAL and NEVER_EXTRACTABLE say that it was made in the token, and never outside."""


class KeyObjects:
    """The key objects of one token. Safe for threads and forks, as `Token` is."""

    def __init__(self, token: Token) -> None:
        """Use a token, which the caller closes; nothing is opened yet."""
        self._token = token
        self._found: dict[bytes, tuple[Any, Any]] = {}
        """Objects by their ids, each with the session in which it was found."""
        self._looked_again_at = float("-inf")

    def generate(self, object_id: bytes, label: str) -> None:
        """Generate a key object, try it, and read its attributes back. If a step fails, the object is destroyed.

        object_id: CKA_ID, which no object has. label: for people, after `LABEL`. Raises `HsmError` (`unfit_token`) if
        the trial or the attributes say so, and `Pkcs11Error`.
        """
        with self._token.session(writable=True) as session:
            key = session.generate_key(
                KeyType.AES, KEY_BITS, id=object_id, label=LABEL + label, store=True, capabilities=_USES,
                template=_MADE_AS,
            )  # fmt: skip
            try:
                _check(key)
                _try(key)
            except BaseException:
                with suppress(pkcs11.PKCS11Error):
                    key.destroy()
                raise

    def encrypt(self, object_id: bytes, nonce: bytes, data: BytesLike, associated_data: BytesLike) -> bytes:
        """Return ciphertext and tag of `data`, encrypted in the token under a nonce of 12 bytes.

        object_id: of the key. associated_data: bytes that `decrypt` must be given again. Raises `MissingObjectError`
        and `Pkcs11Error`.
        """
        plaintext, bound = bytes(data), bytes(associated_data)
        return self._with(object_id, lambda key: _encrypt(key, nonce, plaintext, bound))

    def decrypt(self, object_id: bytes, nonce: bytes, data: BytesLike, associated_data: BytesLike) -> bytes:
        """Return the plaintext of ciphertext and tag, decrypted in the token.

        object_id, nonce, associated_data: those that `encrypt` was given. Raises `InvalidTag` of cryptography where
        they or `data` are others, `MissingObjectError` and `Pkcs11Error`.
        """
        ciphertext, bound = bytes(data), bytes(associated_data)

        def work(key: Any) -> bytes:
            try:
                return _decrypt(key, nonce, ciphertext, bound)
            except _WRONG_CIPHERTEXT:
                raise InvalidTag from None
            except _NO_BETTER_ERROR:
                _try(key)  # raises if the token is at fault, and not the ciphertext
                raise InvalidTag from None

        return self._with(object_id, work)

    def destroy(self, object_id: bytes) -> None:
        """Destroy a key object, and look that it is gone: its ciphertexts are lost.

        object_id: of the key. Raises `MissingObjectError` if the token has no such object, `HsmError` (`unfit_token`)
        if it is still there afterwards, and `Pkcs11Error`.
        """
        self._found.pop(object_id, None)
        with self._token.session(writable=True) as session:
            _find(session, object_id).destroy()
            if _search(session, object_id):
                raise HsmError(
                    "the token says that it has destroyed the key object, and still has it", reason="unfit_token"
                )

    def faults(self, object_id: bytes) -> list[str]:
        """Return each attribute of a key object that differs from a key that is safe in its token, such as `WRAP is
        True`.

        Raises `MissingObjectError` and `Pkcs11Error`.
        """
        return self._with(object_id, _faults)

    def made(self) -> dict[bytes, str]:
        """Return the labels of the objects that a key ring made, by their ids."""

        def work(session: Any) -> dict[bytes, str]:
            objects = [(each[Attribute.ID], each[Attribute.LABEL]) for each in _search(session, None)]
            return {name: label for name, label in objects if label.startswith(LABEL)}

        return self._token.run(work)

    def measure(self) -> int:
        """Encrypt and decrypt with a key that exists in a session only; return the milliseconds, at least 1.

        Raises `HsmError` (`unfit_token`) if the token does not encrypt as a key ring needs it, and `Pkcs11Error`.
        """

        def work(session: Any) -> int:
            key = session.generate_key(KeyType.AES, KEY_BITS, store=False, capabilities=_USES, template=_MADE_AS)
            try:
                _try(key)
                before = time.monotonic()
                _decrypt(key, bytes(12), _encrypt(key, bytes(12), b"", b""), b"")
                return max(1, math.ceil((time.monotonic() - before) * 1000))
            finally:
                with suppress(pkcs11.PKCS11Error):
                    key.destroy()

        return self._token.run(work)

    def _with(self, object_id: bytes, work: Callable[[Any], Result]) -> Result:
        """Return what `work` returns for a key object, which is looked for once a session."""

        def on(session: Any) -> Result:
            found_in, key = self._found.get(object_id, (None, None))
            if found_in is session:
                with suppress(*_OLD_HANDLE):
                    return work(key)
            key = _find(session, object_id)
            self._found[object_id] = session, key
            return work(key)

        try:
            return self._token.run(on)
        except MissingObjectError:
            now = time.monotonic()
            if now - self._looked_again_at < LOOKS_AGAIN_AFTER:
                raise
            self._looked_again_at = now
        # A token that was gone for a while is back without its objects in some modules, until they start again.
        self._token.module.restart()
        return self._token.run(on)


def _encrypt(key: Any, nonce: bytes, data: bytes, bound: bytes) -> bytes:
    ciphertext: bytes = key.encrypt(
        data, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, bound or None, _TAG_BITS)
    )
    return ciphertext


def _decrypt(key: Any, nonce: bytes, data: bytes, bound: bytes) -> bytes:
    plaintext: bytes = key.decrypt(
        data, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, bound or None, _TAG_BITS)
    )
    return plaintext


def _try(key: Any) -> None:
    """Raise `HsmError` (`unfit_token`) unless the token uses the nonce of the caller, and refuses what was changed."""
    nonce, data, bound = os.urandom(12), os.urandom(32), b"trial"
    try:
        once, again = _encrypt(key, nonce, data, bound), _encrypt(key, nonce, data, bound)
    except (pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid, pkcs11.FunctionNotSupported) as error:
        raise HsmError(
            f"the token does not encrypt with AES-GCM under a nonce of the caller ({type(error).__name__}): such a"
            " token cannot hold keys that encrypt data",
            reason="unfit_token",
        ) from None
    if once != again or len(once) != len(data) + _TAG_BITS // 8:
        raise HsmError(
            "the token encrypts under a nonce of its own, which it does not return: it cannot hold keys that encrypt"
            " data",
            reason="unfit_token",
        )
    if _decrypt(key, nonce, once, bound) != data:
        raise HsmError("the token does not decrypt what it has encrypted", reason="unfit_token")
    try:
        _decrypt(key, nonce, bytes([once[0] ^ 1]) + once[1:], bound)
    except pkcs11.PKCS11Error:
        return
    raise HsmError("the token decrypts what was changed: its AES-GCM does not authenticate", reason="unfit_token")


def _check(key: Any) -> None:
    if faults := _faults(key):
        raise HsmError(f"the token made a key with other attributes: {', '.join(faults)}", reason="unfit_token")


def _faults(key: Any) -> list[str]:
    faults = []
    for attribute, expected in EXPECTED.items():
        try:
            found = key[attribute]
        except (pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive):
            faults.append(f"{attribute.name} is not told")
            continue
        if found != expected:
            faults.append(f"{attribute.name} is {getattr(found, 'name', found)}")
    return faults


def _search(session: Any, object_id: bytes | None) -> list[Any]:
    wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.SECRET_KEY}
    if object_id is not None:
        wanted[Attribute.ID] = object_id
    return list(session.get_objects(wanted))


def _find(session: Any, object_id: bytes) -> Any:
    found = _search(session, object_id)
    if len(found) != 1:
        count = "no object" if not found else f"{len(found)} objects"
        raise MissingObjectError(f"the token has {count} with the id {object_id.hex()}, as far as this login sees")
    return found[0]
