"""Errors of the key ring: a class for each reason. No message contains material, plaintext or associated data."""

from typing import Literal

from sqlalchemy.exc import DontWrapMixin

from kms_schema.errors import KmsSchemaError


class KeyRingError(KmsSchemaError, DontWrapMixin):
    """The base class of the errors of the key ring.

    `key_id` and `version` name the key and the version that it is about, where they are known. Example::

        try:
            blob = ring.key("orders").encrypt(data, aad=aad)
        except KeyRingError as error:
            log.warning("%s (key %s, version %s)", error, error.key_id, error.version)
    """

    def __init__(
        self, message: str, *, key_id: str | None = None, version: int | None = None, reason: str | None = None
    ) -> None:
        """Take the message, the name of the key, the number of the version, and the reason."""
        super().__init__(message, reason=reason)
        self.key_id = key_id
        self.version = version

    # DontWrapMixin: raised while SQLAlchemy binds a parameter, an error would else become a StatementError, whose text
    # has the parameters in plaintext.


class UnknownKeyError(KeyRingError):
    """No key has this name, or no version in the database made this `ciphertext`, if it is one."""

    reason: Literal["ciphertext"] | None


class KeyExistsError(KeyRingError):
    """A key with this name exists, or a version has, or had, the ciphertext tag of an imported version.

    `ciphertext_tag`: the tag is taken, or is not 1 to 2^32 - 1.
    """

    reason: Literal["ciphertext_tag"] | None


class UnsupportedKeyError(KeyRingError):
    """The type, the algorithm or the size of the key does not allow the operation."""


class KeyStateError(KeyRingError):
    """The state of the key does not allow the operation.

    - `pending`: it is registered, and not active yet
    - `rotated`: another key supersedes it, and `expired`: it decrypts only
    - `archived`: it neither encrypts nor decrypts
    - `no_live_version`: it has no version to encrypt with, or none to take the place of
    - `status_change`: its status cannot change so, or does not allow the call
    - `not_live`: another process has rotated it since its row was read; the ring reads it again, no caller sees this
    """

    reason: Literal["pending", "rotated", "expired", "archived", "no_live_version", "status_change", "not_live"] | None


class KeyRevokedError(KeyStateError):
    """The key is revoked: it neither encrypts nor decrypts."""


class ColumnError(KeyRingError):
    """A value cannot be read from, or written to, a column.

    - `not_attached`: an encrypted column has no key ring
    - `operator`: the database cannot do this with an encrypted column, such as compare it
    - `value`: a value is not of the type of an encrypted column; it is not shown
    - `row_binding`: a value is bound to its row, and the row is not known, or not as it will be in the database
    - `host`: a column of an application is not there, or its table does not allow the call
    """

    reason: Literal["not_attached", "operator", "value", "row_binding", "host"]


class VersionDestroyedError(KeyRingError):
    """The material of the version is destroyed: its ciphertexts are lost."""


class UsageLimitError(KeyRingError):
    """The live version has reached the maximum number of encryptions."""


class DecryptionError(KeyRingError):
    """A ciphertext does not open: changed, cut, of another key, or with other associated data. The message is one."""


class MaterialUnavailableError(KeyRingError):
    """The material of a version cannot be used: its wrapping key is missing, or the envelope does not open.

    `hsm`: an HSM holds it, which is not given to this process, disabled, lost, or refuses.
    """

    reason: Literal["hsm"] | None


class WrapperUnavailableError(KeyRingError):
    """A key cannot wrap a new version: it is no KEK, or has no live version of an active key.

    - `ended`: its version ended while it wrapped. The ring does that again: a caller rarely sees this
    - `dependents_left`: versions stay under an old version of it: they do not open, or others have locked them
    """

    reason: Literal["ended", "dependents_left"] | None


class KeyNotPermittedError(KeyRingError):
    """The login role has not the privileges of the operation."""


class DatabaseUnavailableError(KeyRingError):
    """The database cannot be read, or not be written as on a standby, or has no tables of this schema."""


class EventLoopError(KeyRingError):
    """An asynchronous ring is used without an event loop, in the loop of another thread, or too late for a result."""


class RingClosedError(KeyRingError):
    """The key ring is closed."""


class KeyInUseError(KeyRingError):
    """A column of an application still holds ciphertexts of the key, or cannot be read; or a version is in use.

    `version`: the version cannot be destroyed: it is live, wraps others, is destroyed already, or does not exist.
    """

    reason: Literal["version"] | None


class HandoverError(KeyRingError, ValueError):
    """A handover file does not open: changed, cut, for another receiver, or another file than the sender named.

    `key`: a file has no key of handovers, is accessible to others, or cryptography was built without ML-KEM-768.
    """

    reason: Literal["key"] | None

    def __init__(self, message: str | None = None, *, reason: str | None = None) -> None:
        """Take the message; without one, it is the same whatever the cause."""
        same = "the handover file does not open: it was changed or is incomplete, or is for another receiver's key"
        super().__init__(message or same, reason=reason)


def does_not_open(key_id: str, hint: str | None = None) -> DecryptionError:
    """Return the error of a ciphertext that does not open. For all reasons it is the same.

    hint: what the first byte of the ciphertext says, which is public.
    """
    if hint is not None:
        return DecryptionError(f"the ciphertext does not open with key {key_id!r}: {hint}", key_id=key_id)
    return DecryptionError(
        f"the ciphertext does not open with key {key_id!r}: it was changed or is incomplete, or its key or associated"
        " data is another",
        key_id=key_id,
    )


def taken_too_late(key_id: str) -> EventLoopError:
    """Return the error of a value of a result whose key has to be read again, where nothing can be awaited."""
    return EventLoopError(
        f"the value was taken from its result too late: key {key_id!r} has to be read again, and nothing can be awaited"
        " here; take the rows within max_age after the statement",
        key_id=key_id,
    )
