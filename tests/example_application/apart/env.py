"""The shop's Alembic environment, which knows nothing of kms-schema but what it must leave alone."""

import os

import sqlalchemy as sa
from alembic import context
from shop.models import Base

from kms_schema.models.autogenerate import hooks_for_host

schema = context.get_x_argument(as_dictionary=True).get("kms-schema", "public")

with sa.create_engine(os.environ["SHOP_DATABASE_URL"], poolclass=sa.NullPool).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        **hooks_for_host(schema, version_table="kms_alembic_version"),
    )
    with context.begin_transaction():
        context.run_migrations()
