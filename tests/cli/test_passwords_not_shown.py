"""No command repeats a password, however a URL is written and wherever it stands on the command line."""

import io
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from kms_schema.database.url import DatabaseUrlError, parse_database_url, redact, without_secrets
from kms_schema.engine import create_engine
from support.engines import Database
from support.programs.commands import Said, kms_schema
from tests.cli.every_command import COMMANDS, words_of

SECRET = "hunter2"  # noqa: S105
GONE = "127.0.0.1:1"
URLS = (
    f"postgresql://me:{SECRET}@{GONE}/kms",
    f"postgresql+psycopg://me:a{SECRET}%40%2F@{GONE}/kms",
    f"postgresql://me@{GONE}/kms?password={SECRET}",
    f"postgresql://me@{GONE}/kms?passw%6Frd={SECRET}",
    f"postgresql://me@{GONE}/kms?scram_client_key={SECRET}",
    f"postgresql://me@{GONE}/kms?sslpassword={SECRET}&sslmode=prefer",
    f"postgresql://me@{GONE}/kms?oauth_client_secret={SECRET}",
    f"postgresql://me@{GONE}/kms?pasword={SECRET}",
    f"postgresql://me@{GONE}/kms?PASSWORD={SECRET}",
    f"postgresql://me%3A{SECRET}@{GONE}/kms",
    f"postgresql://{GONE}/host=x%20password={SECRET}",
    f"postgresql://%3A{SECRET}%40.invalid/kms",
    f"postgresql://{SECRET}%40.invalid/kms",
    f"postgresql:///kms?port={SECRET}",
    f"postgresql://me:/{SECRET}@{GONE}/kms",
    f"postgresql://me:1/{SECRET}@{GONE}/kms",
    f"postgresql://me:1?sslmode={SECRET}@{GONE}/kms",
    f"postgresql://me:1#{SECRET}@{GONE}/kms",
    f"postgresql://me:a@{SECRET}@{GONE}:x/kms",
    f"postgresql://me:a\n{SECRET}@{GONE}/kms",
    f"postgresql:/me:{SECRET}@{GONE}/kms",
    f"postgresql:me:{SECRET}@{GONE}/kms",
    f"//me:{SECRET}@{GONE}/kms",
    f"me:{SECRET}@{GONE}/kms",
    f"POSTGRESQL://me:{SECRET}@{GONE}/kms",
    f"mysql://me:{SECRET}@{GONE}/kms",
    f"{SECRET}://x",
    f"host=x password={SECRET}",
    f"host=x password='a {SECRET}'",
    f"host=x password = '{SECRET} b://c'",
    f"host=x passw%6Frd={SECRET}",
    f"sqlite://u:{SECRET}@h/x",
    f"sqlite:///u:{SECRET}@h/x",
    f"sqlite:///missing.db?password={SECRET}",
    f"sqlite:///missing.db?{SECRET}",
    f"file:missing.db?key={SECRET}",
    f"file:missing.db?mode=ro&hexkey={SECRET}",
)


WITH_URL = [
    name for name, (_, command) in COMMANDS.items() if any(each.name == "database_url" for each in command.params)
]


def shown(said: Said, folder: Path) -> str:
    return said.all + "".join(each.read_text("utf-8", "replace") for each in folder.iterdir() if each.is_file())


@pytest.mark.parametrize("name", WITH_URL)
def test_no_command_shows_a_password(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))  # some commands read it first
    words = words_of(name, tmp_path)
    for number, url in enumerate(URLS, WITH_URL.index(name)):
        # A variable is read by the same code: each command has a fourth of the URLs there, and four have all.
        in_environment = [{"KMS_DATABASE_URL": url}] * (number % 4 == 0)
        for said in (kms_schema(*words, url=url), *(kms_schema(*words, environment=each) for each in in_environment)):
            if name not in {"sql", "roles"}:
                assert said.status in {1, 2, 3}, url
            assert SECRET not in shown(said, tmp_path), url


