"""Programs as people run them: this package's commands, Alembic, an installed wheel."""
