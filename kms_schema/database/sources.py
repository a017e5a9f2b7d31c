"""Where the URL of the database comes from, for migrations, the validator and every other command.

The sources are, in this order, the explicit argument, the environment variable `KMS_DATABASE_URL`, and three in the
current folder: `sqlalchemy.url` in `alembic.ini`, `database-url` in `[tool.kms-schema]` of `pyproject.toml`, and the
file `kms.db`. An empty value is an error: it does not stand for the next source.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kms_schema.database.url import EXAMPLES, DatabaseUrlError, parse_database_url
from kms_schema.files.inputs import read_whole

DEFAULT_FILE = "kms.db"
PROJECT = Path("pyproject.toml")
ENVIRONMENT_VARIABLE = "KMS_DATABASE_URL"
PROJECT_OPTIONS = frozenset(
    {"schema", "version-table", "lock-timeout-ms", "format", "actor", "root-key", "quiet", "verbose"}
)
"""Options in `[tool.kms-schema]` itself, beside `database-url`: they mean the same in every command that has them."""
_MAY_HAVE_TABLE = re.compile(
    r"""(?:tools?|project)\W+k|^\W*kms.?schema["']?\s*([].]|=\s*\{)""", re.MULTILINE | re.IGNORECASE
)
"""Any spelling of `tool.kms-schema` in TOML, and similar names, which are errors. A project that only depends on this
package does not need the parser."""
_ALMOST = 0.85
"""The similarity of a name that is taken for another one."""


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
    ini = Path("alembic.ini")
    sources: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("the given URL", lambda: explicit),
        (ENVIRONMENT_VARIABLE, lambda: os.environ.get(ENVIRONMENT_VARIABLE)),
        (f"sqlalchemy.url in {ini}", lambda: _url_of_alembic_ini(ini)),
        (f"database-url in {PROJECT}", lambda: read_project().get("database-url")),
    )
    for name, read in sources:
        if (url := read()) is None:
            continue
        if not isinstance(url, str):
            raise DatabaseUrlError(f"{name} is no text: write {EXAMPLES}")
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


def read_project(*, if_named: bool = False) -> Mapping[str, Any]:
    """Return `[tool.kms-schema]` of pyproject.toml in the current folder; empty if there is no such file or table.

    Raises `DatabaseUrlError` for a file that cannot be read, for a similar name of the table, and for an unknown name
    in it: another database would be used than the file names. Tables in it are those of commands, which the program
    checks. No value is shown. With `if_named`, a file without such a name is not parsed, and may be no valid TOML.

    ```python
    schema = read_project().get("schema", "public")
    ```
    """
    try:
        text = read_whole(PROJECT).decode()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DatabaseUrlError(f"cannot read {PROJECT}: {type(error).__name__}") from None
    if if_named and not _MAY_HAVE_TABLE.search(text):  # most files: nothing to parse
        return {}
    import tomllib  # noqa: PLC0415  (3 ms)

    try:
        document = tomllib.loads(text)
    except ValueError:
        raise DatabaseUrlError(f"cannot read {PROJECT}: it is no valid TOML") from None
    for name in _misspelled(document):
        raise DatabaseUrlError(f"{PROJECT}: write [tool.kms-schema] in place of [{name}]")
    tools = document.get("tool", {})
    if not isinstance(tools, Mapping) or not isinstance(table := tools.get("kms-schema", {}), Mapping):
        raise DatabaseUrlError(f"{PROJECT}: tool.kms-schema is no table")
    for name, value in table.items():
        if not isinstance(value, Mapping) and name not in PROJECT_OPTIONS | {"database-url"}:
            hint = similar(name, {"database-url", *PROJECT_OPTIONS})
            raise DatabaseUrlError(f"{PROJECT}: the option {name} in [tool.kms-schema] is unknown{hint}")
    return table


def _misspelled(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of tables that are similar to `tool.kms-schema`."""
    for outer, inner in document.items():
        if similar(outer, ["kms-schema"], _ALMOST):
            yield outer
        if isinstance(inner, Mapping) and outer == "project":
            yield from (f"project.{name}" for name in _misspelled(inner))
            yield from ("project.tool.kms-schema" for name in inner.get("tool", ()) if name == "kms-schema")
        if not isinstance(inner, Mapping) or not similar(outer, ["tool"], _ALMOST):
            continue
        for name, value in inner.items():
            if (outer, name) != ("tool", "kms-schema") and similar(name, ["kms-schema"], _ALMOST):
                yield f"{outer}.{name}"
            if name == "kms" and isinstance(value, Mapping) and isinstance(value.get("schema"), Mapping):
                yield f"{outer}.kms.schema"


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