@pytest.mark.parametrize("url", ["postgresql://kms@host/backup", f"postgresql://kms:{SECRET}@host/backup"])
def test_a_user_in_a_variable_hides_no_message(url: str) -> None:
    said = kms_schema("validate", url="sqlite:///kms.db", environment={"KMS_BACKUP_URL": url})
    assert (said.status, "there is no file kms.db" in said.error) == (3, True), said.all


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_password_in_the_wrong_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))  # some commands read it first
    words = words_of(name, tmp_path)
    url = f"postgresql://me:{SECRET}@{GONE}/kms"
    missing = ["--database-url", "sqlite:///missing.db"] if name in WITH_URL else []
    misplaced = [
        [*words, url],
        [*words, "host=x", "password=a", SECRET],
        [*words, "--schema", url],
        [*words, f"--format={url}"],
        [*words, f"--version-table={url}"],
        [*words, f"--databse-url={url}"],
        [*words, f"--password={SECRET}"],
        [*words, "--database-url", "postgresql://me:a", f"{SECRET}@{GONE}/kms"],  # as a shell splits it at a blank
        [*words, "--database-url", "postgresql://me:a", "b", SECRET],
        [*COMMANDS[name][0], url, *words[len(COMMANDS[name][0]) :]],
        [*COMMANDS[name][0][:-1], url],
        [*COMMANDS[name][0][:-1], f"file:missing.db?key={SECRET}"],
    ]
    for each in misplaced:
        said = kms_schema(*each, *missing)
        assert said.status in {1, 2, 3}, each
        assert SECRET not in shown(said, tmp_path), each


@pytest.mark.parametrize("url", URLS)
def test_neither_the_url_nor_an_error_is_shown_with_the_password(url: str) -> None:
    text = redact(url)
    try:
        parsed = parse_database_url(url)
    except DatabaseUrlError as error:
        text += str(error) + without_secrets(f"FATAL: {url}", url)
    else:
        parts = (parsed.username, parsed.database, parsed.password, *sum(parsed.parameters.values(), ()))
        text += repr(parsed) + without_secrets(" ".join(filter(None, parts)), url)
        try:
            create_engine(url).connect().close()
        except Exception as error:  # noqa: BLE001  (of any kind: of SQLAlchemy, the driver, or Python)
            text += without_secrets(str(error), url)
    assert SECRET not in text


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("command", ["upgrade", "current", "preflight", "validate", "destroy-version 1 1 --yes"])
def test_what_a_server_says_of_a_misread_password_is_not_shown(database: Database, command: str) -> None:
    server = sa.make_url(database.url)
    for url, said_of in (
        (f"postgresql://{server.username}@{server.host}:{server.port}/x%20password={SECRET}", "database"),
        (f"postgresql://me%3A{SECRET}@{server.host}:{server.port}/{server.database}", "role"),
    ):
        said = kms_schema(*command.split(), url=url)
        assert (said.status, said.out) == (3, "")
        assert f'{said_of} "***" does not exist' in said.error
        assert SECRET not in said.all


def test_every_parameter_of_libpq_is_known() -> None:
    for parameter in psycopg.pq.Conninfo.get_defaults():
        url = f"postgresql:///?{parameter.keyword.decode()}=1"
        assert parse_database_url(url).parameters or parse_database_url(url).hosts, url


ANYTHING = st.text(max_size=12)
FRAMES = st.sampled_from(
    (
        "postgresql://u:{}@h/x",
        "postgresql://u:{}@h:5432,i/x?sslmode=require",
        "postgres://:{}@/x",
        "postgresql:/u:{}@h/x",
        "postgresql:u:{}@h/x",
        "postgresql://h/x?password={}",
        "postgresql://h/x?sslmode=require&p%61ssword={}",
        "postgresql://u@h/x?scram_server_key={}&user=v",
        "sqlite://u:{}@h/x",
        "sqlite:///u:{}@h/x",
        "sqlite:///x.db?key={}",
        "mysql://u:{}@h",
        "u:{}@h",
        "password={}",
        "host=h password='{}'",
        "host=h password = '{}' port=1",
        "x{}",
    )
)


@given(before=ANYTHING, after=ANYTHING, frame=FRAMES)
@example(before="@", after="", frame="postgresql://u:{}@h/x")
@example(before="/", after="?", frame="postgresql://u:{}@h/x")
@example(before="&x=", after="", frame="postgresql://h/x?password={}")
def test_what_is_around_a_password_does_not_uncover_it(before: str, after: str, frame: str) -> None:
    url = frame.format(f"{before}{SECRET}{after}")
    text = redact(url)
    try:
        parse_database_url(url)
    except DatabaseUrlError as error:
        text += str(error)
    assert SECRET not in text
