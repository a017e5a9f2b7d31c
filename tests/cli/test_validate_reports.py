"""`kms-schema validate` with every format, with waivers and on a terminal, as a program."""

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from kms_schema.validator.formats import FORMATS
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.programs import python
from support.programs.commands import kms_schema as in_this_process
from support.programs.installed import kms_schema
from support.reports import run
from support.revisions import revisions
from tests.validator.report_schemas import junit_schema, sarif_validator

TODAY = datetime.now(UTC).date()
on_either_engine = pytest.mark.only_on("sqlite")
"""What a report looks like and where it goes does not depend on the engine; tests beside these read each."""
NAME = "</pre><script>\"&'\x1b[2J\x9b31m\u202e\u200b\ufffe\r\n::error::a"
"""All that a name can be in 63 bytes, which PostgreSQL keeps of it."""


def make_index(database: Database, name: str = "extra") -> None:
    quoted = name.replace('"', '""')
    with closing(database.connect()) as connection:
        run(connection, f'CREATE INDEX "{quoted}" ON key_audit_logs (user_id)')


def waivers(tmp_path: Path, expires: object, about: str = "index extra") -> Path:
    file = tmp_path / "waivers.toml"
    entry = f"[[waiver]]\ncode = 'KMS132'\nobject = '{about}'\nreason = 'TICKET-7'\nexpires = {expires}\n"
    file.write_text(entry, encoding="utf-8")
    return file


def test_a_hostile_name_in_a_real_database_harms_no_format(database: Database) -> None:
    make_index(database, NAME)
    for style in FORMATS:
        said = in_this_process("validate", "--format", style, url=database.url)
        assert (said.status, said.err) == (1, ""), style
        assert [c for c in said.out if not c.isprintable() and c not in "\n\t"] == [], style
        if style == "junit":
            junit_schema().assertValid(etree.fromstring(said.out.encode()))
        if style == "sarif":
            assert list(sarif_validator().iter_errors(json.loads(said.out))) == []
        if style == "json":
            assert json.loads(said.out)["findings"][0]["object"] == f"index {NAME}"


def test_a_clean_database_passes_in_every_format(database: Database, tmp_path: Path) -> None:
    for style in FORMATS:
        target = tmp_path / style
        said = in_this_process("validate", "--format", style, "--output", str(target), url=database.url)
        assert (said.status, said.out) == (0, ""), style
        text = target.read_text(encoding="utf-8")
        if style == "junit":
            root = etree.fromstring(text.encode())
            junit_schema().assertValid(root)
            assert int(root.get("tests")) > 300
            assert root.xpath("//failure | //error | //skipped") == []
        if style == "sarif":
            results = json.loads(text)["runs"][0]["results"]
            assert [result for result in results if result["level"] == "error"] == []


