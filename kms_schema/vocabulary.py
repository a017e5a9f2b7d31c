"""The values of the schema's enumerated columns, and the lifecycles between them.

Models, constraints, triggers and documentation derive from this module. Terms follow NIST SP 800-57 Part 1, section 7
(key states), where it defines one.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class KeyType(StrEnum):
    """The use of a key."""

    KEK = "kek"
    DEK = "dek"
    TLS = "tls"
    HSM = "hsm"
    BACKUP = "backup"


class KeyStatus(StrEnum):
    """The status of a key; `KEY_LIFECYCLE` defines the allowed changes."""

    PENDING = "pending"
    ACTIVE = "active"
    ROTATED = "rotated"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ARCHIVED = "archived"


class KeySecurityLevel(StrEnum):
    """The protection that a key requires."""

    HIGH = "HIGH"
    MAXIMUM = "MAXIMUM"


class RotationTrigger(StrEnum):
    """The cause of a rotation."""

    SCHEDULED = "scheduled"
    USAGE_COUNT = "usage_count"
    DATA_VOLUME = "data_volume"
    SECURITY_INCIDENT = "security_incident"
    COMPLIANCE = "compliance"
    MANUAL = "manual"


class RotationStatus(StrEnum):
    """The status of a rotation; `ROTATION_LIFECYCLE` defines the allowed changes."""

    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class RotationCause(StrEnum):
    """A cause of rotation in the audit log, as named in `rotations_due`."""

    INCIDENT = "incident"
    """A CRITICAL entry of category SECURITY."""
    COMPLIANCE = "compliance"
    """An entry of category COMPLIANCE and type ROTATION_REQUIRED."""


class HsmProvider(StrEnum):
    """The provider of an HSM that contains a key."""

    AWS_CLOUDHSM = "aws_cloudhsm"
    AZURE_DEDICATED_HSM = "azure_dedicated_hsm"
    GOOGLE_CLOUD_HSM = "google_cloud_hsm"
    THALES_LUNA = "thales_luna"
    UTIMACO = "utimaco"
    PKCS11 = "pkcs11"
    SOFTWARE_SIMULATION = "software_simulation"


class HsmHealth(StrEnum):
    """The result of the last health check of an HSM."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    OFFLINE = "OFFLINE"


class AuditCategory(StrEnum):
    """The category of an event in the audit log."""

    LIFECYCLE = "LIFECYCLE"
    SECURITY = "SECURITY"
    COMPLIANCE = "COMPLIANCE"
    POLICY = "POLICY"


class AuditSecurityLevel(StrEnum):
    """The severity of an audit entry."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class RecordedOperation(StrEnum):
    """An operation that `key_operation_records` has: it leaves nothing else in the database."""

    PUBLICATION = "PUBLICATION"
    """A checkpoint was published outside the database."""
    COSIGNATURE = "COSIGNATURE"
    """A witness cosigned a checkpoint."""
    VALIDATION = "VALIDATION"
    """The schema was validated."""


class UseEvent(StrEnum):
    """The types of the entries about the use of keys, which the application's key ring writes.

    They are no `RecordedEvent`: the role `kms_app` writes them, and no change of a row comes with them.
    """

    KEY_USED = "KEY_USED"
    """A process used a version: at its first use, then hourly, with the counts since the entry before."""
    KEY_USE_REFUSED = "KEY_USE_REFUSED"
    """A use was refused, by the state of the key or by a limit: once a key, reason and minute."""
    REVOKED_KEY_OPENED = "REVOKED_KEY_OPENED"
    """A revoked key is about to be opened, with the reason: `kms_rotator` writes it before the first opening."""
    KEY_HANDOVER_STARTED = "KEY_HANDOVER_STARTED"
    """A version is about to be opened for a receiver, with its fingerprint: `kms_rotator` writes it before."""
    KEY_HANDED_OVER = "KEY_HANDED_OVER"
    """The handover file of a version was made, with its SHA-256."""
    KEY_TAKEN_OVER = "KEY_TAKEN_OVER"
    """A key was created from a handover file; the entry has the SHA-256 of the file."""

    @property
    def category(self) -> AuditCategory:
        """The category of its entries."""
        return AuditCategory.LIFECYCLE if self in (self.KEY_USED, self.KEY_TAKEN_OVER) else AuditCategory.SECURITY

    @property
    def security_level(self) -> AuditSecurityLevel:
        """The level of its entries; of refusals below HIGH, so that they alone lower no key's health score."""
        if self in (self.REVOKED_KEY_OPENED, self.KEY_HANDOVER_STARTED):
            return AuditSecurityLevel.HIGH
        return AuditSecurityLevel.LOW if self is self.KEY_USED else AuditSecurityLevel.MEDIUM


