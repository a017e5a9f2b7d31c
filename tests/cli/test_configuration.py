"""Options from variables and from pyproject.toml, and values that are empty."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kms_schema.cli import program
from kms_schema.cli.configuration import AS_BYTES, TYPED_ONLY, name_of
from kms_schema.database.sources import find_source
from kms_schema.database.url import DatabaseUrlError
from support.engines.programs import REPOSITORY
from support.programs.commands import Said, kms_schema

pytestmark = pytest.mark.only_on("sqlite")
SHOWN = {"KMS_HSMS", "KMS_ROOT_KEYS", "KMS_SCHEMA", "KMS_VERSION_TABLE"}
HIDDEN = "k3pt-to-myself"


def commands(
    group: click.Group = program, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its words, without the groups."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


def options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def with_file(text: str, *words: str) -> Said:
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    return kms_schema(*words)


def test_each_option_has_a_variable_and_help_shows_those_that_are_set_once() -> None:
    page = (REPOSITORY / "docs" / "command-line.md").read_text("utf-8")
    for words, command in commands():
        variables = [each.envvar for each in options(command) if name_of(each) not in TYPED_ONLY]
        assert len({*variables, None}) == len(variables) + 1, words
        shown = "".join(command.get_help(click.Context(command)).split())
        assert [each for each in variables if f"`{each}`" not in page] == [], words
        assert set(re.findall(r"envvar:(\w+)", shown)) == SHOWN & {*variables}, words
        assert {each.envvar for each in options(command) if name_of(each) in TYPED_ONLY} <= {None}, words


def test_the_command_line_goes_before_variables_and_these_before_the_file() -> None:
    file = '[tool.kms-schema]\nformat = "json"\n'
    assert with_file(file, "history").out.startswith("[")
    assert with_file(file.replace("]", ".history]"), "history").out.startswith("[")
    assert kms_schema("history", environment={"KMS_FORMAT": "text"}).out.startswith("003")
    assert kms_schema("history", "--format", "json", environment={"KMS_FORMAT": "text"}).out.startswith("[")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "[tool.kms-schema.sql]\nallow-audit-loss = true",
            "allow-audit-loss in [tool.kms-schema.sql] is not read from there",
        ),
        ('[tool.kms-schema.sql]\nshema = "kms"', "shema in [tool.kms-schema.sql] is unknown: did you mean schema?"),
        ('[tool.kms-schema]\ndatabse-url = "sqlite:///"', "is unknown: did you mean database-url?"),
        ('[tool.kms_schema]\nschema = "kms"', "write [tool.kms-schema] in place of [tool.kms_schema]"),
        ('[tool.kms-shema]\nschema = "kms"', "write [tool.kms-schema] in place of [tool.kms-shema]"),
        ('[kms-schema]\nschema = "kms"', "write [tool.kms-schema] in place of [kms-schema]"),
        ('[tools.kms-schema]\nschema = "kms"', "write [tool.kms-schema] in place of [tools.kms-schema]"),
        ('[tools.kms_schema]\nschema = "kms"', "write [tool.kms-schema] in place of [tools.kms_schema]"),
        ('[kms_schema]\nschema = "kms"', "write [tool.kms-schema] in place of [kms_schema]"),
        ('[tool.kms.schema]\nschema = "kms"', "write [tool.kms-schema] in place of [tool.kms.schema]"),
        ('[project.kms-schema]\nschema = "kms"', "write [tool.kms-schema] in place of [project.kms-schema]"),
        ('[project.tool.kms-schema]\nschema = "kms"', "write [tool.kms-schema] in place of [project.tool.kms-schema]"),
        ("[tool.kms-schema.audt]", "the table audt in [tool.kms-schema] is no command: did you mean audit?"),
        ('[tool.kms-schema.sql]\ndatabase-url = "x"', "database-url stands in [tool.kms-schema], not in"),
        ("[tool.kms-schema]\nschema = true", "schema takes a text or a number"),
        ("[tool.kms-schema.sql]\nlock-timeout-ms = 'x'", "'lock-timeout-ms in pyproject.toml'"),
        ('[tool.kms-schema]\nschema = " "', "schema is empty"),
        ('[tool.kms-schema.sql]\ndown = "yes"', "down is true or false"),
        ("[tool.kms-schema]\nschema = [", "it is no valid TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(text: str, error: str) -> None:
    said = with_file(text, "sql", "--engine", "sqlite")
    assert (said.status, error in said.error) == (2, True), said.error
    assert kms_schema("sql", "--help").status == 0


def test_a_table_of_another_program_is_no_error() -> None:
    file = '[project]\nname = "kms-schema"\nscripts = {kms-schema = "a:b"}\n[tool.kms]\nschema = "theirs"\n'
    assert with_file(file, "history").status == 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[tool.kms-schema.audit.seall]", "the table seall in [tool.kms-schema.audit] is no command"),
        ("[tool.kms-schema.audit]\nquiet = true", "quiet in [tool.kms-schema.audit] belongs in the table of one"),
    ],
)
def test_a_table_of_a_group_has_tables_of_its_commands(text: str, error: str) -> None:
    said = with_file(text, "audit", "status")
    assert (said.status, error in said.error) == (2, True), said.error


def test_a_name_that_is_similar_names_no_other_database(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kms_schema("upgrade", url="sqlite:///kms.db").status == 0
    Path("pyproject.toml").write_text('[tool.kms-schema]\ndatabse_url = "sqlite:///other.db"', encoding="utf-8")
    with pytest.raises(DatabaseUrlError, match="did you mean database-url"):
        find_source()
    assert "did you mean database-url" in kms_schema("current").error
    Path("pyproject.toml").unlink()
    monkeypatch.setenv("KMS_DATABSE_URL", "sqlite:///other.db")
    said = kms_schema("current")
    assert (said.status, "KMS_DATABSE_URL is not read: the variable is KMS_DATABASE_URL" in said.err) == (0, True)


def test_an_empty_value_is_refused_by_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, _ in commands():
        for given in (["--schema", ""], ["--format="], [" "]):
            said = kms_schema(*words, *given)
            wrong = 3 if words == ("check",) else 2  # what a plugin of Nagios does not know
            assert (said.status, "empty" in said.all) == (wrong, True), (words, given, said.all)
    monkeypatch.setenv("KMS_SCHEMA", "")
    assert "KMS_SCHEMA is empty" in kms_schema("current").error


def test_an_empty_key_does_not_make_an_unsigned_seal() -> None:
    said = kms_schema("audit", "seal", url="sqlite:///kms.db", environment={"KMS_SEAL_KEY": ""})
    assert (said.status, "KMS_SEAL_KEY is empty" in said.error) == (2, True)


def test_no_variable_destroys_and_none_is_repeated_with_a_password() -> None:
    down = ("sql", "--engine", "sqlite", "--down", "head:base")
    said = kms_schema(*down, environment={"KMS_SQL_ALLOW_AUDIT_LOSS": "true"})
    assert "would_be_lost" in said.out
    assert "would_be_lost" not in kms_schema(*down, "--allow-audit-loss").out
    for user in (f"me:{HIDDEN}", f"me%3A{HIDDEN}", f"me@{HIDDEN}", f":{HIDDEN}"):
        said = kms_schema("validate", environment={"KMS_VALIDATE_LEVEL": f"postgresql://{user}@db/kms"})
        assert (said.status, HIDDEN in said.all) == (2, False), user


def test_each_command_has_its_result_as_json_or_in_a_format_of_its_own() -> None:
    without = {
        " ".join(words)
        for words, command in commands()
        if not any(name_of(each) == "format" for each in options(command))
    }
    own = {
        "sql", "audit checkpoint", "audit prove", "audit consistency", "audit record", "keys encrypt", "keys decrypt",
        "check", "metrics export", "metrics rules", "metrics alertmanager", "metrics dashboard",
        "snapshot",
    }  # fmt: skip
    assert without == own


def test_quiet_leaves_notes_out_and_verbose_says_where_values_are_from() -> None:
    said = kms_schema("upgrade", "--quiet", "--format", "json", url="sqlite:///kms.db")
    assert (said.status, said.target + said.err, '"007_' in said.out) == (0, "", True)
    said = kms_schema(
        "current", "--verbose", environment={"KMS_FORMAT": "json", "KMS_DATABASE_URL": "sqlite:///kms.db"}
    )
    assert "that of KMS_DATABASE_URL: sqlite:///kms.db" in said.err
    assert "--format is from a variable\n" in said.err
    assert kms_schema("current", "--quiet", url="sqlite:///no.db").error.startswith("Error: there is no file")


def test_an_error_names_what_gave_the_value() -> None:
    words = ("keys", "list", "--database-url", "sqlite:///none.db")
    of_variable = kms_schema(*words, environment={"KMS_KEYS_LIST_TYPE": "x"}).error
    of_option = kms_schema(*words, "--type", "x").error
    assert "Invalid value for 'KMS_KEYS_LIST_TYPE'" in of_variable
    assert ("Invalid value for '--type'" in of_option, "KMS_" in of_option) == (True, False)
    create = ("keys", "create", "k", "--under", "kms://r", "--database-url", "sqlite:///none.db")
    assert "KMS_ROOT_KEYS takes REF=URI" in kms_schema(*create, environment={"KMS_ROOT_KEYS": "root.key"}).error
    assert "--root-key takes REF=URI" in kms_schema(*create, "--root-key", "root.key").error


def test_no_option_for_the_database_takes_bytes_that_are_not_utf_8() -> None:
    checked = 0
    for words, command in commands():
        for option in options(command):
            if option.type.name != "text" or option.is_flag or name_of(option) in AS_BYTES:
                continue
            said = kms_schema(*words, f"--{name_of(option)}", "caf\udce9")
            is_plugin = words == ("check",)  # its one line is on standard output
            text = said.out if is_plugin else said.error
            assert said.status == (3 if is_plugin else 2), words
            assert "it has a surrogate, such as a byte that is not UTF-8" in text, words
            checked += 1
    assert checked > 100


def test_no_argument_variable_or_file_gives_what_no_database_stores() -> None:
    nul = "it has the character NUL, which no database stores"
    assert nul in with_file('[tool.kms-schema]\nactor = "a\\u0000b"\n', "keys", "expire", "orders").error
    Path("pyproject.toml").unlink()
    assert "a surrogate" in kms_schema("keys", "expire", "o\udce9").error
    assert (
        "'KMS_ACTOR': it has a surrogate"
        in kms_schema("keys", "expire", "orders", environment={"KMS_ACTOR": "a\udce9"}).error
    )
    entry = ("audit", "append", "--event-type", "E", "--category", "SECURITY", "--description", "D", "--metadata")
    for metadata, fault in (('{"a": ["\\u0000"]}', nul), ('{"\\ud800": 1}', "it has a surrogate")):
        said = kms_schema(*entry, metadata)
        assert (said.status, fault in said.error) == (2, True)
