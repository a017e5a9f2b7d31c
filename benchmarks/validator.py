"""P7: `kms-schema validate` compared with `alembic check`, which checks a third of the objects."""

import os
import sys

from benchmarks.places import Places
from benchmarks.targets import Limit, Measured
from benchmarks.timing import alternately
from support.engines import Database
from support.engines.database import ALEMBIC_INI
from support.unmanaged_objects import add_foreign_tables


def measure(places: Places) -> list[Measured]:
    """Run both commands alternately on a database at head, with additional foreign tables."""
    with places.empty() as database:
        if places.options.foreign_tables:
            add_foreign_tables(database, places.options.foreign_tables)
        return [_compared(database, places.options.repetitions)]


def _compared(database: Database, repetitions: int) -> Measured:
    environment = os.environ | {"KMS_DATABASE_URL": database.url}
    commands = {
        "kms-schema validate": [sys.executable, "-m", "kms_schema", "validate"],
        "alembic check": [sys.executable, "-m", "alembic", "-c", str(ALEMBIC_INI), "check"],
    }
    times = alternately(commands, repetitions, environment)
    ours, theirs = times["kms-schema validate"], times["alembic check"]
    what = "validator, whole process ÷ `alembic check`"
    return Measured(what, ours.median / theirs.median, Limit(0.5), times)
