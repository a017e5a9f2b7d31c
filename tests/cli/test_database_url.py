"""Where the database is, and that no password is ever shown."""

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema.database.sources import resolve_database_url
from kms_schema.database.url import DatabaseUrlError, parse_database_url, redact
from kms_schema.engine import create_engine
from support.programs.commands import kms_schema


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KMS_DATABASE_URL", raising=False)


def write_ini(url: str) -> None:
    Path("alembic.ini").write_text(f"[alembic]\nscript_location = x\nsqlalchemy.url = {url}\n", encoding="utf-8")


def test_the_last_source_is_a_file_that_exists_in_the_current_folder() -> None:
    with pytest.raises(DatabaseUrlError, match=r"no database is named: give --database-url URL, or set"):
        resolve_database_url()
    Path("kms.db").touch()
    assert resolve_database_url() == "sqlite:///kms.db"


def test_pyproject_comes_before_that_file_and_after_alembic_ini() -> None:
    Path("kms.db").touch()
    Path("pyproject.toml").write_text("[tool.kms-schema]\ndatabase-url = 'postgresql://localhost/project'\n", "utf-8")
    assert resolve_database_url() == "postgresql+psycopg://localhost/project"
    write_ini("postgresql://localhost/ini")
    assert resolve_database_url() == "postgresql+psycopg://localhost/ini"


@pytest.mark.parametrize("text", ["tool = ", "tool = 5", "[tool.kms-schema]\ndatabase-url = 5", "tool.kms-schema = 1"])
def test_a_pyproject_that_cannot_be_read_is_an_error(text: str) -> None:
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DatabaseUrlError, match=r"database-url in pyproject\.toml|is no table|is no valid TOML"):
        resolve_database_url()


def test_a_pyproject_of_another_program_is_passed_over() -> None:
    Path("pyproject.toml").write_text("[tool.other]\nx = 1\n", encoding="utf-8")
    Path("kms.db").touch()
    assert resolve_database_url() == "sqlite:///kms.db"


def test_alembic_ini_comes_before_the_default() -> None:
    write_ini("postgresql://localhost/ini")
    assert resolve_database_url() == "postgresql+psycopg://localhost/ini"


def test_the_environment_comes_before_alembic_ini(monkeypatch: pytest.MonkeyPatch) -> None:
    write_ini("postgresql://localhost/ini")
    monkeypatch.setenv("KMS_DATABASE_URL", "postgres://localhost/environment")
    assert resolve_database_url() == "postgresql+psycopg://localhost/environment"


def test_the_argument_comes_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMS_DATABASE_URL", "postgres://localhost/environment")
    assert resolve_database_url("sqlite:////tmp/x.db") == "sqlite:////tmp/x.db"


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize("source", ["the given URL", "KMS_DATABASE_URL", "alembic.ini", "pyproject.toml"])
def test_an_empty_url_is_an_error_and_not_the_next_source(
    source: str, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("kms.db").touch()
    if source == "KMS_DATABASE_URL":
        monkeypatch.setenv(source, empty)
    elif source == "alembic.ini":
        write_ini(empty)
    elif source == "pyproject.toml":
        Path(source).write_text(f"[tool.kms-schema]\ndatabase-url = '{empty}'\n", encoding="utf-8")
    with pytest.raises(DatabaseUrlError, match=f"{source} is empty: write postgresql://"):
        resolve_database_url(empty if source == "the given URL" else None)


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    said = kms_schema("keys", "list", url=f"sqlite:///{tmp_path}")
    assert (said.status, said.error) == (3, f"Error: {tmp_path} is not a file: name the file of the database")


def test_an_ini_without_a_url_is_passed_over() -> None:
    Path("alembic.ini").write_text("[loggers]\nkeys = root\n", encoding="utf-8")
    Path("kms.db").touch()
    assert resolve_database_url() == "sqlite:///kms.db"


def test_here_and_percent_signs_are_read_as_alembic_reads_them(tmp_path: Path) -> None:
    write_ini("sqlite:///%(here)s/data.db")
    assert resolve_database_url() == f"sqlite:///{tmp_path.as_posix()}/data.db"
    write_ini("postgresql://me:p%%40ss@localhost/x")
    assert parse_database_url(resolve_database_url()).password == "p@ss"  # noqa: S105


def test_an_ini_that_cannot_be_read_is_told_without_its_content() -> None:
    write_ini("postgresql://me:p%40ss@localhost/x")
    with pytest.raises(DatabaseUrlError, match=r"alembic\.ini") as raised:
        resolve_database_url()
    assert "p%40ss" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_the_same(scheme: str) -> None:
    url = f"{scheme}://me:p%40s%2Fs%23@db.example:5433/kms?sslmode=require&application_name=a%20b"
    resolved = sa.make_url(resolve_database_url(url))
    assert (resolved.drivername, resolved.username, resolved.password) == ("postgresql+psycopg", "me", "p@s/s#")
    assert (resolved.host, resolved.port, resolved.database) == ("db.example", 5433, "kms")
    assert parse_database_url(url).connection_parameters() == {
        "host": "db.example",
        "port": "5433",
        "dbname": "kms",
        "user": "me",
        "password": "p@s/s#",
        "sslmode": "require",
        "application_name": "a b",
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost/kms",
        "postgresql:///kms",
        "postgresql://me@/kms?host=/var/run/postgresql",
        "postgresql://me@%2Fvar%2Frun%2Fpostgresql/kms",
        "postgresql://[::1]:5433/kms",
        "postgresql://one:5432,two:5433/kms?target_session_attrs=read-write",
        "postgresql://one,two/kms",
        "postgresql://me:secret@localhost/k%20m%3Fs",
    ],
)
def test_sqlalchemy_connects_to_what_libpq_connects_to(url: str) -> None:
    """SQLAlchemy's own translation of our URL, and ours, give libpq the same words as the URL itself does."""
    engine = create_engine(url)
    arguments, keywords = engine.dialect.create_connect_args(engine.url)
    keywords.pop("context", None)  # psycopg's adapters, no word of libpq's
    through_sqlalchemy = psycopg.conninfo.make_conninfo(*arguments, **keywords)
    ours = psycopg.conninfo.make_conninfo(**parse_database_url(url).connection_parameters())
    assert _spelled_out(ours) == _spelled_out(through_sqlalchemy) == _spelled_out(url)


