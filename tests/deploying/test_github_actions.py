"""examples/github: the steps of the workflow, run on a server that asks for no password, as that of the workflow."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from kms_schema.roles.definition import Role
from support.engines import Database, Engine
from support.engines.postgresql import psycopg_url
from support.statements import execute
from tests.deploying.containers import EXAMPLES, search_path

JOB: dict[str, Any] = YAML(typ="safe", pure=True).load(EXAMPLES / "github" / "database.yml")["jobs"]["upgrade"]
SCRIPTS = [step["run"] for step in JOB["steps"] if "run" in step]


@pytest.fixture
def server(engine: Engine) -> Iterator[Database]:
    """An empty database of a server that has no role of ours, before the test and after it."""
    database, other = engine.create(), engine.create()
    yield database
    engine.drop(database)
    with closing(other.connect()) as connection:
        for name in ("invoices", "keeper", *Role):
            execute(connection, f"DROP ROLE IF EXISTS {name}")
    engine.drop(other)


@pytest.mark.only_on("postgresql")
def test_its_steps_run(server: Database, tmp_path: Path) -> None:
    assert SCRIPTS[0] == "pip install -r requirements.txt"
    environment = {
        **JOB["env"],
        "KMS_DATABASE_URL": psycopg_url(sa.make_url(server.url)),
        "PATH": search_path(tmp_path),
    }
    for script in SCRIPTS[1:]:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=EXAMPLES / "invoices", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        assert "::error" not in done.stdout
