"""The URL of the database, resolved in the same way for migrations, the validator and every other command.

Sources, in this order: the explicit argument, the environment variable `KMS_DATABASE_URL`, `sqlalchemy.url` in the
`alembic.ini` of the current folder, and `sqlite:///kms.db`. This module imports neither SQLAlchemy nor a driver, so
that commands which need neither start fast.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

DEFAULT_DATABASE_URL = "sqlite:///kms.db"
ENVIRONMENT_VARIABLE = "KMS_DATABASE_URL"

_POSTGRESQL_SCHEMES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+pysqlite"})
_EXAMPLES = "postgresql://user@host:5432/database or sqlite:///path/to/file.db"
# libpq's parameters that contain secrets, in the query part of a URL.
_SECRET_PARAMETERS = frozenset({"password", "sslpassword", "passwd", "oauth_client_secret"})


class DatabaseUrlError(ValueError):
    """A database URL that cannot be used; the message says what to write instead and contains no password."""


@dataclass(frozen=True)
class DatabaseUrl:
    """A parsed URL; `engine` is `postgresql` or `sqlite`, `database` the name of a database or the path of a file."""

    engine: str
    database: str | None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hosts: tuple[tuple[str, int | None], ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def sqlalchemy_url(self) -> str:
        """Return the URL with the name of the driver, as SQLAlchemy and `alembic.ini` require it."""
        query = [(name, value) for name, values in self.parameters.items() for value in values]
        if self.engine == "sqlite":
            return f"sqlite:///{self.database or ''}{_question(query)}" if self.database else "sqlite://"
        address = ""
        if len(self.hosts) == 1 and not self.hosts[0][0].startswith("/"):
            address = _address(*self.hosts[0])
        else:  # SQLAlchemy reads several hosts, and a socket's folder, only from the query part
            query = [("host", _address(*host)) for host in self.hosts] + query
        user = "" if self.username is None else quote(self.username, safe="")
        if self.password is not None:
            user += ":" + quote(self.password, safe="")
        at = "@" if user else ""
        database = quote(self.database, safe=" +") if self.database else ""
        return f"postgresql+psycopg://{user}{at}{address}/{database}{_question(query)}"

    @property
    def secrets(self) -> frozenset[str]:
        """The passwords in the URL."""
        named = (value for name in _SECRET_PARAMETERS for value in self.parameters.get(name, ()))
        return frozenset(filter(None, (self.password, *named)))

    def connection_parameters(self) -> dict[str, Any]:
        """Return libpq's connection keywords (host, port, dbname, user, …), for `psycopg.connect(**…)`."""
        keywords: dict[str, Any] = {name: ",".join(values) for name, values in self.parameters.items()}
        if self.hosts:
            keywords["host"] = ",".join(host for host, _ in self.hosts)
            if any(port for _, port in self.hosts):
                keywords["port"] = ",".join(str(port or "") for _, port in self.hosts)
        named = {"dbname": self.database, "user": self.username, "password": self.password}
        return keywords | {name: value for name, value in named.items() if value is not None}


def resolve_database_url(explicit: str | None = None) -> str:
    """Return the URL of the database in SQLAlchemy's form; the module's docstring lists the sources.

    Raises `DatabaseUrlError` if the first URL found is not usable.

    ```python
    engine = create_engine(resolve_database_url())
    ```
    """
    return parse_database_url(find_database_url(explicit)).sqlalchemy_url()


def find_database_url(explicit: str | None = None) -> str:
    """Return the first URL found, as it was written; the module's docstring lists the sources."""
    if explicit is not None:
        return explicit
    return os.environ.get(ENVIRONMENT_VARIABLE) or _url_of_alembic_ini(Path("alembic.ini")) or DEFAULT_DATABASE_URL


