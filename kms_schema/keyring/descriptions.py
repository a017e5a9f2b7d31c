"""Keys and ciphertexts, as the ring describes them: no material."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyDescription:
    """A key after a change."""

    key_id: str
    key_type: str
    algorithm: str
    status: str
    version: int | None
    """The number of its live version; None without one."""
    next_step: str | None = None
    """The step that is missing before the key can be used, and the role for it; None if no step is missing."""


@dataclass(frozen=True)
class CiphertextDescription:
    """The version that made a ciphertext. Nothing is opened, so the ciphertext itself may be damaged."""

    key_id: str
    version: int
    tag: int
    status: str
    """The status of the key."""
    is_live: bool
    """True if the key encrypts with this version."""
    is_destroyed: bool
