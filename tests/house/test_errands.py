"""The errands of CONTRIBUTING.md, typed in one copy of this repository: few files change, and the rest is derived."""

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
UNDER_A_TEST_ROOT = """\
SELECT {part(version_name)} AS name, 'is under a root key for tests' AS problem
FROM {schema}.key_versions AS version LEFT JOIN {schema}.key_masters AS master ON master.id = version.key_id
WHERE version.wrapping_key_ref = 'kms://test'
"""
TEST_OF_CODE = """\
from contextlib import closing

from support.concurrency.statements import master, version
from tests.validator.envelope_rows import found


def test_it_is_found(database):
    with closing(database.connect()) as connection:
        version(connection, master(connection), wrapping_key_ref="kms://test")
        assert "is under a root key for tests" in found(connection)["KMS526"]
"""
CODE = {
    "kms_schema/validator/rules/rows.py": (
        (
            '    rule("KMS525"',
            '    rule("KMS526", "versions under a root key for tests", WARNING, MANUAL, "the tests have the key",\n'
            '        help="rewrap them with kms-schema rewrap", page="crypto"),\n    rule("KMS525"',
        ),
    ),
    "kms_schema/validator/checks/envelopes.py": (
        ('    "KMS525": (', '    "KMS526": ("other root keys", "under_a_test_root", _OF_WRAPPERS),\n    "KMS525": ('),
    ),
    "kms_schema/validator/checks/queries/under_a_test_root.sql": (("", UNDER_A_TEST_ROOT),),
    "tests/validator/test_test_roots.py": (("", TEST_OF_CODE),),
}
COUNT_KEYS = """\
from kms_schema.reading.queries import Queries
from kms_schema.reading.reader import Reader


def count_keys(connection, schema):
    return Reader(connection, schema, Queries(__file__)).rows("key_count")[0][0]
"""
TOTALS = """\
import click

from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import style_option, where, with_common
from kms_schema.cli.results import print_result
from kms_schema.inventory.totals import count_keys


@click.command("totals")
@with_common(where, style_option)
def totals_command(common):
    with opened(as_connection(), common) as connection:
        count = count_keys(connection, common.schema)
    print_result(common.style, {"keys": count}, f"keys: {count}")
"""
TEST_OF_COMMAND = """\
from support.programs.commands import kms_schema


def test_keys_are_counted(database):
    said = kms_schema("totals", url=database.url)
    assert (said.status, said.out) == (0, "keys: 0\\n")
    assert kms_schema("totals", url="kms.db").status == 2
    assert kms_schema("totals", url="sqlite:////no/such/folder/kms.db").status == 3
"""
COMMAND = {
    "kms_schema/inventory/totals.py": (("", COUNT_KEYS),),
    "kms_schema/inventory/queries/key_count.sql": (("", "SELECT count(*) FROM {schema}.key_masters\n"),),
    "kms_schema/cli/documents/totals.py": (("", TOTALS),),
    "kms_schema/cli/documents/__init__.py": (
        (
            '    "report": Lazy(',
            '    "totals": Lazy("kms_schema.cli.documents.totals:totals_command", "Count the keys"),\n'
            '    "report": Lazy(',
        ),
    ),
    "kms_schema/cli/database_errors.py": (('    "validate": "', '    "totals": "kms_auditor",\n    "validate": "'),),
    "tests/inventory/test_totals_command.py": (("", TEST_OF_COMMAND),),
    "ARCHITECTURE.md": (("| inventory | inventory | inventory", "| inventory | inventory, totals | inventory"),),
    "docs/inventory.md": (("\n## Contents", "\n`kms-schema totals` counts the keys.\n\n## Contents"),),
}
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
ERRANDS = {
    "column with a rule": COLUMN,
    "code of the validator": CODE,
    "command": COMMAND,
    "method of the key ring": METHOD,
    "metric": METRIC,
    "claim of a report": CLAIM,
}
"""By the title on the page after "Add a"."""
IN_WORDS = {
    "kms_schema/inventory": "library function in its package",
    "kms_schema/inventory/queries": "library function in its package",
    "kms_schema/cli/documents": "`IN_PROGRAM` of its group",
    "kms_schema/validator/checks/queries": "its check to `kms_schema/validator/checks`",
    "tests/validator": "a test that names the code",
    "tests/inventory": "the folder of its subject",
    "docs": "in its page",
}
"""Folders that the page names in words, since they depend on the errand."""
REFUSALS = "tests/schema/test_refusals.py::test_each_forbidden_write_is_refused_by_its_rule[sqlite-key_masters]"
TESTS = (
    "tests/schema/test_recorded_columns.py", "tests/schema/test_lifecycle_sql.py", REFUSALS,
    "tests/validator/test_probe_coverage.py::test_every_guard_has_an_attempt_or_a_reason",
    "tests/validator/test_validate.py::test_a_fresh_upgrade_has_no_findings",
    "tests/validator/test_rules.py", "tests/validator/test_test_roots.py",
    "tests/inventory/test_totals_command.py", "tests/cli/test_command_groups.py", "tests/house/test_architecture.py",
    "tests/cli/test_configuration.py::test_each_option_has_a_variable_and_help_shows_those_that_are_set_once",
    "tests/keyring/test_async_operations.py::test_both_rings_have_the_same_methods_with_the_same_parameters",
    "tests/keyring/test_async_operations.py::test_the_methods_that_only_await_are_as_they_are_written",
    "tests/monitoring/test_snapshot.py::test_every_metric_shows_what_the_database_has",
    "tests/reports/test_violations.py::test_what_clients_and_owners_can_do",
    "tests/reports/test_violations.py::test_every_claim_that_can_fail_does_in_a_test",
)  # fmt: skip
"""Those that say what is missing after an errand."""


