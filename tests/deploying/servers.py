"""A PostgreSQL server as the examples want one: it asks each login for its password."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs

ACCESS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@contextmanager
def server(major: int) -> Iterator[PostgresqlEngine]:
    """Start a server that logs each statement."""
    access = Path(tempfile.mkdtemp(prefix="kms-hba-", dir="/tmp"))
    access.chmod(0o755)
    (access / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")
    settings = ("--set", f"hba_file={access / 'pg_hba.conf'}", "--set", "log_statement=all")
    try:
        with closing(PostgresqlEngine(f"postgresql-{major}", find_programs(major), settings)) as engine:
            yield engine
    finally:
        shutil.rmtree(access)
