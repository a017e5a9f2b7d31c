"""Key material and credentials that are refused appear in no error, and in no line of the server's log."""

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from support.engines.database import Connection
from support.engines.postgresql import PostgresqlEngine
from support.engines.programs import find_programs
from support.rows.smallest import Row, envelope, hsm_configuration, insert, key_master, key_version
from support.statements import execute, refused

KEY = b"\x7f" + secrets.token_bytes(31)
PASSWORD = f"pass-{secrets.token_hex(12)}"
SPELLINGS = (KEY.hex()[2:40], KEY.hex()[-20:], base64.b64encode(KEY).decode()[:30], PASSWORD)
"""Parts of the secrets as messages might show them; a row in a message has 64 characters of each column."""
ENVELOPE = "ck_key_versions_material_is_envelope"
CHECKSUM = "ck_key_versions_key_checksum_is_sha256"
CREDENTIALS = "ck_hsm_configurations_authentication_config_is_envelope"
ADDRESS = "ck_hsm_configurations_endpoint_url_has_no_secret"

# What is refused by which rule: also where something else is wrong with the row.
OF_VERSIONS: dict[str, tuple[Row, str]] = {
    "a key": ({"encrypted_key_data": KEY}, ENVELOPE),
    "a key in hexadecimal": ({"encrypted_key_data": KEY.hex().encode()}, ENVELOPE),
    "a key after the byte of a format": ({"encrypted_key_data": b"\x01" + KEY}, "validate_key_version_material"),
    "a key, and a negative counter": ({"encrypted_key_data": KEY, "usage_count": -1}, ""),
    "a key, and no number": ({"encrypted_key_data": KEY, "version_number": None}, ""),
    "a key, and no wrapper": ({"encrypted_key_data": KEY, "wrapping_key_ref": None}, ""),
    "a key as its check value": ({"key_checksum": base64.b64encode(KEY).decode()}, CHECKSUM),
    "a key in its description": ({"encryption_metadata": {"key": KEY.hex()}}, "ck_key_versions_material_names_its"),
    "a key instead of its description": ({"encryption_metadata": [KEY.hex()]}, "ck_key_versions_encryption_metadata"),
}
OF_HSMS: dict[str, tuple[Row, str]] = {
    "credentials": ({"authentication_config": f'{{"pin": "{PASSWORD}"}}'.encode()}, CREDENTIALS),
    "short credentials": ({"authentication_config": b"\x01" + PASSWORD[:28].encode()}, CREDENTIALS),
    "credentials, and no provider": ({"authentication_config": PASSWORD.encode(), "provider": None}, ""),
    "credentials, and no such provider": ({"authentication_config": PASSWORD.encode(), "provider": "abacus"}, ""),
    "a password in a URL": ({"endpoint_url": f"https://officer:{PASSWORD}@hsm.example:9000/x"}, ADDRESS),
    "a password before a host": ({"endpoint_url": f"officer:{PASSWORD}@hsm.example"}, ADDRESS),
    "a password in a URL, and a bad word": ({"endpoint_url": f"kmip://o:{PASSWORD}@hsm", "health_status": "FINE"}, ""),
    "a PIN of PKCS #11": ({"endpoint_url": f"pkcs11:token=one;object=kek?pin-value={PASSWORD}"}, ADDRESS),
    "a password after one slash": ({"endpoint_url": f"https:/officer:{PASSWORD}@hsm.example"}, ADDRESS),
    "a password behind a path": ({"endpoint_url": f"https://hsm.example/x:{PASSWORD}@hsm"}, ADDRESS),
    "an encoded colon and at": ({"endpoint_url": f"https://officer%3A{PASSWORD}%40hsm.example"}, ADDRESS),
    "a PIN of PKCS #11 in its path": ({"endpoint_url": f"pkcs11:pin-value={PASSWORD}"}, ADDRESS),
    "an encoded name": ({"endpoint_url": f"https://hsm.example/?p%69n={PASSWORD}"}, ADDRESS),
    "a name encoded twice": ({"endpoint_url": f"https://hsm.example/?p%2569n={PASSWORD}"}, ADDRESS),
    "an encoded equals": ({"endpoint_url": f"https://hsm.example/?pwd%3d{PASSWORD}"}, ADDRESS),
    "a key of an interface": ({"endpoint_url": f"https://hsm.example/?Api-Key={PASSWORD}"}, ADDRESS),
    "a secret after a number sign": ({"endpoint_url": f"https://hsm.example/#client_secret={PASSWORD}"}, ADDRESS),
    "a password first": ({"endpoint_url": f"host=hsm pass = {PASSWORD}"}, ADDRESS),
    "a password as a parameter": ({"endpoint_url": f"https://hsm.example/?user=a&PassWord={PASSWORD}"}, ADDRESS),
}
ADDRESSES = (
    "https://hsm.example:9000/slots/0?retries=3", "hsm.example:1792", "https://officer@hsm.example/a%20b",
    "pkcs11:token=one;object=kek?pin-source=file:/etc/pin", "https://hsm.example/?pinned=true&spin=1#a", "tcp://[::1]:9000",
)  # fmt: skip


