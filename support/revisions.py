"""The history as Alembic reads it from this checkout."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from support.engines.database import ALEMBIC_INI


def revisions() -> list[str]:
    """Return the revision ids, oldest first."""
    script = ScriptDirectory.from_config(Config(str(ALEMBIC_INI)))
    return [found.revision for found in script.walk_revisions()][::-1]
