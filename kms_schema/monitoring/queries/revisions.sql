SELECT version_num FROM {schema}.alembic_version ORDER BY version_num