@dataclass(frozen=True)
class Watched:
    """A migrated database, and what its server logs."""

    connection: Connection

    def logged(self) -> str:
        """Return the log of the server since it began; nothing for SQLite."""
        if not isinstance(self.connection, psycopg.Connection):
            return ""
        return str(execute(self.connection, "SELECT pg_read_file(pg_current_logfile())").fetchone()[0])


@pytest.fixture(scope="module")
def server(engine_name: str) -> Iterator[PostgresqlEngine]:
    """A server whose log can be read through SQL."""
    programs = find_programs(int(engine_name.removeprefix("postgresql-")))
    with closing(PostgresqlEngine(engine_name, programs, ("--set", "logging_collector=on"))) as engine:
        yield engine


@pytest.fixture
def watched(engine_name: str, request: pytest.FixtureRequest) -> Iterator[Watched]:
    if engine_name.startswith("sqlite"):
        database = request.getfixturevalue("database")
    else:
        database = request.getfixturevalue("server").create()
        database.alembic("upgrade", "head")
    with closing(database.connect()) as connection:
        yield Watched(connection)


def all_of(error: BaseException) -> str:
    """Return everything that the client is told."""
    if not isinstance(error, psycopg.Error):
        return str(error)
    diagnosis = error.diag
    names = [name for name in dir(diagnosis) if not name.startswith("_")]
    return "\n".join([str(error), *(str(getattr(diagnosis, name)) for name in names)])


def attempts(connection: Connection) -> Iterator[tuple[str, Callable[[], Exception]]]:
    """Yield each write that is refused, INSERT and UPDATE, by its name."""
    key = insert(connection, "key_masters", **key_master())
    version = insert(connection, "key_versions", **key_version(key))
    hsm = insert(connection, "hsm_configurations", **hsm_configuration(authentication_config=envelope(256)))
    for table, cases, stored, new in (
        ("key_versions", OF_VERSIONS, version, lambda: key_version(key, version_number=2)),
        ("hsm_configurations", OF_HSMS, hsm, hsm_configuration),
    ):
        for name, (change, rule) in cases.items():
            row = {**new(), **change}
            columns, places = ", ".join(row), ", ".join(f":{column}" for column in row)
            text = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608
            yield f"INSERT of {name}", lambda text=text, row=row, rule=rule: refused(connection, text, row, rule=rule)
            values = {f"new_{column}": value for column, value in change.items()} | {"its_id": stored["id"]}
            changes = ", ".join(f"{column} = :new_{column}" for column in change)
            text = f"UPDATE {table} SET {changes} WHERE id = :its_id"  # noqa: S608
            yield f"UPDATE to {name}", lambda text=text, values=values: refused(connection, text, values, rule="")


def test_refused_material_and_credentials_are_not_repeated(watched: Watched) -> None:
    tried = {name: all_of(attempt()) for name, attempt in attempts(watched.connection)}
    assert len(tried) == 2 * (len(OF_VERSIONS) + len(OF_HSMS))
    log = watched.logged()
    shown = [(name, part) for name, message in (*tried.items(), ("log", log)) for part in SPELLINGS if part in message]
    assert shown == []
    if isinstance(watched.connection, psycopg.Connection):
        assert log.count("ERROR:  ") >= len(tried), "the log was not read"


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_without_a_secret_is_accepted(shared: Any, address: str) -> None:
    insert(shared.connection, "hsm_configurations", **hsm_configuration(endpoint_url=address))