def parse_database_url(url: str) -> DatabaseUrl:
    """Parse a URL. Raises `DatabaseUrlError`, whose message redacts passwords, if it is not usable."""
    scheme, separator, _ = url.strip().partition("://")
    if not separator:
        raise DatabaseUrlError(f"not a database URL: {redact(url)!r}; write {_EXAMPLES}")
    if scheme in _SQLITE_SCHEMES:
        return _parse_sqlite(url.strip())
    if scheme not in _POSTGRESQL_SCHEMES:
        advice = "use postgresql+psycopg://" if scheme.startswith("postgresql+") else f"write {_EXAMPLES}"
        raise DatabaseUrlError(f"{scheme}:// is not supported; {advice}")
    try:
        return _parse_postgresql(urlsplit(url.strip()))
    except ValueError as error:
        # The message of urlsplit may quote a part of the password, so only ours is passed on.
        reason = str(error) if isinstance(error, DatabaseUrlError) else "it cannot be parsed"
        raise DatabaseUrlError(
            f"not a PostgreSQL URL: {redact(url)}: {reason} (in a password, write @ as %40, / as %2F, # as %23)"
        ) from None


def redact(url: str) -> str:
    """Return `url` with every password replaced by `***`; the text need not be a valid URL."""
    # Up to the last @: a password that should have been percent-encoded may contain @ or a slash.
    redacted = re.sub(r"(://[^:/@?#]*):.*@", r"\1:***@", url, count=1, flags=re.DOTALL)
    secrets = "|".join(sorted(_SECRET_PARAMETERS))
    return re.sub(rf"(?i)\b({secrets})=[^&\s]*", r"\1=***", redacted)


def _parse_postgresql(parts: SplitResult) -> DatabaseUrl:
    if parts.fragment:
        raise DatabaseUrlError("it has a fragment (#…)")
    user_information, at, addresses = parts.netloc.rpartition("@")
    username, colon, password = user_information.partition(":")
    query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    hosts = tuple(_host_and_port(address) for address in addresses.split(",") if address)
    if not hosts:
        hosts = tuple(_host_and_port(address) for value in query.pop("host", []) for address in value.split(","))
    return DatabaseUrl(
        engine="postgresql",
        database=unquote(parts.path.removeprefix("/")) or None,
        username=unquote(username) if at and username else None,
        password=unquote(password) if colon else None,
        hosts=hosts,
        parameters=MappingProxyType({name: tuple(values) for name, values in query.items()}),
    )


def _host_and_port(address: str) -> tuple[str, int | None]:
    """Split `host:port`, `[ipv6]:port`, or a socket's folder."""
    match = re.fullmatch(r"\[(?P<six>[^\]]*)\](?::(?P<port6>.*))?|(?P<host>[^:]*)(?::(?P<port>.*))?", unquote(address))
    if match is None:
        raise DatabaseUrlError("its host is malformed")
    port = match["port6"] or match["port"]
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise DatabaseUrlError("its port is not a number from 1 to 65535")
    return (match["six"] if match["six"] is not None else match["host"]), int(port) if port else None


def _parse_sqlite(url: str) -> DatabaseUrl:
    rest = url.partition("://")[2]
    path, _, query = rest.partition("?")
    if path and not path.startswith("/"):
        raise DatabaseUrlError(f"sqlite://{path} names a host; a file has three slashes: sqlite:///{path}")
    parameters = {name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()}
    return DatabaseUrl(engine="sqlite", database=path[1:] or None, parameters=MappingProxyType(parameters))


def _url_of_alembic_ini(ini: Path) -> str | None:
    """Read `sqlalchemy.url` as Alembic does: `%(here)s` is the folder of the file, `%%` a percent sign."""
    from configparser import ConfigParser, Error  # noqa: PLC0415  (4 ms; not needed if a URL is given)

    parser = ConfigParser({"here": ini.absolute().parent.as_posix()})
    try:
        parser.read(ini, encoding="utf-8")
        return parser.get("alembic", "sqlalchemy.url", fallback=None) or None
    except (Error, OSError, UnicodeDecodeError) as error:
        raise DatabaseUrlError(f"cannot read sqlalchemy.url of {ini}: {type(error).__name__}") from None


def _address(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else quote(host, safe="/")
    return name if port is None else f"{name}:{port}"


def _question(query: list[tuple[str, str]]) -> str:
    return "?" + urlencode(query, safe="/:") if query else ""
