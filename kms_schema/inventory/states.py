"""The states of keys of NIST SP 800-57 Part 1, section 7, from the status of a key and the times of its version."""

from enum import StrEnum

from kms_schema.vocabulary import KeyStatus


class MaterialState(StrEnum):
    """The states in a CycloneDX document. `suspended` has no counterpart here: no status pauses a key."""

    PRE_ACTIVATION = "pre-activation"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


class VersionState(StrEnum):
    """The state of a version, from its times."""

    WAITING = "waiting"
    LIVE = "live"
    ENDED = "ended"
    DESTROYED = "destroyed"


STATES: dict[VersionState, dict[KeyStatus, MaterialState]] = {
    VersionState.WAITING: dict.fromkeys(KeyStatus, MaterialState.PRE_ACTIVATION)
    | {KeyStatus.REVOKED: MaterialState.COMPROMISED},
    VersionState.LIVE: dict.fromkeys(KeyStatus, MaterialState.DEACTIVATED)
    | {
        KeyStatus.PENDING: MaterialState.PRE_ACTIVATION,
        KeyStatus.ACTIVE: MaterialState.ACTIVE,
        KeyStatus.REVOKED: MaterialState.COMPROMISED,
    },
    VersionState.ENDED: dict.fromkeys(KeyStatus, MaterialState.DEACTIVATED)
    | {KeyStatus.REVOKED: MaterialState.COMPROMISED},
    VersionState.DESTROYED: dict.fromkeys(KeyStatus, MaterialState.DESTROYED),
}
"""The state of a version, by its own state and the status of its key."""


def version_state(activated_at: str | None, deactivated_at: str | None, destroyed_at: str | None) -> VersionState:
    """Return the state of a version with these times. Raises nothing."""
    if destroyed_at is not None:
        return VersionState.DESTROYED
    if activated_at is None:
        return VersionState.WAITING
    return VersionState.LIVE if deactivated_at is None else VersionState.ENDED


def material_state(status: str, version: VersionState, *, was_revoked: bool, is_past_expiry: bool) -> MaterialState:
    """Return the state of a version by SP 800-57.

    - `status`: of the key. `version`: the state of the version
    - `was_revoked`: the key has a time of revocation, as an archived one can
    - `is_past_expiry`: the key's `expires_at` has passed: a live version of it decrypts only

    Raises `ValueError` for an unknown status. Example::

        material_state("active", VersionState.LIVE, was_revoked=False, is_past_expiry=False)  # active
    """
    state = STATES[version][KeyStatus.REVOKED if was_revoked else KeyStatus(status)]
    return MaterialState.DEACTIVATED if state is MaterialState.ACTIVE and is_past_expiry else state
