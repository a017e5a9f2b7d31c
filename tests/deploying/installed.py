"""The web application, installed on either engine as its page says."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploying.containers import EXAMPLES, Container, search_path
from tests.deploying.kubernetes import PODS
from tests.deploying.servers import server
from tests.support.engines.database import Database
from tests.support.engines.programs import REPOSITORY
from tests.support.statements import execute

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

    def create_keys(self) -> None:
        """Create the keys of the application, as the page says."""
        self.types("kms-schema keys create invoices-kek --type kek --under kms://root", "keeper")
        self.types("kms-schema keys create invoices --under invoices-kek", "keeper")

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


@contextmanager
def installed_on(engine_name: str, folder: Path) -> Iterator[Installed]:
    """Install the application in a new database: on PostgreSQL by the Jobs of Kubernetes."""
    common = {
        "PATH": search_path(folder),
        "PYTHONPATH": str(REPOSITORY),
        "KMS_ROOT_KEYS": f"kms://root={folder / 'secrets' / 'root.key'}",
    }
    if engine_name.startswith("sqlite"):
        subprocess.run([EXAMPLES / "postgresql" / "make-secrets", "secrets"], cwd=folder, check=True)
        url = f"sqlite:///{folder / 'kms.db'}"
        environment = {"KMS_DATABASE_URL": url, "KMS_VERSION_TABLE": "kms_alembic_version"}
        made = Installed(folder, Database(engine_name, "sqlite", url), common | environment)
        made.types("kms-schema upgrade; alembic upgrade head; kms-schema validate --quiet", "")
        made.create_keys()
        yield made
        return
    with server(int(engine_name.removeprefix("postgresql-")), folder / "secrets") as deployment:
        done = deployment.bootstrap(deployment.secrets / "logins")
        assert (done.returncode, done.stderr) == (0, "")
        url = deployment.engine.url.set(database="kms").render_as_string(hide_password=False)
        environment = {"KMS_DATABASE_URL": "postgresql:///?service=kms", "KMS_SCHEMA": "kms"}
        made = Installed(folder, Database(engine_name, "postgresql", url), common | environment)
        waiting = PODS["invoices"].containers[0]
        assert made.container("invoices", waiting).run(folder / "early").returncode != 0, "it starts without a schema"
        assert "no drift: 1 warning" in made.run_pod("kms-upgrade")
        made.run_pod("invoices-upgrade")
        made.container("invoices", waiting).succeeds(folder / "late")
        made.create_keys()
        subprocess.run(
            ["kms-schema", "audit", "keygen", "example.com/audit"],
            cwd=made.secrets, env=made.environment, check=True, capture_output=True,
        )  # fmt: skip
        yield made
