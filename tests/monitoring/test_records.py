"""Records of publications, cosignatures and validations by the commands, and what they say if they may not write."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from support.statements import execute
from tests.cli.audit_trails import ORIGIN, trail_of
from tests.roles.granted import Granted


def recorded(database: Database) -> list[tuple[object, ...]]:
    query = "SELECT operation, subject, seal_number FROM key_operation_records ORDER BY recorded_at"
    with closing(database.connect()) as connection:
        return [tuple(row) for row in execute(connection, query).fetchall()]


def test_only_what_succeeded_is_recorded(database: Database, tmp_path: Path) -> None:
    trail = trail_of(database, tmp_path)
    assert trail.audit("record").status == 1, "nothing is sealed"
    failed = trail.audit("seal", "--key", trail.key_file, "--origin", ORIGIN, "--publish", "exit 1")
    assert (failed.status, recorded(database)) == (4, [])
    trail.write()
    trail.seal("--publish", "cat > /dev/null")
    assert trail.audit("record", "--seal", 1).status == 0
    assert trail.audit("record", "--witness", "w.example").err.endswith("recorded: cosignature of seal 2\n")
    assert trail.audit("record", "--witness", " ").status == 2
    assert recorded(database) == [
        ("PUBLICATION", ORIGIN, 2), ("PUBLICATION", ORIGIN, 1), ("COSIGNATURE", "w.example", 2),
    ]  # fmt: skip


@pytest.mark.only_on("postgresql")
def test_each_role_records_its_own_operations(database: Database, tmp_path: Path) -> None:
    trail, prefix = trail_of(database, tmp_path), unique("r").replace("-", "_") + "_"
    with closing(database.connect()) as owner:
        assert isinstance(owner, psycopg.Connection)
        apply(owner, prefix=prefix)
        granted = Granted(database, prefix, owner)
        seal = ("audit", "seal", "--key", str(trail.key_file), "--publish", "cat > /dev/null")
        with granted.member(Role.SEALER) as sealer, granted.member(Role.AUDITOR) as auditor:
            assert kms_schema(*seal, url=sealer.url).err.count("not recorded") == 0
            assert kms_schema("validate", "--record", url=auditor.url).err.count("not recorded") == 0
            assert [row[0] for row in recorded(database)] == ["PUBLICATION", "VALIDATION"]
            said = kms_schema("validate", "--record", url=sealer.url)
            assert "the validation is not recorded, and metrics do not show it: " in said.err
            assert kms_schema("audit", "record", url=auditor.url).status == 3
            execute(owner, f"REVOKE INSERT ON key_operation_records FROM {prefix}kms_sealer")
            for column in ("operation", "subject", "seal_number", "errors", "warnings", "infos", "unchecked"):
                execute(owner, f"REVOKE INSERT ({column}) ON key_operation_records FROM {prefix}kms_sealer")
            trail.write()
            said = kms_schema(*seal, url=sealer.url)
            assert (said.status, "run kms-schema roles --apply" in said.err) == (0, True), said.err
        with granted.member(Role.APP) as app:
            said = kms_schema("check", url=app.url)
            hidden = "security cannot be read: query would be affected by row-level security"
            assert (said.status, hidden in said.out) == (3, True), said.out
        drop_roles(owner, *(prefix + role for role in Role))
