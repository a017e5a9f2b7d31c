"""The web application, installed on either engine as its page says."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.engines.database import Database
from support.engines.postgresql import psycopg_url
from support.engines.programs import REPOSITORY
from support.statements import execute
from tests.deploying.containers import EXAMPLES, Container, search_path
from tests.deploying.kubernetes import PODS
from tests.deploying.servers import server
from tests.deploying.systemd import PAGE
from tests.docs.readers import Block, Reader, section

APPLICATION = EXAMPLES / "invoices"


@dataclass(frozen=True)
class Installed:
    """The application with its database, its keys and, on PostgreSQL, its logins."""

    folder: Path
    database: Database
    """As the administrator sees it."""
    environment: dict[str, str]

    def of(self, login: str) -> dict[str, str]:
        """Return the environment of a process that has a login."""
        return {**self.environment, "PGSERVICEFILE": str(self.folder / "secrets" / "logins" / f"{login}.conf")}

    def types(self, command: str, login: str) -> str:
        """Run a command of a login in a shell, in the folder of the application; it must succeed."""
        done = subprocess.run(
            ["sh", "-euc", command], cwd=APPLICATION, env=self.of(login), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def secrets(self) -> Path:
        """The folder that make-secrets wrote."""
        return self.folder / "secrets"

    @property
    def log(self) -> Path:
        """The log of the server, which is beside its socket."""
        [(folder,)] = self.rows("SHOW unix_socket_directories")
        return Path(folder) / "log"

    def container(self, pod: str, given: dict[str, Any]) -> Container:
        """Return a container of a pod."""
        archive = self.folder / "archive"
        archive.mkdir(exist_ok=True)
        return PODS[pod].container(given, self.secrets, archive)

    def run_pod(self, name: str) -> str:
        """Run the containers of a pod one after the other, and return what they said."""
        made = [self.container(name, given) for given in PODS[name].containers]
        return "".join(each.succeeds(self.folder / f"{name}-{number}") for number, each in enumerate(made))

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query."""
        with closing(self.database.connect()) as connection:
            return list(execute(connection, query).fetchall())


SHOWN = "host=db.example.com dbname=kms \\\n    sslmode=verify-full sslrootcert=/etc/ssl/certs/ca-certificates.crt"
"""The lines of service files on the page."""


@contextmanager
def installed_on(engine_name: str, folder: Path) -> Iterator[Installed]:
    """Install the application in a new database, as docs/deploying.md says: on PostgreSQL by the Jobs of Kubernetes."""
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    common = {"PATH": search_path(folder), "PYTHONPATH": str(REPOSITORY)}
    if engine_name.startswith("sqlite"):
        first, _ = section("deploying.md", "The application")
        last = "uvicorn invoices.app:app\n"
        assert first.text.endswith(last)
        Reader(folder).types([Block("sh", first.text.removesuffix(last))])
        application = folder / "examples" / "invoices"
        url = f"sqlite:///{application / 'kms.db'}"
        environment = {
            "KMS_DATABASE_URL": url,
            "KMS_VERSION_TABLE": "kms_alembic_version",
            "KMS_ROOT_KEYS": f"kms://root={application / 'root.key'}",
        }
        yield Installed(folder, Database(engine_name, "sqlite", url), common | environment)
        return
    with server(int(engine_name.removeprefix("postgresql-"))) as engine:
        here = f"host={engine.url.host} port={engine.url.port} dbname=kms"
        Reader(folder, {SHOWN: here}, {"ADMIN_URL": psycopg_url(engine.url)}).types(
            section("deploying.md", "Prepare the server")
        )
        url = engine.url.set(database="kms").render_as_string(hide_password=False)
        environment = {
            "KMS_DATABASE_URL": "postgresql:///?service=kms",
            "KMS_SCHEMA": "kms",
            "KMS_ROOT_KEYS": f"kms://root={folder / 'secrets' / 'root.key'}",
        }
        made = Installed(folder, Database(engine_name, "postgresql", url), common | environment)
        waiting = PODS["invoices"].containers[0]
        assert made.container("invoices", waiting).run(folder / "early").returncode != 0, "it starts without a schema"
        assert "no drift: 1 warning" in made.run_pod("kms-upgrade")
        made.run_pod("invoices-upgrade")
        made.container("invoices", waiting).succeeds(folder / "late")
        for create in re.findall(r"run --rm keeper (keys create .*)", PAGE):
            made.types(f"kms-schema {create}", "keeper")
        yield made
