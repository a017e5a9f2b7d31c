"""The URL of a database: its parts, and what a message may show of it. `database_sources` finds it.

This module imports neither SQLAlchemy nor a driver, so that commands which need neither start fast.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from kms_schema.database import url_parameters
from kms_schema.errors import KmsSchemaError

EXAMPLES = "postgresql://user@host:5432/database or sqlite:///path/to/file.db"

_POSTGRESQL_SCHEMES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+pysqlite"})
_PLAIN = re.compile(r"[\w .,+~/-]*")
_PLAIN_HOST = re.compile(r"[\w.~/-]*|[0-9A-Fa-f:.]+(%\w+)?")


class DatabaseUrlError(KmsSchemaError, ValueError):
    """A database URL that cannot be used; the message says what to write instead and contains no part of the URL."""


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """A parsed URL; `engine` is `postgresql` or `sqlite`, `database` the name of a database or the path of a file."""

    engine: str
    database: str | None
    username: str | None = None
    password: str | None = None
    hosts: tuple[tuple[str, int | None], ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __repr__(self) -> str:
        """Return what messages may show."""
        return f"DatabaseUrl({self.shown!r})"

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
    def file(self) -> Path | None:
        """The file of a SQLite database; None for one in memory, and on PostgreSQL."""
        if self.engine != "sqlite" or not self.database or self.database == ":memory:":
            return None
        if not self.database.startswith("file:"):
            return Path(self.database)
        path = unquote(re.sub(r"^file:(//(localhost)?(?=/))?", "", self.database))
        return None if path == ":memory:" else Path(path)

    @property
    def immutable(self) -> bool:
        """True for a SQLite file that no program changes, such as on a read-only medium: it is read without locks."""
        return self.parameters.get("immutable", ("0",))[-1].lower() not in {"0", "no", "off", "false"}

    def file_uri(self, mode: str) -> str:
        """Return the URI with which `sqlite3.connect` opens the file in another `mode`, such as `ro`."""
        names = self.parameters.keys() & url_parameters.OF_FILES - {"mode", "cache"}
        kept = [(name, value) for name in sorted(names) for value in self.parameters[name]]
        kept.insert(0, ("mode", mode))
        return f"file:{quote(str(self.file))}{_question(kept)}"

    def unread_changes(self) -> str | None:
        """Return why the file cannot be read with `immutable=1`, which passes over a write-ahead log or journal."""
        for suffix in ("-wal", "-journal") if self.immutable and self.file else ():
            beside = Path(f"{self.file}{suffix}")
            if beside.exists() and beside.stat().st_size:
                return (
                    f"{beside} has changes that immutable=1 would not read: leave immutable=1 out, or run PRAGMA"
                    " wal_checkpoint(TRUNCATE) before the database is copied"
                )
        return None

    @property
    def shown(self) -> str:
        """The URL for messages: engine, user, hosts and database, each only if no password can be in it."""
        if self.engine == "sqlite":
            uri = self.database and self.database.startswith("file:")
            return f"sqlite:///{self.file if uri else self.database or ''}"
        user = "" if self.username is None else _plain(self.username)
        password = "" if self.password is None else ":***"
        hosts = [f"[{host}]" if ":" in host else host for host in (_plain(each, _PLAIN_HOST) for each, _ in self.hosts)]
        addresses = ",".join(
            host if port is None else f"{host}:{port}" for host, (_, port) in zip(hosts, self.hosts, strict=True)
        )
        at = "@" if user or password else ""
        return f"postgresql://{user}{password}{at}{addresses}/{_plain(self.database or '')}"

    def without_secrets(self, text: str) -> str:
        """Return a message of a driver or server with every secret of this URL replaced by `***`."""
        named = [value for name in url_parameters.SECRET for value in self.parameters.get(name, ())]
        parts = [self.username, self.database] if self.engine == "postgresql" else []
        hosts = [host for host, _ in self.hosts if _plain(host, _PLAIN_HOST) != host]
        hidden = [self.password, *named, *hosts, *(part for part in parts if part and _plain(part) != part)]
        forms = {form for each in hidden if each for form in (each, quote(each, safe=""), quote(each))}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "***")
        return text

    @property
    def prepare_threshold(self) -> int | None:
        """The number of executions after which psycopg prepares a statement; None for never; by default psycopg's."""
        (text,) = self.parameters.get("prepare_threshold", ("5",))[-1:]
        return None if text.lower() == "none" else int(text)

    def connection_parameters(self) -> dict[str, Any]:
        """Return libpq's connection keywords (host, port, dbname, user, …), for `psycopg.connect(**…)`."""
        keywords: dict[str, Any] = {name: ",".join(values) for name, values in self.parameters.items()}
        if "prepare_threshold" in keywords:
            keywords["prepare_threshold"] = self.prepare_threshold
        if self.hosts:
            keywords["host"] = ",".join(host for host, _ in self.hosts)
            if any(port for _, port in self.hosts):
                keywords["port"] = ",".join(str(port or "") for _, port in self.hosts)
        named = {"dbname": self.database, "user": self.username, "password": self.password}
        return keywords | {name: value for name, value in named.items() if value is not None}


