"""The errands of CONTRIBUTING.md, typed in a copy of this repository: few files change, and the rest is derived."""

import re
from pathlib import Path

import pytest

from support.engines import Engine
from support.engines.programs import REPOSITORY
from support.later.copies import copy_repository, run_in, run_tests

pytestmark = pytest.mark.only_on("sqlite")

MOST_FILES = 8
COLUMN = {
    "kms_schema/models/keys.py": (
        ('        *not_blank("hsm_key_id"),\n', '        *not_blank("hsm_key_id"),\n        *not_blank("purpose"),\n'),
        (
            "    updated_at: Mapped[CreatedAt] =",
            "    purpose: Mapped[str | None] = mapped_column(sa.String(80))\n    updated_at: Mapped[CreatedAt] =",
        ),
    ),
    "kms_schema/roles/definition.py": (
        ('"hsm_metadata", "security_level"', '"hsm_metadata", "purpose", "security_level"'),
    ),
}
"""The errand for a column with a rule, of which administrators are the writers: file, old texts and new ones."""


METRIC = {
    "kms_schema/monitoring/names.py": (
        ('    _gauge("kms_hsm_active"', '    _gauge("kms_hsms", Part.HSMS, "All HSMs."),\n    _gauge("kms_hsm_active"'),
    ),
    "kms_schema/monitoring/parts/keys.py": (
        (
            '    used = dict(reader.rows("hsm_operations"))\n',
            '    samples.append(Sample("kms_hsms", len(found)))\n    used = dict(reader.rows("hsm_operations"))\n',
        ),
    ),
}
METHOD = {
    "kms_schema/keyring/operations.py": (
        (
            "    def attach(self, metadata",
            "    def schema_of_tables(self) -> str:\n"
            '        """Return the schema of the tables. Raises nothing of its own."""\n'
            '        return "public"\n\n    def attach(self, metadata',
        ),
    ),
}
CLAIM = {
    "kms_schema/reports/claims.py": (
        (
            '    Claim(\n        "not-expired",\n',
            '    Claim("reasons", "No status has an odd reason.", violations="unknown", population="active_keys"),\n'
            '    Claim(\n        "not-expired",\n',
        ),
    ),
    "kms_schema/reports/standards/pci_dss.py": (
        ('("registry", "strength", "custody")', '("registry", "strength", "custody", "reasons")'),
    ),
    "tests/reports/wrongs.py": (
        (
            '    Wrong("a rotation is overdue"',
            '    Wrong("a reason is unknown", {"reasons"}, updated(\n'
            "        \"key_masters SET status_reason = 'unknown' WHERE key_id = 'old'\",\n"
            "        \"key_masters SET status_reason = NULL WHERE key_id = 'old'\",\n"
            '    )),\n    Wrong("a rotation is overdue"',
        ),
    ),
    "kms_schema/reports/queries/unknown.sql": (
        ("", "SELECT key_id FROM {schema}.key_masters WHERE status_reason = 'unknown' ORDER BY key_id\n"),
    ),
}
ASYNCHRONOUS = "tests/keyring/test_async_operations.py"
OTHERS = {
    "metric": (METRIC, ("tests/monitoring/test_snapshot.py", "-k", "every_metric")),
    "method of the key ring": (METHOD, (ASYNCHRONOUS, "-k", "both_rings or only_await")),
    "claim of a report": (CLAIM, ("tests/reports/test_reports.py", "tests/reports/test_violations.py")),
}


def errand(title: str) -> str:
    """Return an errand of the page."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    (found,) = re.findall(rf"^## {title}\n\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    return str(found)


def type_in(copy: Path, changes: dict[str, tuple[tuple[str, str], ...]]) -> None:
    for file, texts in changes.items():
        text = (copy / file).read_text("utf-8") if texts[0][0] else ""
        for old, new in texts:
            assert text.count(old) == 1, (file, old)
            text = text.replace(old, new)
        (copy / file).write_text(text, "utf-8")


def refresh(copy: Path) -> None:
    """Run the parts of tools/refresh on SQLite alone: the other snapshots need six servers."""
    run_in(copy, "-m", "tools.derived_sql")
    run_in(copy, "scripts/test_migrations.py", "--update-checksums")
    run_in(copy, "-m", "tools.snapshots", "--partial")
    run_in(copy, "-m", "tools.declared_attempts")


def test_a_column_with_a_rule_is_written_once(engine: Engine, tmp_path: Path) -> None:
    copy = copy_repository(tmp_path / "copy")
    assert len(COLUMN) <= MOST_FILES
    assert all(Path(file).parent.as_posix() in errand("Add a column with a rule") for file in COLUMN)
    type_in(copy, COLUMN)
    refresh(copy)
    run_tests(
        copy, engine, "tests/schema/test_recorded_columns.py", "tests/schema/test_lifecycle_sql.py",
        "tests/validator/test_probe_coverage.py::test_every_guard_has_an_attempt_or_a_reason",
        "tests/validator/test_validate.py::test_a_fresh_upgrade_has_no_findings",
        "tests/schema/test_refusals.py", "-k", "not postgresql or recorded",
    )  # fmt: skip
    table = copy / "kms_schema" / "sql" / "sqlite" / "key_masters" / "key_masters_v01.sql"
    rule = re.compile(r"    CONSTRAINT ck_key_masters_purpose_not_blank .*\n")
    assert rule.search(table.read_text("utf-8"))
    table.write_text(rule.sub("", table.read_text("utf-8")), "utf-8")
    run_in(copy, "-m", "tools.snapshots", "--partial")
    with pytest.raises(AssertionError, match="purpose is '': ACCEPTED"):
        run_tests(copy, engine, "tests/schema/test_refusals.py", "-k", "key_masters")


@pytest.mark.full
@pytest.mark.parametrize("title", OTHERS)
def test_an_errand_names_each_file_that_it_changes(engine: Engine, tmp_path: Path, title: str) -> None:
    changes, tests = OTHERS[title]
    page = errand(f"Add a {title}")
    assert [file for file in changes if file not in page and Path(file).parent.as_posix() not in page] == []
    copy = copy_repository(tmp_path / "copy")
    type_in(copy, changes)
    run_in(copy, "-m", "tools.documentation")
    run_in(copy, "-m", "tools.async_methods")
    run_tests(copy, engine, *tests)
