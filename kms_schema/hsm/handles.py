"""Handles of key objects, as `key_versions.hsm_key_id` has them: the HSM's name, and the object's CKA_ID.

The database refuses any change of a version's handle, so that a writer of rows cannot have another HSM used for it.
"""

import re
import secrets
from typing import NamedTuple, Self

from kms_schema.hsm.errors import MissingObjectError

ID_BYTES = 16
_ID = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")


class Handle(NamedTuple):
    """The place of a key object."""

    hsm: str
    """The name of the HSM, `hsm_configurations.configuration_name`."""
    object_id: bytes
    """CKA_ID of the object: 16 random bytes."""

    @classmethod
    def new(cls, hsm: str) -> Self:
        """Return a handle in an HSM that no object has."""
        return cls(hsm, secrets.token_bytes(ID_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the handle of a version. Raises `MissingObjectError` for one that the key ring did not make. Example::

        Handle.parse("luna-1/0f3a…").hsm  # 'luna-1'
        """
        hsm, _, name = text.rpartition("/")
        if not hsm or not _ID.fullmatch(name):
            raise MissingObjectError(
                "the handle of the version was not made by a key ring, which cannot use its key", reason="handle"
            )
        return cls(hsm, bytes.fromhex(name))

    def __str__(self) -> str:
        """Return the text for `hsm_key_id`."""
        return f"{self.hsm}/{self.object_id.hex()}"


def hsm_of_key(hsm_key_id: str) -> str:
    """Return the name of the HSM that makes the next version of a key, from `key_masters.hsm_key_id`.

    hsm_key_id: NAME/KEY_ID, as `key_reference` returns it. Raises `MissingObjectError` (`handle`) for another text.
    """
    hsm, separator, _ = hsm_key_id.partition("/")
    if not separator or not hsm:
        raise MissingObjectError(
            f"hsm_key_id of the key is {hsm_key_id!r}: it names no HSM, as in 'luna-1/orders'", reason="handle"
        )
    return hsm


def key_reference(hsm: str, key_id: str) -> str:
    """Return `key_masters.hsm_key_id` of a key whose versions are made in an HSM. Raises nothing."""
    return f"{hsm}/{key_id}"
