"""Roots in PKCS#11 tokens: a generic secret that cannot be read, and one C_Sign for each row."""

import secrets
from collections.abc import Sequence
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from kms_schema.crypto.ciphers import WRAPPING_KEY_BYTES
from kms_schema.crypto.roots import HEALTH_MESSAGE
from kms_schema.crypto.secret import Secret
from kms_schema.pkcs11.errors import TokenLostError, TokenRefusedError, TokenUriError
from kms_schema.pkcs11.token import Token, find_object
from kms_schema.pkcs11.uri import Pkcs11Uri

_KEY_TYPES = (KeyType.GENERIC_SECRET, KeyType.SHA256_HMAC)
_OTHER_USES = (Attribute.ENCRYPT, Attribute.DECRYPT, Attribute.WRAP, Attribute.UNWRAP, Attribute.DERIVE)


def open_root(uri: str, *, despite_refused_pin: bool = False) -> "Pkcs11Root":
    """Return the root of a `pkcs11:` URI, which names a module, a token and an object. Nothing is opened yet.

    despite_refused_pin: as for `kms_schema.pkcs11.token.Token`. Raises `TokenUriError`.
    """
    parsed = Pkcs11Uri.parse(uri)
    if parsed.object is None and parsed.id is None:
        raise TokenUriError("the URI names no key: add object=LABEL or id=%NN")
    return Pkcs11Root(Token(parsed, despite_refused_pin=despite_refused_pin))


class Pkcs11Root:
    """A `kms_schema.crypto.Root` in a token. All of a process that use one token share its login."""

    type = "pkcs11"

    def __init__(self, token: Token) -> None:
        """Use the key that the URI of a token names."""
        self.key: str = str(token.uri)
        self._token = token
        self._found: tuple[Any, Any] | None = None

    def derive(self, message: bytes) -> Secret:
        """Return HMAC-SHA-256 of `message`, which the token computes. Raises the errors of `kms_schema.pkcs11`."""
        return Secret(bytearray(self._token.run(lambda session: self._mac(session, message))))

    def health(self) -> Sequence[str]:
        """Use the key, and return what its attributes permit beside CKM_SHA256_HMAC. Raises as `derive` does."""
        self.derive(HEALTH_MESSAGE).wipe()
        return self._token.run(self._warnings)

    def close(self) -> None:
        """Give back the login."""
        self._found = None
        self._token.close()

    def _mac(self, session: Any, message: bytes) -> bytes:
        made: bytes = self._key_in(session).sign(message, mechanism=Mechanism.SHA256_HMAC)
        return made

    def _key_in(self, session: Any) -> Any:
        """Return the key; looking for it takes ten times as long as a MAC."""
        if self._found is None or self._found[0] is not session:
            key = find_object(session, self._token.uri)
            _check(key, self.key)
            self._found = session, key
        return self._found[1]

    def _warnings(self, session: Any) -> list[str]:
        key = self._key_in(session)
        found = [
            f"the key may also {attribute.name.lower()}, which is more than a root needs"
            for attribute in _OTHER_USES
            if _attribute(key, attribute)
        ]
        if _attribute(key, Attribute.EXTRACTABLE) or _attribute(key, Attribute.SENSITIVE) is False:
            found.append("the key can be read from the token (CKA_EXTRACTABLE, or not CKA_SENSITIVE)")
        if _attribute(key, Attribute.LOCAL) is False:
            found.append("the key was made outside of the token (not CKA_LOCAL): it is as secret as that place was")
        return found


def create_root(uri: str, material: Secret | None = None) -> Pkcs11Root:
    """Make the key that a URI names in its token, and return it as a root: sensitive, not extractable, for HMAC only.

    material: 32 bytes to import; by default the token generates the key. Raises `TokenUriError`, `TokenRefusedError` if
    there is such a key or the token does not make one, and the other errors of `kms_schema.pkcs11`.
    """
    root = open_root(uri)
    named = Pkcs11Uri.parse(uri)
    if named.object is None:
        raise TokenUriError("the URI gives the new key no label: add object=LABEL")
    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: named.object}
    template = {
        **wanted, Attribute.KEY_TYPE: KeyType.GENERIC_SECRET, Attribute.TOKEN: True, Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False, Attribute.SIGN: True,
        **dict.fromkeys((*_OTHER_USES, Attribute.VERIFY), False),
        **({} if named.id is None else {Attribute.ID: named.id}),
    }  # fmt: skip
    with root._token.session(writable=True) as session:
        if list(session.get_objects(wanted)):
            raise TokenRefusedError(f"the token has a key {root.key} already: choose another label")
    try:
        with root._token.session(writable=True) as session:
            _make(session, template, material)
        root.derive(HEALTH_MESSAGE).wipe()
    except TokenLostError:
        with root._token.session() as session:  # raises again where the token is gone
            list(session.get_objects({**wanted, Attribute.LABEL: secrets.token_hex(16)}))
        raise TokenRefusedError(
            f"the token cannot {'generate' if material is None else 'import'} {root.key}, or compute with it, and may"
            " have it now. Remove it, and make the key with the token's own program"
            ' (for a TPM: page "roots" of the documentation)'
        ) from None
    return root


def _make(session: Any, template: dict[Attribute, Any], material: Secret | None) -> None:
    if material is None:
        session.generate_key(
            KeyType.GENERIC_SECRET, 8 * WRAPPING_KEY_BYTES, mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            template=template, capabilities=pkcs11.MechanismFlag.SIGN, store=True,
        )  # fmt: skip
    else:
        session.create_object({**template, Attribute.VALUE: bytes(material.view)})


def _check(key: Any, name: str) -> None:
    """Refuse a key of another type or length; a token that does not say is believed."""
    if key.key_type not in _KEY_TYPES:
        raise TokenRefusedError(f"{name} is a key for something else ({key.key_type.name}): a root is a generic secret")
    length = _attribute(key, Attribute.VALUE_LEN)
    if length not in (None, WRAPPING_KEY_BYTES):
        raise TokenRefusedError(f"{name} has {length} bytes: a root has {WRAPPING_KEY_BYTES}")


def _attribute(key: Any, attribute: Attribute) -> Any:
    try:
        return key[attribute]
    except (pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive):
        return None