@on_either_engine
def test_a_waived_finding_exits_0_and_is_listed(database: Database, tmp_path: Path) -> None:
    make_index(database)
    file = waivers(tmp_path, TODAY + timedelta(days=1))
    done = kms_schema("validate", "--database-url", database.url, "--waivers", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    said = f"waived until {TODAY + timedelta(days=1)}: error KMS132 index extra: index unexpected: TICKET-7"
    assert said in done.stdout
    assert done.stdout.splitlines()[-1].startswith("no drift except waived findings: ")


@on_either_engine
def test_an_expired_waiver_exits_1(database: Database, tmp_path: Path) -> None:
    file = waivers(tmp_path, TODAY - timedelta(days=1))
    done = kms_schema("validate", "--database-url", database.url, "--waivers", str(file))
    assert done.returncode == 1
    assert "error KMS903 waiver of KMS132 index extra: waiver expired" in done.stdout


@on_either_engine
def test_a_waiver_without_a_finding_fails_where_warnings_do(database: Database, tmp_path: Path) -> None:
    file = waivers(tmp_path, TODAY + timedelta(days=1))
    arguments = ["validate", "--database-url", database.url, "--waivers", str(file), "--ignore", "KMS4"]
    assert kms_schema(*arguments).returncode == 0
    assert kms_schema(*arguments, "--fail-on", "warning").returncode == 1


@on_either_engine
def test_a_waiver_of_what_only_strict_looks_for_is_no_finding_without_it(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(
        f"[[waiver]]\ncode = 'KMS902'\nreason = 'ours'\nexpires = {TODAY + timedelta(days=1)}\n", encoding="utf-8"
    )
    arguments = ["validate", "--database-url", database.url, "--waivers", str(file)]
    assert "KMS904" not in kms_schema(*arguments).stdout
    assert "KMS904" in kms_schema(*arguments, "--strict").stdout


def test_waivers_that_cannot_be_used_exit_2_in_one_line_before_anything_is_connected(tmp_path: Path) -> None:
    file = waivers(tmp_path, "'tomorrow'")
    done = kms_schema("validate", "--database-url", "postgresql://127.0.0.1:1/kms", "--waivers", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"Error: {file}, waiver 1 (line 1): it has no day to expire")
    for missing in (tmp_path / "none.toml", tmp_path):
        assert kms_schema("validate", "--waivers", str(missing)).returncode == 2


def on_a_terminal(database: Database, columns: int, **environment: str) -> str:
    """Run the command with a terminal of that width as its standard output, and return what it wrote there."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "kms_schema", "validate", "--database-url", database.url]
    variables = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "PYTHONPATH": str(REPOSITORY), **environment}
    written = b""
    with python.Popen(command, stdout=child, env={k: v for k, v in variables.items() if v}) as process:
        os.close(child)
        while True:
            try:
                read = os.read(parent, 65536)
            except OSError:
                break
            if not read:
                break
            written += read
    os.close(parent)
    assert process.returncode == 1
    return written.decode().replace("\r\n", "\n")


@on_either_engine
def test_a_terminal_gets_colour_and_lines_that_fit(database: Database) -> None:
    make_index(database)
    text = on_a_terminal(database, 80)
    assert "\x1b[31merror\x1b[0m" in text
    assert "\n\x1b[1;31mdrift detected: 1 error" in text
    without_colour = on_a_terminal(database, 80, NO_COLOR="1")
    assert "\x1b" not in without_colour
    assert "\x1b" not in on_a_terminal(database, 80, TERM="dumb")
    assert "\x1b" in on_a_terminal(database, 80, NO_COLOR="")
    for line in without_colour.splitlines():
        assert len(line) <= 80 or " " not in line[12:].strip(), line


@on_either_engine
def test_what_is_piped_is_the_same_whatever_the_terminal(database: Database) -> None:
    make_index(database)
    written = [
        kms_schema("validate", "--database-url", database.url, COLUMNS=columns).stdout for columns in ("40", "200")
    ]
    assert written[0] == written[1]
    assert f"compared with {revisions()[-1]})\ndrift detected: 1 error" in written[0]


@on_either_engine
def test_a_locale_without_the_characters_is_no_traceback(database: Database) -> None:
    make_index(database, "ключ")
    done = kms_schema("validate", "--database-url", database.url, PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert "index \\u043a\\u043b\\u044e\\u0447" in done.stdout


@on_either_engine
def test_a_format_is_imported_only_when_it_is_asked_for(database: Database, tmp_path: Path) -> None:
    """A check of a few milliseconds must not pay for pages and schemas that nobody asked for."""
    program = (
        "import sys; from kms_schema.cli import run; run(sys.argv[1:]);"
        " print(*[name for name in sys.modules if name.startswith('kms_schema.') or name in"
        " ('tomllib', 'xml.etree', 'html', 'difflib', 'hashlib', 'json', 'sqlalchemy', 'alembic')], file=sys.stderr)"
    )

    def imported(*arguments: str) -> set[str]:
        words = ["validate", "--database-url", database.url, "--output", str(tmp_path / "report"), *arguments]
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
        return set(done.stderr.splitlines()[-1].split())

    plain = imported("--format", "text")
    lazy = {f"kms_schema.validator.formats.{style}" for style in FORMATS}
    assert plain & lazy == {"kms_schema.validator.formats.text"}
    assert plain & {"kms_schema.validator.waivers", "tomllib", "xml.etree"} == set()
    assert plain & {"html", "sqlalchemy", "alembic", "kms_schema.pytest_plugin"} == set()
    for style in ("junit", "sarif", "html"):
        assert f"kms_schema.validator.formats.{style}" in imported("--format", style)
    assert "kms_schema.validator.waivers" in imported("--waivers", str(waivers(tmp_path, TODAY)))