class DocumentEvent(StrEnum):
    """The type of the entries about documents for auditors: `kms_schema.audit.record_document` writes them.

    It is no `RecordedEvent`: no change of a row comes with it. Of all types the role `kms_auditor` may write this one.
    """

    DOCUMENT_WRITTEN = "DOCUMENT_WRITTEN"
    """A report or an inventory was written: its kind, SHA-256, scope and checkpoint."""

    @property
    def category(self) -> AuditCategory:
        """The category of its entries."""
        return AuditCategory.COMPLIANCE

    @property
    def security_level(self) -> AuditSecurityLevel:
        """The level of its entries."""
        return AuditSecurityLevel.LOW


class RecordedEvent(StrEnum):
    """The types of the entries that the database itself writes, in the transaction of each change.

    On PostgreSQL only the owner can write an entry of one of these types without the change.
    """

    KEY_CREATED = "KEY_CREATED"
    KEY_ACTIVATED = "KEY_ACTIVATED"
    KEY_ROTATED = "KEY_ROTATED"
    KEY_EXPIRED = "KEY_EXPIRED"
    KEY_REVOKED = "KEY_REVOKED"
    KEY_ARCHIVED = "KEY_ARCHIVED"
    KEY_PARENT_CHANGED = "KEY_PARENT_CHANGED"
    KEY_CHANGED = "KEY_CHANGED"
    KEY_DELETED = "KEY_DELETED"
    VERSION_CREATED = "VERSION_CREATED"
    VERSION_ACTIVATED = "VERSION_ACTIVATED"
    VERSION_DEACTIVATED = "VERSION_DEACTIVATED"
    VERSION_DESTROYED = "VERSION_DESTROYED"
    VERSION_REWRAPPED = "VERSION_REWRAPPED"
    VERSION_CHANGED = "VERSION_CHANGED"
    VERSION_DELETED = "VERSION_DELETED"
    VERSION_COUNT_JUMPED = "VERSION_COUNT_JUMPED"
    """A statement added more to the counters of a version than a key ring reserves at once: an incident."""
    POLICY_CREATED = "POLICY_CREATED"
    POLICY_CHANGED = "POLICY_CHANGED"
    POLICY_DELETED = "POLICY_DELETED"
    ROTATION_SCHEDULED = "ROTATION_SCHEDULED"
    ROTATION_STARTED = "ROTATION_STARTED"
    ROTATION_TAKEN_OVER = "ROTATION_TAKEN_OVER"
    ROTATION_COMPLETED = "ROTATION_COMPLETED"
    ROTATION_FAILED = "ROTATION_FAILED"
    ROTATION_CHANGED = "ROTATION_CHANGED"
    ROTATION_DELETED = "ROTATION_DELETED"
    HSM_CONFIGURATION_CREATED = "HSM_CONFIGURATION_CREATED"
    HSM_CONFIGURATION_CHANGED = "HSM_CONFIGURATION_CHANGED"
    HSM_CONFIGURATION_DELETED = "HSM_CONFIGURATION_DELETED"
    HSM_HEALTH_CHANGED = "HSM_HEALTH_CHANGED"
    """A health check found another health than the check before; the entry has the time and the response time."""
    RETENTION_POLICY_CREATED = "RETENTION_POLICY_CREATED"
    RETENTION_POLICY_CHANGED = "RETENTION_POLICY_CHANGED"
    RETENTION_POLICY_DELETED = "RETENTION_POLICY_DELETED"
    TRAIL_CUT = "TRAIL_CUT"
    """A tombstone was written: the oldest entries may be removed."""
    RIGHTS_CHANGED = "RIGHTS_CHANGED"
    """Privileges were changed. Written by `kms-schema roles`, not by a trigger."""

    @property
    def category(self) -> AuditCategory:
        """The category of its entries."""
        if self.startswith(("POLICY_", "RETENTION_")):
            return AuditCategory.POLICY
        if self is self.TRAIL_CUT:
            return AuditCategory.COMPLIANCE
        is_security = self.startswith(("HSM_", "RIGHTS_")) or self is self.VERSION_COUNT_JUMPED
        return AuditCategory.SECURITY if is_security else AuditCategory.LIFECYCLE

    @property
    def security_level(self) -> AuditSecurityLevel:
        """The severity of its entries; HIGH requires a review each time, CRITICAL a rotation."""
        if self is self.VERSION_COUNT_JUMPED:
            return AuditSecurityLevel.CRITICAL
        if (
            self.endswith("_DELETED")
            or self.startswith("RETENTION_")
            or self
            in (
                self.KEY_REVOKED,
                self.HSM_CONFIGURATION_CHANGED,
                self.TRAIL_CUT,
                self.RIGHTS_CHANGED,
            )
        ):
            return AuditSecurityLevel.HIGH
        notable = ("_CHANGED", "_EXPIRED", "_DESTROYED", "_REWRAPPED", "_TAKEN_OVER", "_FAILED")
        return AuditSecurityLevel.MEDIUM if self.endswith(notable) else AuditSecurityLevel.LOW


