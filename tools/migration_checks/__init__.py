"""Checks of the migration history that need no database server: its chain, its SQL, its imports, its checksums.

from tools.migration_checks import check_history
for result in check_history(Path("alembic.ini")):
    print(result)
"""

from collections.abc import Iterator
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from tools.migration_checks.chain import check_chain, check_heads, check_names, check_readable
from tools.migration_checks.checksums import check_checksums
from tools.migration_checks.offline import check_postgresql, check_sqlite
from tools.migration_checks.result import Result
from tools.migration_checks.sources import check_files, check_imports

__all__ = ["Result", "check_history"]


def check_history(alembic_ini: Path) -> Iterator[Result]:
    """Check the history of the environment that `alembic_ini` names, and yield one result for each check.

    If the revisions cannot be read, there is no other check.
    """
    script = ScriptDirectory.from_config(Config(str(alembic_ini)))
    readable = check_readable(script)
    yield readable
    if readable.problems:
        return
    yield check_heads(script)
    yield check_chain(script)
    yield check_names(script)
    yield check_imports(script)
    yield check_files(script)
    yield check_checksums(script)
    yield check_sqlite(alembic_ini)
    yield check_postgresql(alembic_ini)
