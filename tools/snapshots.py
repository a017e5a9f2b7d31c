"""Write the snapshots, or check them, by upgrading throwaway databases revision by revision and reading their
catalogs.

    python -m tools.snapshots --postgresql postgresql://postgres@localhost:5413/postgres --postgresql
    …:5418/postgres python -m tools.snapshots --check --postgresql
    postgresql://postgres@localhost:5418/postgres

SQLite needs no server and is always read. To write, give a server of every supported major version; to check, any.
`--partial` writes what SQLite and the newest version show, and leaves what other versions render differently as it is:
enough to try a change, not to release it.
"""

import argparse
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from kms_schema import snapshots
from kms_schema.database.url import parse_database_url
from kms_schema.snapshots import Objects
from kms_schema.validator.catalog import postgresql_reader, sqlite_reader
from tools.snapshot_files import SUPPORTED_POSTGRESQL, bodies_in, differing, snapshot_files, symbolic

_Seen = dict[str, dict[int, Objects]]


def main() -> int:
    """Run the command; return 0, or 1 if `--check` found a difference."""
    options = _parser().parse_args()
    config = Config(str(options.config))
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    servers = [_Server(url, options.config) for url in options.postgresql]
    if options.check:
        return _check(chain, servers, options.config)
    majors = {server.major for server in servers}
    if options.partial and majors - {max(SUPPORTED_POSTGRESQL)}:
        _parser().error(f"--partial takes a server of version {max(SUPPORTED_POSTGRESQL)} alone")
    missing = set(SUPPORTED_POSTGRESQL) - majors
    if missing and not options.partial:
        _parser().error(f"to write snapshots, give a server of each version; missing: {sorted(missing)}")
    _write(chain, servers, options.config, partial=options.partial)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.snapshots", description=__doc__.partition("\n")[0])
    parser.add_argument("--postgresql", action="append", default=[], metavar="URL", help="a server; needs CREATEDB")
    parser.add_argument("--config", type=Path, default=Path("alembic.ini"), help="default: %(default)s")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--check", action="store_true", help="write nothing; exit 1 if a snapshot is not current")
    extent.add_argument("--partial", action="store_true", help="write without the missing servers")
    return parser


class _Server:
    """A PostgreSQL server with the privilege to create and drop databases."""

    def __init__(self, url: str, ini: Path) -> None:
        self._parameters = parse_database_url(url).connection_parameters()
        self._ini = ini
        with psycopg.connect(**self._parameters) as connection:
            self.major = connection.info.server_version // 10000

    def observe(self, chain: list[str]) -> Iterator[tuple[str, str, Objects]]:
        """Yield revision, version and objects after each revision."""
        with self._throwaway() as (url, parameters):
            for revision in chain:
                _upgrade(url, revision, self._ini)
                with (
                    closing(psycopg.connect(**parameters, autocommit=True)) as connection,
                    postgresql_reader.reading(connection, "public") as reader,
                ):
                    yield revision, reader.version, symbolic(reader.objects(None), connection.info.user)

    @contextmanager
    def _throwaway(self) -> Iterator[tuple[str, dict[str, Any]]]:
        name = f"kms_snapshot_{os.getpid()}"
        with closing(psycopg.connect(**self._parameters, autocommit=True)) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            try:
                info = connection.info
                secret = f":{info.password}" if info.password else ""
                url = f"postgresql+psycopg://{info.user}{secret}@{info.host}:{info.port}/{name}"
                yield url, self._parameters | {"dbname": name}
            finally:
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _observe_sqlite(chain: list[str], ini: Path) -> Iterator[tuple[str, str, Objects]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "snapshot.db"
        for revision in chain:
            _upgrade(f"sqlite:///{file}", revision, ini)
            with closing(sqlite3.connect(file)) as connection, sqlite_reader.reading(connection) as reader:
                yield revision, reader.version, reader.objects(None)


def _upgrade(url: str, revision: str, ini: Path) -> None:
    config = Config(str(ini), cmd_opts=argparse.Namespace(x=[f"url={url}"]), attributes={"configure_logger": False})
    command.upgrade(config, revision)


def _check(chain: list[str], servers: list[_Server], ini: Path) -> int:
    stale = 0
    observations = [("sqlite", seen) for seen in _observe_sqlite(chain, ini)]
    observations += [("postgresql", seen) for server in servers for seen in server.observe(chain)]
    for engine, (revision, version, objects) in observations:
        keys = differing(engine, revision, version, objects)
        stale += bool(keys)
        print(f"{engine} {version} {revision}: {', '.join(keys) or 'current'}")
    return int(stale > 0)


def _write(chain: list[str], servers: list[_Server], ini: Path, *, partial: bool) -> None:
    folder = Path(snapshots.__file__).parent
    seen: dict[str, _Seen] = {
        "sqlite": {revision: {0: objects} for revision, _, objects in _observe_sqlite(chain, ini)}
    }
    if servers:
        seen["postgresql"] = {revision: {} for revision in chain}
    for server in servers:
        for revision, _, objects in server.observe(chain):
            seen["postgresql"][revision][server.major] = objects
    (folder / "revisions.json").write_text(json.dumps(chain, indent=2) + "\n", encoding="utf-8")
    for engine, by_revision in seen.items():
        texts = snapshot_files(by_revision, bodies_in(folder.parent / "sql" / engine))
        (folder / engine).mkdir(exist_ok=True)
        for file in (folder / engine).glob("*.json"):
            if file.name not in texts and not partial:
                file.unlink()
        for name, text in texts.items():
            (folder / engine / name).write_text(text, encoding="utf-8")
        print(f"{engine}: {', '.join(sorted(texts))}")


if __name__ == "__main__":
    sys.exit(main())
