"""SQLAlchemy models of the tables, for applications.

    from kms_schema.models import KeyMaster

Create the tables with `kms-schema upgrade`, not with `metadata.create_all()`: the metadata does not contain the
triggers, functions and views. States are usable in Python and in queries, `repr` shows what names a row and runs no
query (page "models" of the documentation)::

    session.scalars(select(KeyVersion).where(KeyVersion.is_live)).all()  # [<KeyVersion 2 of 'orders' live>]
"""

from kms_schema.models.actor import acting_for
from kms_schema.models.audit import KeyAuditActor, KeyAuditLog
from kms_schema.models.base import Base, UtcTimestamp, add_storage_checks, current_time
from kms_schema.models.hsm import HsmConfiguration
from kms_schema.models.keys import KeyMaster
from kms_schema.models.records import KeyOperationRecord
from kms_schema.models.rotation import KeyRotation, RotationPolicy
from kms_schema.models.seals import (
    KeyAuditLeafPage,
    KeyAuditRetentionPolicy,
    KeyAuditSeal,
    KeyAuditSubtree,
    KeyAuditTombstone,
)
from kms_schema.models.totals import KeyAuditDailyTotal, KeyRotationCause, KeyViewRefresh
from kms_schema.models.versions import KeyVersion

add_storage_checks(table for table in Base.metadata.tables.values() if table.info.get("only_on") != "postgresql")

__all__ = [
    "Base",
    "HsmConfiguration",
    "KeyAuditActor",
    "KeyAuditDailyTotal",
    "KeyAuditLeafPage",
    "KeyAuditLog",
    "KeyAuditRetentionPolicy",
    "KeyAuditSeal",
    "KeyAuditSubtree",
    "KeyAuditTombstone",
    "KeyMaster",
    "KeyOperationRecord",
    "KeyRotation",
    "KeyRotationCause",
    "KeyVersion",
    "KeyViewRefresh",
    "RotationPolicy",
    "UtcTimestamp",
    "acting_for",
    "current_time",
]