def _spelled_out(conninfo: str) -> dict[str, object]:
    """Take a connection string apart; ports that are not given may be there as a comma each."""
    keywords = psycopg.conninfo.conninfo_to_dict(conninfo)
    return {name: value for name, value in keywords.items() if str(value).strip(",")}


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("", "is empty"),
        ("kms.db", "not a database URL"),
        ("localhost/kms", "not a database URL"),
        ("mysql://localhost/kms", "not supported"),
        ("postgresql+psycopg2://localhost/kms", r"postgresql\+psycopg://"),
        ("postgresql+asyncpg://localhost/kms", r"postgresql\+psycopg://"),
        ("sqlite://kms.db", "three slashes"),
        ("postgresql://localhost:x/kms", "port"),
        ("postgresql://localhost:99999/kms", "port"),
        ("postgresql://localhost/kms?sslmode", "cannot be parsed"),
        ("postgresql://localhost/kms#x", "fragment"),
        ("postgresql://[::1/kms", "cannot be parsed"),
    ],
)
def test_nonsense_is_refused_with_what_to_write_instead(url: str, advice: str) -> None:
    with pytest.raises(DatabaseUrlError, match=advice):
        resolve_database_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@localhost/kms",
        "postgresql://me:hunter2@localhost:x/kms",
        "postgresql://me:hun/ter2@localhost/kms",
        "postgresql://me:hunter2#@localhost/kms",
        "postgresql://me:@hunter2@localhost/kms",
        "postgresql://me:hunter2?x@localhost/kms",
        "postgresql://:hunter2@localhost/kms",
        "postgresql://localhost/kms?user=me&password=hunter2",
        "postgresql://localhost:x/kms?sslpassword=hunter2&sslmode=require",
        "host=localhost password=hunter2",
        "mysql://me:hunter2@localhost/kms",
    ],
)
def test_no_password_is_ever_shown(url: str) -> None:
    shown = redact(url)
    try:
        shown += repr(parse_database_url(url))
    except DatabaseUrlError as error:
        shown += str(error)
    assert "ter2" not in shown
    assert "hun" not in shown


def test_redacting_keeps_what_is_no_secret() -> None:
    assert redact("postgresql://me:s@db/kms?sslmode=require") == "postgresql://me:***@db/kms"
    assert redact("postgres://me@one:5432,[::1]:5433/kms") == "postgresql://me@one:5432,[::1]:5433/kms"
    assert redact("postgresql:///kms?host=/var/run/postgresql") == "postgresql:///var/run/postgresql/kms"
    assert redact("postgresql://me@db/kms") == "postgresql://me@db/kms"
    assert redact("sqlite:////var/lib/a@b:c.db") == "sqlite:////var/lib/a@b:c.db"
