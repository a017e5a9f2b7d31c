"""What the catalog of each engine says at head, recorded before history is rewritten, to be compared afterwards.

    python -m tests.recorded_heads postgresql-13 postgresql-18 sqlite          compare, and print what differs
    python -m tests.recorded_heads --write postgresql-13 postgresql-18 sqlite

A record has the whole catalog with the firing order of triggers (`tests/catalog.py`), what the validator expects, what
`pg_dump -s` prints, and the rows that the history itself writes. Another SQLite than this process's is compared by

    LD_LIBRARY_PATH=$(python -m tests.engines.install sqlite-3.35.2) python -m tests.recorded_heads sqlite-3.35.2
"""

import json
import logging
import lzma
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from kms_schema import snapshots, validate
from tests.catalog import catalog
from tests.engines import Database, Engines
from tests.engines.client_programs import dumped
from tests.statements import execute

FOLDER = Path(__file__).parent / "recorded_heads"
ROWS = {
    "sqlite": {"key_audit_logs": "SELECT event_type FROM key_audit_logs ORDER BY event_type"},
    "postgresql": {
        "key_audit_logs": "SELECT event_type FROM key_audit_logs ORDER BY event_type",
        "key_view_refreshes": "SELECT view_name FROM key_view_refreshes ORDER BY view_name",
    },
}
"""What the history writes, without its times and random identifiers."""
RANDOM_OF_DUMP = re.compile(r"^\\(?:un)?restrict .*$", re.MULTILINE)
"""Lines that later releases of pg_dump print with a random word."""


def record(database: Database) -> dict[str, Any]:
    """Return everything that a database at head is compared by."""
    with closing(database.connect()) as connection:
        rows = {name: execute(connection, query).fetchall() for name, query in ROWS[database.dialect].items()}
        said: dict[str, Any] = {"catalog": catalog(connection), "rows": rows}
        version = validate(connection).version
    said["expected"] = snapshots.load(database.dialect, snapshots.chain()[-1], version)
    if database.dialect == "postgresql":
        dump = RANDOM_OF_DUMP.sub("", dumped(database, "--schema-only"))
        said["dump"] = {str(number): part for number, part in enumerate(dump.split("\n\n--\n"))}
    return json.loads(json.dumps(said, sort_keys=True, default=str))  # type: ignore[no-any-return]


def path_of(name: str) -> Path:
    """Return the file that the record of an engine is in."""
    return FOLDER / f"{name}.json.xz"


def recorded(name: str) -> dict[str, Any]:
    """Return the record of an engine."""
    return json.loads(lzma.decompress(path_of(name).read_bytes()))  # type: ignore[no-any-return]


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is not the same in two records, by section and name."""
    return {
        f"{section}: {name}": (before[section].get(name), after[section].get(name))
        for section in before
        for name in before[section].keys() | after[section].keys()
        if before[section].get(name) != after[section].get(name)
    }


def main(arguments: list[str]) -> int:
    """Write or compare the records of the engines named; return 1 if one differs."""
    logging.disable(logging.INFO)
    names = [name for name in arguments if name != "--write"]
    found = 0
    with closing(Engines()) as engines:
        for name in names:
            now = record(engines.migrated(name, "head"))
            if "--write" in arguments:
                FOLDER.mkdir(exist_ok=True)
                path_of(name).write_bytes(lzma.compress(json.dumps(now, sort_keys=True).encode()))
                continue
            for what, (before, after) in sorted(differences(recorded(name), now).items()):
                found += 1
                print(f"{name}, {what}:\n  before {before}\n  after  {after}")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