EVENT_TYPES: tuple[str, ...] = (*RecordedEvent, *UseEvent, *DocumentEvent)
"""The types of entries that this package and the database write; applications have others besides."""

KEY_LIFECYCLE: Mapping[KeyStatus, tuple[KeyStatus, ...]] = MappingProxyType(
    {
        KeyStatus.PENDING: (KeyStatus.ACTIVE, KeyStatus.REVOKED),
        KeyStatus.ACTIVE: (KeyStatus.ROTATED, KeyStatus.EXPIRED, KeyStatus.REVOKED),
        KeyStatus.ROTATED: (KeyStatus.EXPIRED, KeyStatus.ARCHIVED, KeyStatus.REVOKED),
        KeyStatus.EXPIRED: (KeyStatus.ARCHIVED, KeyStatus.REVOKED),
        KeyStatus.REVOKED: (KeyStatus.ARCHIVED,),
        KeyStatus.ARCHIVED: (),
    }
)
"""From each key status, the statuses it may change to."""

KEY_STATUS_TIME: Mapping[KeyStatus, str] = MappingProxyType(
    {
        KeyStatus.ACTIVE: "activated_at",
        KeyStatus.ROTATED: "rotated_at",
        KeyStatus.EXPIRED: "expired_at",
        KeyStatus.REVOKED: "revoked_at",
        KeyStatus.ARCHIVED: "archived_at",
    }
)
"""The column of `key_masters` with the time at which a key entered a status; for `pending` it is `created_at`."""

ROTATION_LIFECYCLE: Mapping[RotationStatus, tuple[RotationStatus, ...]] = MappingProxyType(
    {
        RotationStatus.SCHEDULED: (RotationStatus.RUNNING,),
        RotationStatus.RUNNING: (RotationStatus.COMPLETED, RotationStatus.FAILED),
        RotationStatus.COMPLETED: (),
        RotationStatus.FAILED: (RotationStatus.SCHEDULED,),
    }
)
"""From each rotation status, the statuses it may change to (`FAILED` to `SCHEDULED` while retries are left)."""


def statuses_before(status: KeyStatus) -> frozenset[KeyStatus]:
    """Return the statuses that a key in `status` can have had before, without `status` itself."""
    before: set[KeyStatus] = set()
    unread = [status]
    while unread:
        reached = unread.pop()
        for earlier, later in KEY_LIFECYCLE.items():
            if reached in later and earlier not in before:
                before.add(earlier)
                unread.append(earlier)
    return frozenset(before)
