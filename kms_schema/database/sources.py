"""Where the URL of the database comes from, for migrations, the validator and every other command.

The sources are, in this order, the explicit argument, the environment variable `KMS_DATABASE_URL`, and three in the
current folder: `sqlalchemy.url` in `alembic.ini`, `database-url` in `[tool.kms-schema]` of `pyproject.toml`, and the
file `kms.db`. An empty value is an error: it does not stand for the next source.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kms_schema.database.url import EXAMPLES, DatabaseUrlError, parse_database_url
from kms_schema.files.inputs import read_whole

DEFAULT_FILE = "kms.db"
ENVIRONMENT_VARIABLE = "KMS_DATABASE_URL"
PROJECT_OPTIONS = frozenset(
    {"schema", "version-table", "lock-timeout-ms", "format", "actor", "root-key", "quiet", "verbose"}
)
"""Options in `[tool.kms-schema]` itself, beside `database-url`: they mean the same in every command that has them."""


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
        with suppress(FileNotFoundError):
            parser.read_string(read_whole(ini).decode())
        return parser.get("alembic", "sqlalchemy.url", fallback=None)
    except (Error, OSError, UnicodeDecodeError) as error:
        raise DatabaseUrlError(f"cannot read sqlalchemy.url of {ini}: {type(error).__name__}") from None


def _url_of_project(project: Path) -> str | None:
    """Read `database-url` of the table `[tool.kms-schema]`."""
    import tomllib  # noqa: PLC0415  (not needed if a URL is given)

    try:
        document = tomllib.loads(read_whole(project).decode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatabaseUrlError(f"cannot read database-url of {project}: {type(error).__name__}") from None
    url = project_table(document).get("database-url")
    if url is not None and not isinstance(url, str):
        raise DatabaseUrlError(f"database-url in {project} is no text: write {EXAMPLES}")
    return url


def project_table(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `[tool.kms-schema]` of the `document` of a pyproject.toml; empty if the table is missing.

    Raises `DatabaseUrlError` for a similar name of the table, and for an unknown name in it: another database would be
    used than the file names. Tables in it are those of commands, which the program checks. No value is shown.
    """
    tools = document.get("tool", {})
    if isinstance(misspelled := document.get("tools"), Mapping) and "kms-schema" in misspelled:
        raise DatabaseUrlError("pyproject.toml: write [tool.kms-schema] in place of [tools.kms-schema]")
    if "kms-schema" in document:
        raise DatabaseUrlError("pyproject.toml: write [tool.kms-schema] in place of [kms-schema]")
    if not isinstance(tools, Mapping) or not isinstance(table := tools.get("kms-schema", {}), Mapping):
        raise DatabaseUrlError("pyproject.toml: tool.kms-schema is no table")
    if isinstance(parent := tools.get("kms"), Mapping) and "schema" in parent:
        raise DatabaseUrlError("pyproject.toml: write [tool.kms-schema] in place of [tool.kms.schema]")
    for name in tools:
        if name != "kms-schema" and similar(name.replace("_", "-"), ["kms-schema"], 0.85):
            raise DatabaseUrlError(f"pyproject.toml: write [tool.kms-schema] in place of [tool.{name}]")
    for name, value in table.items():
        if not isinstance(value, Mapping) and name not in PROJECT_OPTIONS | {"database-url"}:
            hint = similar(name, {"database-url", *PROJECT_OPTIONS})
            raise DatabaseUrlError(f"pyproject.toml: the option {name} in [tool.kms-schema] is unknown{hint}")
    return table


def similar(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a question that offers the `known` names similar to `name`; empty if no name is similar.

    `cutoff` is the least similarity, from 0 to 1. It raises nothing.

    ```python
    assert similar("databse-url", ["database-url"]) == ": did you mean database-url?"
    ```
    """
    import difflib  # noqa: PLC0415  (for errors only)

    found = difflib.get_close_matches(name.lower().replace("_", "-"), sorted(known), n=1, cutoff=cutoff)
    return f": did you mean {found[0]}?" if found else ""
