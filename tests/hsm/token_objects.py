"""Key objects in the token of a test, as another program sees them."""

from typing import Any

from pkcs11 import Attribute, KeyType, ObjectClass

from kms_schema.hsm.handles import Handle
from kms_schema.pkcs11 import Pkcs11Uri
from kms_schema.pkcs11.token import Token
from support.engines import Database
from support.engines.softhsm import SoftHsm
from tests.keyring.rings import rows


def handles(database: Database, key_id: str) -> list[Handle]:
    """Return the handles of the versions of a key that are not destroyed, in their order."""
    query = (
        "SELECT v.hsm_key_id FROM key_versions AS v JOIN key_masters AS m ON m.id = v.key_id"
        " WHERE m.key_id = :key AND v.hsm_key_id IS NOT NULL ORDER BY v.version_number"
    )
    return [Handle.parse(text) for (text,) in rows(database, query, key=key_id)]


def in_token(token: SoftHsm) -> dict[bytes, str]:
    """Return the ids and labels of the secret keys in the token."""
    with Token(Pkcs11Uri.parse(token.uri("kms"))) as opened, opened.session() as session:
        found = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
        return {each[Attribute.ID]: each[Attribute.LABEL] for each in found}


def import_key(token: SoftHsm, handle: Handle, material: bytes, **over: bool) -> None:
    """Put a key that was made elsewhere into the token."""
    template: dict[Attribute, Any] = {
        Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES, Attribute.VALUE: material,
        Attribute.TOKEN: True, Attribute.PRIVATE: True, Attribute.ID: handle.object_id, Attribute.LABEL: "imported",
        Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.ENCRYPT: True, Attribute.DECRYPT: True,
    }  # fmt: skip
    template |= {Attribute[name]: value for name, value in over.items()}
    with Token(Pkcs11Uri.parse(token.uri("kms"))) as opened, opened.session(writable=True) as session:
        session.create_object(template)


def value_of(token: SoftHsm, handle: Handle) -> bytes:
    """Return the material of an object, which no token should give."""
    with Token(Pkcs11Uri.parse(token.uri("kms"))) as opened, opened.session() as session:
        (key,) = session.get_objects({Attribute.ID: handle.object_id})
        found: bytes = key[Attribute.VALUE]
        return found
