"""The exporter as a process: over HTTP and TLS, with the database gone, and as a text file."""

import datetime as dt
import ipaddress
import os
import signal
import ssl
import stat
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import psycopg
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kms_schema.files.outputs import replaced_file
from kms_schema.monitoring.names import METRICS, Part
from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import drop_roles
from support.programs.commands import kms_schema
from support.rows.smallest import unique
from support.statements import execute
from tests.monitoring.exporters import exporter, parsed, value
from tests.monitoring.states import fill
from tests.roles.granted import Granted


@pytest.mark.only_on("postgresql")
def test_a_member_of_the_auditors_exports_everything_and_nothing_else(database: Database) -> None:
    """The exporter comes back after the server has ended its session, and answers while it has no database."""
    prefix = unique("r").replace("-", "_") + "_"
    with closing(database.connect()) as owner:
        assert isinstance(owner, psycopg.Connection)
        apply(owner, prefix=prefix)
        state = fill(owner)
        with Granted(database, prefix, owner).member(Role.AUDITOR) as seen, exporter(seen.url) as serving:
            values = serving.scrape()
            parts = {part: value(values, "kms_collector_success", part=part) for part in Part}
            assert {part for part, success in parts.items() if success != 1} <= {Part.STATEMENTS}
            assert value(values, "kms_keys_expired_active", key_type="tls") == 1
            login = sa.make_url(seen.url).username
            counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"
            deadline = time.monotonic() + 10
            while execute(owner, counted, {"name": "kms-schema metrics"}).fetchone() != (1,):
                assert time.monotonic() < deadline, "one connection is kept; the others end with the scrape"
                time.sleep(0.05)
            terminated = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = :name"
            [(ended,)] = execute(owner, terminated, {"name": "kms-schema metrics"}).fetchall()
            assert ended == 1, "one connection, which is kept"
            assert value(serving.scrape(), "kms_collector_success", part="keys") == 1
            execute(owner, f"ALTER ROLE {login} NOLOGIN")
            execute(owner, terminated, {"name": "kms-schema metrics"})
            gone = serving.scrape()
            assert {name for name, _ in gone} == {"kms_collector_success", "kms_collector_timestamp_seconds"}
            assert {gone[each] for each in gone if each[0] == "kms_collector_success"} == {0}
            execute(owner, f"ALTER ROLE {login} LOGIN")
            again = serving.scrape()
            assert value(again, "kms_keys_expired_active", key_type="tls") == 1
            assert state.soon["key_id"] in str(again.keys())
            status, err = serving.ended()
            assert status == 0
            assert "no part can be read: " in err
            assert "read again" in err
            assert seen.url.partition("@")[0].rpartition(":")[2] not in err, "the password"
        drop_roles(owner, *(prefix + role for role in Role))


@pytest.mark.only_on("sqlite")
def test_a_file_that_is_replaced_is_read_anew(database: Database) -> None:
    with exporter(database.url) as serving:
        assert value(serving.scrape(), "kms_collector_success", part="hsms") == 1
        file = Path(database.name)
        aside = file.with_suffix(".aside")
        file.rename(aside)
        assert value(serving.scrape(), "kms_collector_success", part="hsms") == 0
        aside.rename(file)
        assert value(serving.scrape(), "kms_collector_success", part="hsms") == 1
        assert serving.ended()[0] == 0


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.mark.only_on("sqlite")
def test_tls_requires_a_client_certificate(database: Database, tmp_path: Path) -> None:
    server, client = _certificate(tmp_path, "server"), _certificate(tmp_path, "client")
    arguments = ("--tls-cert", str(server[0]), "--tls-key", str(server[1]), "--tls-client-ca", str(client[0]))
    with exporter(database.url, *arguments) as serving:
        assert serving.address.startswith("https://")
        context = ssl.create_default_context(cafile=str(server[0]))
        with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            serving.scrape(context)
        context.load_cert_chain(*map(str, client))
        assert value(serving.scrape(context), "kms_collector_success", part="keys") == 1


@pytest.mark.only_on("sqlite")
def test_a_text_file_is_replaced_as_a_whole_until_the_end(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kms.prom"
    seen: list[int] = []

    def complete() -> int:
        assert value(parsed(file.read_text("utf-8")), "kms_collector_success", part="keys") == 1
        return file.stat().st_ino

    @contextmanager
    def observed(path: Path, mode: int) -> Iterator[BinaryIO]:
        with replaced_file(path, mode) as output:
            yield output
            output.flush()
            assert [complete() for _ in seen] == seen, "the file before is there until the next is written"
        seen.append(complete())
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("kms_schema.cli.metrics.export.replaced_file", observed)
    deadline = threading.Timer(20, os.kill, (os.getpid(), signal.SIGTERM))
    deadline.start()
    words = ("metrics", "--textfile", str(file), "--interval", "1", "--no-names")
    assert kms_schema(*words, url=database.url).status == 0
    deadline.cancel()
    assert len(set(seen)) == 2
    assert list(tmp_path.iterdir()) == [file]
    assert stat.S_IMODE(file.stat().st_mode) & 0o044, "node_exporter has another user"


def test_a_text_file_is_written_once_also_without_a_database(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "kms.prom"
    words = ("metrics", "--textfile", str(file), "--once")
    assert kms_schema(*words, url=database.url).status == 0
    families = {line.split()[2] for line in file.read_text("utf-8").splitlines() if line.startswith("# HELP")}
    assert families <= {each.name for each in METRICS}
    with closing(database.connect()) as connection:
        execute(connection, "ALTER TABLE hsm_configurations RENAME TO elsewhere")
        said = kms_schema(*words, url=database.url)
        assert (said.status, said.err.startswith("the part hsms cannot be read: ")) == (1, True), said.err
        execute(connection, "ALTER TABLE elsewhere RENAME TO hsm_configurations")
    said = kms_schema(*words, url="sqlite:////nowhere/kms.db")
    assert (said.status, said.err.count("\n")) == (3, 1)
    assert set(parsed(file.read_text("utf-8")).values()) > {0}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "give either --listen HOST:PORT or --textfile FILE"),
        (["--listen", "here"], "give HOST:PORT"),
        (["--listen", "127.0.0.1:1", "--once"], "--once belongs to --textfile"),
        (["--listen", "127.0.0.1:1", "--tls-cert", "pyproject.toml"], "TLS needs --tls-cert and --tls-key"),
        (["--listen", "192.0.2.1:19187"], "cannot listen on 192.0.2.1 port 19187"),
        (["--textfile", "/nowhere/kms.prom", "--once"], "cannot write /nowhere/kms.prom"),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_options_that_cannot_be_used_are_a_sentence(database: Database, arguments: list[str], error: str) -> None:
    said = kms_schema("metrics", "export", *arguments, url=database.url)
    assert said.status in (2, 3)
    assert error in said.error
