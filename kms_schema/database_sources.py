"""Where the URL of the database comes from, for migrations, the validator and every other command.

The sources are, in this order, the explicit argument, the environment variable `KMS_DATABASE_URL`, and three in the
current folder: `sqlalchemy.url` in `alembic.ini`, `database-url` in `[tool.kms-schema]` of `pyproject.toml`, and the
file `kms.db`. An empty value is an error: it does not stand for the next source.
"""

import os
from collections.abc import Callable
from pathlib import Path

from kms_schema.database_url import EXAMPLES, DatabaseUrlError, parse_database_url

DEFAULT_FILE = "kms.db"
ENVIRONMENT_VARIABLE = "KMS_DATABASE_URL"


def resolve_database_url(explicit: str | None = None) -> str:
    """Return the URL of the database in SQLAlchemy's form; the module's docstring lists the sources.

    Raises `DatabaseUrlError` if the first URL found is not usable.

    ```python
    engine = create_engine(resolve_database_url())
    ```
    """
    return parse_database_url(find_database_url(explicit)).sqlalchemy_url()


def find_database_url(explicit: str | None = None) -> str:
    """Return the first URL found, as it was written; the module's docstring lists the sources.

    Raises `DatabaseUrlError` if no source has one, and if the first one is empty.

    ```python
    url = find_database_url("sqlite:///kms.db")
    ```
    """
    return find_source(explicit)[1]


def find_source(explicit: str | None = None) -> tuple[str, str]:
    """Return the name of the first source that has a URL, and the URL; raises as `find_database_url` does.

    ```python
    source, url = find_source()
    ```
    """
    ini, project = Path("alembic.ini"), Path("pyproject.toml")
    sources: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("the given URL", lambda: explicit),
        (ENVIRONMENT_VARIABLE, lambda: os.environ.get(ENVIRONMENT_VARIABLE)),
        (f"sqlalchemy.url in {ini}", lambda: _url_of_alembic_ini(ini)),
        (f"database-url in {project}", lambda: _url_of_project(project)),
    )
    for name, read in sources:
        if (url := read()) is None:
            continue
        if not url.strip():
            raise DatabaseUrlError(f"{name} is empty: write {EXAMPLES}")
        return name, url
    if Path(DEFAULT_FILE).is_file():
        return f"the file {DEFAULT_FILE}", f"sqlite:///{DEFAULT_FILE}"
    raise DatabaseUrlError(
        f"no database is named: give --database-url URL, or set {ENVIRONMENT_VARIABLE}, to {EXAMPLES}"
    )


def _url_of_alembic_ini(ini: Path) -> str | None:
    """Read `sqlalchemy.url` as Alembic does: `%(here)s` is the folder of the file, `%%` a percent sign."""
    from configparser import ConfigParser, Error  # noqa: PLC0415  (4 ms; not needed if a URL is given)

    parser = ConfigParser({"here": ini.absolute().parent.as_posix()})
    try:
        parser.read(ini, encoding="utf-8")
        return parser.get("alembic", "sqlalchemy.url", fallback=None)
    except (Error, OSError, UnicodeDecodeError) as error:
        raise DatabaseUrlError(f"cannot read sqlalchemy.url of {ini}: {type(error).__name__}") from None


def _url_of_project(project: Path) -> str | None:
    """Read `database-url` of the table `[tool.kms-schema]`."""
    import tomllib  # noqa: PLC0415  (not needed if a URL is given)

    try:
        document = tomllib.loads(project.read_text(encoding="utf-8"))
        url = document.get("tool", {}).get("kms-schema", {}).get("database-url")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise DatabaseUrlError(f"cannot read database-url of {project}: {type(error).__name__}") from None
    if url is not None and not isinstance(url, str):
        raise DatabaseUrlError(f"database-url in {project} is no text: write {EXAMPLES}")
    return url
