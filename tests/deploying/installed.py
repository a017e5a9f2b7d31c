"""The web application, installed on either engine as its page says."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploying.containers import EXAMPLES, search_path
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

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query."""
        with closing(self.database.connect()) as connection:
            return list(execute(connection, query).fetchall())

    def install(self) -> None:
        """Upgrade both histories, and create the keys."""
        self.types("kms-schema upgrade", "kms_migrator")
        if self.database.dialect == "postgresql":
            self.types("kms-schema roles --apply", "kms_migrator")
        self.types("alembic upgrade head", "invoices_owner")
        self.types("kms-schema keys create invoices-kek --type kek --under kms://root", "keeper")
        self.types("kms-schema keys create invoices --under invoices-kek", "keeper")


@contextmanager
def installed_on(engine_name: str, folder: Path) -> Iterator[Installed]:
    """Install the application in a new database."""
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
        made.install()
        yield made
        return
    with server(int(engine_name.removeprefix("postgresql-")), folder / "secrets") as deployment:
        done = deployment.bootstrap(deployment.secrets / "logins")
        assert done.returncode == 0, done.stderr
        url = deployment.engine.url.set(database="kms").render_as_string(hide_password=False)
        environment = {"KMS_DATABASE_URL": "postgresql:///?service=kms", "KMS_SCHEMA": "kms"}
        made = Installed(folder, Database(engine_name, "postgresql", url), common | environment)
        made.install()
        yield made