def errand(title: str) -> str:
    """Return an errand of the page."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    (found,) = re.findall(rf"^## {title}\n\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    return str(found)


def is_named(file: str, page: str) -> bool:
    folder = Path(file).parent.as_posix()
    return file in page or IN_WORDS.get(folder, folder) in page


def type_in(copy: Path, changes: dict[str, tuple[tuple[str, str], ...]]) -> None:
    for file, texts in changes.items():
        text = (copy / file).read_text("utf-8") if texts[0][0] else ""
        for old, new in texts:
            assert text.count(old) == 1, (file, old)
            text = text.replace(old, new)
        (copy / file).write_text(text, "utf-8")


def refresh(copy: Path) -> None:
    """Run the parts of tools/refresh that need no server of PostgreSQL."""
    run_in(copy, "-m", "tools.derived_sql")
    run_in(copy, "scripts/test_migrations.py", "--update-checksums")
    for tool in ("snapshots --partial", "declared_attempts", "documentation", "async_methods"):
        run_in(copy, "-m", *f"tools.{tool}".split())


@pytest.mark.parametrize("title", ERRANDS)
def test_an_errand_names_each_file_that_it_changes(title: str) -> None:
    page = " ".join(errand(f"Add a {title}").split())
    assert [file for file in ERRANDS[title] if not is_named(file, page)] == []
    assert title != "column with a rule" or len(COLUMN) <= MOST_FILES


def test_nothing_else_is_missing_after_the_errands(engine: Engine, tmp_path: Path) -> None:
    copy = copy_repository(tmp_path / "copy")
    for changes in ERRANDS.values():
        type_in(copy, changes)
    refresh(copy)
    run_tests(copy, engine, *TESTS, "-k", "not postgresql or recorded")
    table = copy / "kms_schema" / "sql" / "sqlite" / "key_masters" / "key_masters_v01.sql"
    rule = re.compile(r"    CONSTRAINT ck_key_masters_purpose_not_blank .*\n")
    assert rule.search(table.read_text("utf-8"))
    table.write_text(rule.sub("", table.read_text("utf-8")), "utf-8")
    run_in(copy, "-m", "tools.snapshots", "--partial")
    with pytest.raises(AssertionError, match="purpose is '': ACCEPTED"):
        run_tests(copy, engine, REFUSALS)
