"""Records of operations that leave nothing else in the database: publications, cosignatures, validations."""

import datetime as dt
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from kms_schema.models.base import Base, UtcTimestamp, check, current_time, not_blank, one_of, vocabulary_column
from kms_schema.vocabulary import RecordedOperation


class session_role(FunctionElement[str]):  # noqa: N801  (named like an SQL function)
    """The role that logged in (PostgreSQL); SQLite has no roles."""

    type: sa.types.TypeEngine[str] = sa.String()
    inherit_cache: bool | None = True


@compiles(session_role, "postgresql")
def _session_role_postgresql(_element: session_role, _compiler: Any, **_kw: Any) -> str:
    return "SESSION_USER"


@compiles(session_role, "sqlite")
def _session_role_sqlite(_element: session_role, _compiler: Any, **_kw: Any) -> str:
    return "('sqlite')"  # some versions of SQLAlchemy add these, others do not


class KeyOperationRecord(Base):
    """The statement of a program that it published a checkpoint, had it cosigned, or validated the database.

    It is no evidence: a role that may write it can do so without the operation. The server sets its time and role.
    """

    __tablename__ = "key_operation_records"
    __table_args__: Any = (
        check("operation_known", one_of("operation", RecordedOperation)),
        *not_blank("subject"),
        check(
            "values_of_operation",
            "CASE operation WHEN 'VALIDATION' THEN seal_number IS NULL"
            " AND coalesce(errors, -1) >= 0 AND coalesce(warnings, -1) >= 0 AND coalesce(infos, -1) >= 0"
            " AND coalesce(unchecked, -1) >= 0"
            " ELSE coalesce(seal_number, 0) >= 1 AND errors IS NULL AND warnings IS NULL AND infos IS NULL"
            " AND unchecked IS NULL END",
        ),
        {"sqlite_with_rowid": False},
    )

    operation: Mapped[RecordedOperation] = mapped_column(vocabulary_column(RecordedOperation), primary_key=True)
    subject: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    """The origin of a published trail, the name of a witness, or the level of a validation."""
    recorded_at: Mapped[dt.datetime] = mapped_column(UtcTimestamp, primary_key=True, server_default=current_time())
    recorded_by: Mapped[str] = mapped_column(sa.String(100), server_default=session_role())
    seal_number: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The seal of the checkpoint; NULL for a validation."""
    errors: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The number of findings of a validation by severity; NULL for a checkpoint."""
    warnings: Mapped[int | None] = mapped_column(sa.BigInteger)
    infos: Mapped[int | None] = mapped_column(sa.BigInteger)
    unchecked: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The number of checks of a validation that could not run; NULL for a checkpoint."""

    shown: ClassVar[tuple[str, ...]] = ("operation", "subject", "recorded_at")
