"""`scripts/test_migrations.py` finds what is wrong with a history, and says nothing against ours."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from click.testing import CliRunner

from kms_schema.snapshots import chain
from support.engines.programs import REPOSITORY
from support.programs import python
from tools.migration_checks import check_history, checksums
from tools.migration_checks.command import main

HEAD_FILE = f"versions/{chain()[-1][:3]}_*"

NEXT = '''"""A revision for a test."""
from alembic import op
revision = "012_next"
down_revision = "{below}"
def upgrade():
    {upgrade}
def downgrade():
    {downgrade}
'''


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the history, in order, that a test can spoil."""
    shutil.copy(REPOSITORY / "alembic.ini", tmp_path)
    shutil.copytree(REPOSITORY / "migrations", tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    checksums.update_checksums(ScriptDirectory.from_config(Config(str(tmp_path / "alembic.ini"))))
    return tmp_path


def head() -> str:
    found = ScriptDirectory.from_config(Config(str(REPOSITORY / "alembic.ini"))).get_current_head()
    assert found is not None
    return found


def add(copy: Path, *, below: str = "", upgrade: str = "pass", downgrade: str = "pass") -> None:
    text = NEXT.format(below=below or head(), upgrade=upgrade, downgrade=downgrade)
    (copy / "migrations" / "versions" / "012_next.py").write_text(text)


def edit(copy: Path, pattern: str, old: str, new: str) -> None:
    (file,) = (copy / "migrations").glob(pattern)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def problems(copy: Path) -> str:
    return "\n".join(problem for result in check_history(copy / "alembic.ini") for problem in result.problems)


def test_our_history_is_in_order_and_every_check_is_printed(tmp_path: Path) -> None:
    run = python.run(
        [sys.executable, str(REPOSITORY / "scripts" / "test_migrations.py")],
        cwd=tmp_path,
        env={"KMS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert [line[:4] for line in lines[:-1]] == ["ok  "] * 9
    for words in ("one head", "down_revision", "import only", "checksums", "SQLite", "PL/pgSQL, parsed by"):
        assert any(words in line for line in lines), words
    assert lines[-1] == "the history is in order"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda copy: add(copy, below="003_optimize_audit_indexes"), "there are 2 heads"),
        (lambda copy: add(copy, below="002_missing"), "002_missing"),
        (lambda copy: edit(copy, "versions/004*", '"003_optimize_audit_indexes"', "None"), "there are 2 bases"),
        (
            lambda copy: edit(copy, HEAD_FILE, f'"{chain()[-1]}"', f'"{chain()[-1]}{"_and_more" * 4}"'),
            "longer than 32 characters",
        ),
        (lambda copy: edit(copy, HEAD_FILE, f'"{chain()[-1]}"', '"999_other"'), "not the beginning of the file"),
        (
            lambda copy: edit(
                copy,
                "versions/003*",
                "from kms_schema.sql.indexes",
                "import kms_schema.models\nfrom kms_schema.sql.indexes",
            ),
            "imports kms_schema.models",
        ),
        (lambda copy: edit(copy, "versions/004*", '"""Create', '"""Make'), "has changed"),
        (add, "1 without a checksum (012_next.py)"),
        (lambda copy: edit(copy, "checksums.json", "{", '{"sqlite/gone_v01.sql": "00",'), "is gone"),
        (
            lambda copy: edit(copy, "versions/004*", '"prevent_key_audit_log_update_trigger_v01"', '"no_such_v01"'),
            "no_such_v01",
        ),
        (lambda copy: add(copy, upgrade='op.execute("CREATE TABEL t (id int)")'), "CREATE TABEL"),
        (
            lambda copy: add(copy, upgrade='op.execute("DO $$ BEGIN IF true THN NULL; END IF; END $$")'),
            "THN",
        ),
        (lambda copy: add(copy, upgrade='op.execute("CREATE TABLE t (id int)")'), "leaves table t behind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(copy: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(copy)
    assert said in problems(copy)


def test_a_file_that_no_revision_names_is_said(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    (folder / "sqlite").mkdir(parents=True)
    (folder / "sqlite" / "forgotten_v01.sql").write_text("SELECT 1;\n")
    monkeypatch.setattr("tools.migration_checks.sources.sql_folder", lambda: folder)
    assert "sqlite/forgotten_v01.sql is named by no revision" in problems(copy)


def test_what_could_not_be_parsed_is_not_called_parsed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pglast", None)
    assert any(
        "NOT parsed (pglast is not installed)" in result.checked for result in check_history(copy / "alembic.ini")
    )


def test_a_changed_file_is_accepted_only_when_asked_to(copy: Path) -> None:
    ini = str(copy / "alembic.ini")
    edit(copy, "versions/004*", '"""Create', '"""Make')
    before = (copy / "migrations" / "checksums.json").read_text()
    refused = CliRunner().invoke(main, ["--config", ini])
    assert refused.exit_code == 1
    assert "004_create_key_management_system.py has changed" in refused.output
    assert (copy / "migrations" / "checksums.json").read_text() == before
    updated = CliRunner().invoke(main, ["--config", ini, "--update-checksums"])
    assert updated.exit_code == 0, updated.output
    assert "new, changed or gone: 004_create_key_management_system.py\n" in updated.output
    assert CliRunner().invoke(main, ["--config", ini]).exit_code == 0


def test_from_version_1_on_released_files_never_change(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "__version__", "1.0.0")
    ini = str(copy / "alembic.ini")
    add(copy)
    assert CliRunner().invoke(main, ["--config", ini, "--update-checksums"]).exit_code == 0
    edit(copy, "versions/004*", '"""Create', '"""Make')
    refused = CliRunner().invoke(main, ["--config", ini, "--update-checksums"])
    assert refused.exit_code == 1
    assert "released files never change: 004_create_key_management_system.py" in refused.output
    recorded = json.loads((copy / "migrations" / "checksums.json").read_text())
    assert "012_next.py" in recorded