def parse_database_url(url: str) -> DatabaseUrl:
    """Parse a database URL. Raises `DatabaseUrlError`, whose message has no part of the URL, if it is not usable."""
    text = url.strip()
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise DatabaseUrlError(f"not a database URL; write {EXAMPLES}")
    if scheme not in _POSTGRESQL_SCHEMES | _SQLITE_SCHEMES:
        advice = "use postgresql+psycopg://" if scheme.startswith("postgresql+") else f"write {EXAMPLES}"
        raise DatabaseUrlError(f"this kind of database URL is not supported; {advice}")
    try:
        if "\0" in unquote(text):
            raise DatabaseUrlError("it has the character NUL")
        parsed = _parse_sqlite(text) if scheme in _SQLITE_SCHEMES else _parse_postgresql(text)
        if not parsed.parameters.keys() <= url_parameters.KNOWN[parsed.engine]:
            raise DatabaseUrlError("it has a parameter that the driver does not know")
        if not all(_is_port(port) for value in parsed.parameters.get("port", ()) for port in value.split(",") if port):
            raise DatabaseUrlError("its port is not a number from 1 to 65535")
        _ = parsed.prepare_threshold
    except ValueError as error:
        # Other messages may quote a part of the password, so only ours are passed on.
        reason = str(error) if isinstance(error, DatabaseUrlError) else "it cannot be parsed"
        if scheme in _SQLITE_SCHEMES:
            raise DatabaseUrlError(f"not a SQLite URL: {reason}") from None
        raise DatabaseUrlError(
            f"not a PostgreSQL URL: {reason} (in a password, write @ as %40, / as %2F, # as %23)"
        ) from None
    return parsed


def redact(url: str) -> str:
    """Return `url` for a message: without passwords and parameters, and `***` where it cannot be parsed whole.

    >>> redact("postgresql://me:secret@db.example/kms?sslmode=require")
    'postgresql://me:***@db.example/kms'
    >>> redact("host=db.example password='a b'")
    '***'
    """
    try:
        return parse_database_url(url).shown
    except DatabaseUrlError:
        return "***"


def without_secrets(text: str, url: str) -> str:
    """Return a message of a driver or server without the secrets of `url`; `***` if that cannot be parsed whole."""
    try:
        return parse_database_url(url).without_secrets(text)
    except DatabaseUrlError:
        return "***"


def _parse_postgresql(url: str) -> DatabaseUrl:
    parts = urlsplit(url)
    # A password with a slash or a question mark in it would end up in the name of the database, or in the parameters.
    if "@" in parts.path + parts.query + parts.fragment:
        raise DatabaseUrlError("it has an @ after the host, which must be percent-encoded")
    if re.search(r"[\x00-\x1f\x7f]", url):  # urlsplit takes line breaks and tabs out
        raise DatabaseUrlError("it has a control character, which must be percent-encoded")
    if parts.fragment or url.endswith("#"):
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
    if port and not _is_port(port):
        raise DatabaseUrlError("its port is not a number from 1 to 65535")
    return (match["six"] if match["six"] is not None else match["host"]), int(port) if port else None


def _is_port(text: str) -> bool:
    return text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536


def _parse_sqlite(url: str) -> DatabaseUrl:
    rest = url.partition("://")[2]
    path, _, query = rest.partition("?")
    if path and not path.startswith("/"):
        raise DatabaseUrlError("it names a host; a file has three slashes: sqlite:///path/to/file.db")
    database = path[1:]
    of_drive = 2 if os.name == "nt" and re.match(r"[A-Za-z]:[/\\]", database) else 0
    if re.search(r"(?s):.*@", rest[1:].removeprefix("file:")[of_drive:]):
        raise DatabaseUrlError("it has a password, and SQLite knows none; a file has no : before an @ in its name")
    parameters = {name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()}
    if not database.startswith(("file:", ":memory:")) and database and parameters.keys() & url_parameters.OF_FILES:
        database = f"file:{quote(database)}"
    if database.startswith("file:") and parameters:
        parameters["uri"] = ("true",)
    return DatabaseUrl(engine="sqlite", database=database or None, parameters=MappingProxyType(parameters))


def _address(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else quote(host, safe="/")
    return name if port is None else f"{name}:{port}"


def _plain(part: str, pattern: re.Pattern[str] = _PLAIN) -> str:
    """Return a part of a URL for a message: `***` if it has characters that only a misread password gives it."""
    return part if pattern.fullmatch(part) else "***"


def _question(query: list[tuple[str, str]]) -> str:
    return "?" + urlencode(query, safe="/:") if query else ""
