"""The table of the application."""

import uuid

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kms_schema.keyring import EncryptedColumn


class Base(DeclarativeBase):
    """The tables of the application, and none of kms-schema."""


class Invoice(Base):
    """An invoice. Its IBAN is bound to its id: a ciphertext that is copied to another invoice does not open there."""

    __tablename__ = "invoices"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    iban: Mapped[str] = mapped_column(EncryptedColumn("invoices", row=("id",)))
