"""The shop's Alembic environment: its own revisions and those of kms-schema, in one history."""

import os

import sqlalchemy as sa
from alembic import context
from shop.models import Base

from kms_schema.engine import create_engine
from kms_schema.migrate.environment import migrate, write_sql
from kms_schema.migrate.options import MigrationOptions

options = MigrationOptions.from_x_arguments(context.get_x_argument(as_dictionary=True))
url = os.environ["SHOP_DATABASE_URL"]
# With -x schema=kms our tables are there; alembic_version stays where the shop has it.
settings = {"target_metadata": Base.metadata, "version_table_schema": None}

if context.is_offline_mode():
    write_sql(sa.make_url(url).get_backend_name(), options, **settings)
else:
    with create_engine(url, poolclass=sa.NullPool).connect() as connection:
        migrate(connection, options, **settings)
