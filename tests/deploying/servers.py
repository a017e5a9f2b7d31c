"""A PostgreSQL server as the examples want one: it asks each login for its password."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploying.containers import EXAMPLES, search_path
from tests.support.engines.postgresql import PostgresqlEngine, psycopg_url
from tests.support.engines.programs import find_programs

ACCESS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Deployment:
    """A server, and the files of secrets."""

    engine: PostgresqlEngine
    secrets: Path

    def login(self, name: str) -> Path:
        """Return the connection service file of a login."""
        return self.secrets / "logins" / f"{name}.conf"

    def bootstrap(self, logins: Path) -> subprocess.CompletedProcess[str]:
        """Run bootstrap.sql as the page says."""
        options = ["-X", "-v", "ON_ERROR_STOP=1", "-v", f"secrets={logins}"]
        return subprocess.run(
            ["psql", psycopg_url(self.engine.url), *options, "-f", str(EXAMPLES / "postgresql" / "bootstrap.sql")],
            env={"PATH": search_path(self.secrets / "programs")},
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def server(major: int, folder: Path) -> Iterator[Deployment]:
    """Start a server, and make secrets for it; nothing else is done."""
    access = Path(tempfile.mkdtemp(prefix="kms-hba-", dir="/tmp"))
    access.chmod(0o755)
    (access / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")
    settings = ("--set", f"hba_file={access / 'pg_hba.conf'}", "--set", "log_statement=all")
    try:
        name = f"postgresql-{major}"
        with closing(PostgresqlEngine(name, find_programs(major), settings)) as engine:
            lines = [f"host={engine.url.host}", f"port={engine.url.port}", "dbname=kms"]
            make = EXAMPLES / "postgresql" / "make-secrets"
            made = subprocess.run([make, folder, *lines], capture_output=True, text=True, check=True)
            assert (made.stdout, made.stderr) == ("", "")
            yield Deployment(engine, folder)
    finally:
        shutil.rmtree(access)
