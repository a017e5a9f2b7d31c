"""A trail for the commands of `kms-schema audit`: entries, keys in files, and the checker as somebody else runs it."""

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kms_schema.audit.formats.keys import SigningKey, write_signing_key
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs.commands import Said, kms_schema
from support.rows.smallest import audit_entry, insert
from support.statements import execute
from support.violations.triggers_disabled import triggers_disabled

CHECKER = REPOSITORY / "kms_schema" / "audit" / "standalone" / "check_audit.py"
ORIGIN = "kms.example/audit"
MANY = (
    "INSERT INTO key_audit_logs (event_type, event_category, event_description, security_level, risk_score)"
    " WITH RECURSIVE numbered (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbered WHERE n < {count})"
    " SELECT 'TEST', 'LIFECYCLE', 'one of many', 'LOW', n % 100 FROM numbered"
)


@dataclass(frozen=True)
class Trail:
    """A migrated database with a key that seals it, and a folder for what is kept outside."""

    database: Database
    folder: Path
    key: SigningKey

    @property
    def key_file(self) -> Path:
        return self.folder / "seal.key"

    @property
    def trusted(self) -> Path:
        return self.folder / "keys.txt"

    def audit(self, command: str, *arguments: object) -> Said:
        """Run a command on this database."""
        return kms_schema("audit", command, *map(str, arguments), url=self.database.url)

    def told(self, command: str, *arguments: object) -> Any:
        """Return the JSON that a listing is."""
        return json.loads(self.audit(command, "--format", "json", *arguments).out)

    def write(self, count: int = 1, **columns: Any) -> None:
        """Commit entries, one after the other."""
        with closing(self.database.connect()) as connection:
            execute(connection, "BEGIN")
            for number in range(count):
                insert(connection, "key_audit_logs", **audit_entry(risk_score=number % 100, **columns))
            execute(connection, "COMMIT")

    def seal(self, *arguments: object, name: str = "kept.txt") -> Path:
        """Seal, and return the file in which the checkpoint is kept."""
        done = self.audit("seal", "--key", self.key_file, "--origin", ORIGIN, *arguments)
        assert done.status == 0, done.err
        kept = self.folder / name
        kept.write_text(done.out, encoding="utf-8")
        return kept

    def check(self, document: str, *arguments: object) -> tuple[int, str]:
        """Run the checker on a proof, as one file and a process that knows nothing of this package."""
        proof = self.folder / "proof.json"
        proof.write_text(document, encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable,
                "-I",
                str(CHECKER),
                "proof",
                str(proof),
                "--trust",
                str(self.trusted),
                *map(str, arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout


def trail_of(database: Database, folder: Path) -> Trail:
    """Return the trail of a database, with a key of its own."""
    trail = Trail(database, folder, SigningKey.generate(ORIGIN))
    write_signing_key(trail.key_file, trail.key)
    trail.trusted.write_text(f"{trail.key.verifier}\n", encoding="utf-8")
    return trail


def tamper(trail: Trail, statement: str) -> None:
    """Change something as the owner of the database can."""
    with closing(trail.database.connect()) as connection, triggers_disabled(connection):
        execute(connection, statement)
