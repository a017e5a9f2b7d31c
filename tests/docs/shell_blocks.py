"""Blocks of commands of the pages, run by a shell."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from support.engines import Database
from support.engines.postgresql import psycopg_url
from support.engines.programs import WHEEL_MAJOR, find_programs
from support.engines.sqlite_shell import install_sqlite_shell
from support.programs import python
from support.rows.smallest import audit_entry, insert
from tests.docs.readers import Block, Reader, section

PREFLIGHT = "(kms-schema preflight --database-url postgresql://kms_migrator@db.example.com/kms 2>&1 || true)"


def run(script: str, folder: Path, **environment: str) -> str:
    """Run commands in `folder` and return what they said; any that fails, fails the test."""
    ours = python.programs(folder / "programs")
    install_sqlite_shell(ours)
    programs = [ours, Path(sys.executable).parent, find_programs(WHEEL_MAJOR).folder]
    inherited = {name: os.environ[name] for name in ("HOME", "LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**inherited, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def url_of(server: Database, **over: str) -> str:
    return psycopg_url(sa.make_url(server.url).set(**over))


def deploy(administrator: Reader, shop: str) -> None:
    """Have an administrator type the section, then try what the login of the application may do, by its URL."""
    for block in section("operations.md", "First deployment"):
        said = administrator.types([block])
        assert ("preflight" in block.text) == ("\nGO\n" in said)
        assert ("check_audit" in block.text) == said.endswith("\nthe proof holds\n")
        assert ("decrypt" in block.text) == said.endswith("\nDE89 3704\n")
    assert "no drift: 2 info" in said
    refused = administrator.types([Block("sh", f"{PREFLIGHT} | grep -c 'GRANT kms_owner TO kms_migrator'\n")])
    assert refused.strip().endswith("1")
    with psycopg.connect(shop, autocommit=True) as application:
        application.execute("SET search_path = kms")
        application.execute("SELECT * FROM key_masters, key_versions")
        insert(application, "key_audit_logs", **audit_entry())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("DELETE FROM key_audit_logs")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary tables"):
            application.execute("CREATE TEMPORARY TABLE t (k uuid REFERENCES key_masters)")
