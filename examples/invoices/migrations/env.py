"""The application's Alembic environment: its own tables, beside those of kms-schema."""

import os

import sqlalchemy as sa
from alembic import context
from invoices.models import Base

from kms_schema.engine import create_engine
from kms_schema.models.autogenerate import hooks_for_host

with create_engine(os.environ["KMS_DATABASE_URL"], poolclass=sa.NullPool).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        **hooks_for_host(
            os.environ.get("KMS_SCHEMA", "public"),
            default_schema="invoices" if connection.dialect.name == "postgresql" else "public",
            version_table=os.environ.get("KMS_VERSION_TABLE", "kms_alembic_version"),
        ),
    )
    with context.begin_transaction():
        context.run_migrations()
