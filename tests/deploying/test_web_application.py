"""examples/invoices: its own history beside ours, its encrypted column, and a rotation while it serves."""

import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploying.containers import EXAMPLES
from tests.deploying.installed import Installed
from tests.deploying.web import Web, serving

TABLES = {"postgresql": ("invoices.invoices", "kms.key_audit_logs"), "sqlite": ("invoices", "key_audit_logs")}
PLAINTEXT = "INSERT INTO {} VALUES ('00000000-0000-4000-8000-000000000000', 'DE89 3704') RETURNING 1"
BOUND = {"postgresql": "id", "sqlite": "id:uuid"}


@dataclass
class Load:
    """Requests that go on beside a test, and what they stored."""

    stored: dict[str, str] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)


@contextmanager
def requests_to(web: Web) -> Iterator[Load]:
    """Store and read invoices until the end of the block."""
    load, end = Load(), threading.Event()

    def go_on() -> None:
        try:
            while not end.is_set():
                iban = f"DE89 {secrets.token_hex(4)}"
                invoice = web.add(iban)
                load.stored[invoice] = iban
                assert web.iban(invoice) == iban
        except BaseException as error:  # noqa: BLE001  (the test looks at it)
            load.failures.append(error)

    threads = [threading.Thread(target=go_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        end.set()
        for thread in threads:
            thread.join()


def versions_in_use(installed: Installed) -> list[int]:
    """Return how many invoices each version has encrypted: its ciphertexts begin with the same five bytes."""
    table, _ = TABLES[installed.database.dialect]
    return [count for count, _ in installed.rows(f"SELECT count(*), substr(iban, 1, 5) FROM {table} GROUP BY 2")]  # noqa: S608


def test_a_key_rotates_while_it_serves(installed: Installed, tmp_path: Path) -> None:
    dialect = installed.database.dialect
    table, log = TABLES[dialect]
    reencrypt = f"kms-schema reencrypt invoices.iban --key invoices --row {BOUND[dialect]}"
    assert "No new upgrade operations" in installed.types("alembic check", "invoices_owner")
    with serving(installed, tmp_path / "log") as web:
        assert web.ask("GET", "/health").status == 200
        bodies = ("", "[]", '{"iban": 1}', '{"iban": ""}', '{"iban": "\\udcff"}')
        assert {web.ask("POST", "/invoices", body).status for body in bodies} == {400}
        assert web.ask("GET", "/invoices/00000000-0000-4000-8000-000000000000").status == 404
        first = {web.add(f"DE89 {number}"): f"DE89 {number}" for number in range(3)}
        with requests_to(web) as load:
            installed.types("kms-schema keys rotate invoices", "keeper")
            deadline = time.monotonic() + 30
            while len(versions_in_use(installed)) == 1 and not load.failures and time.monotonic() < deadline:
                time.sleep(0.1)
            said = (tmp_path / "log").read_text(encoding="utf-8")
            assert (load.failures, len(versions_in_use(installed))) == ([], 2), said
            installed.types(reencrypt, "invoices")
        assert load.failures == []
        installed.types(reencrypt, "invoices")  # what was on its way with the old version
        assert len(versions_in_use(installed)) == 1
        expected = first | load.stored
        assert {invoice: web.iban(invoice) for invoice in expected} == expected
    assert "DE89" not in (tmp_path / "log").read_text(encoding="utf-8")
    [(used,)] = installed.rows(f"SELECT count(*) FROM {log} WHERE event_type = 'KEY_USED'")  # noqa: S608
    assert used >= 2, "at the end the application writes how it used both versions"
    with pytest.raises(Exception, match="ck_invoices_iban_encrypted"):
        installed.rows(PLAINTEXT.format(table))
    other = {"KMS_ROOT_KEYS": f"kms://root={tmp_path / 'secrets' / 'root.key'}"}
    subprocess.run([EXAMPLES / "postgresql" / "make-secrets", tmp_path / "secrets"], check=True)
    with serving(installed, tmp_path / "other", other) as web:
        answer = web.ask("GET", f"/invoices/{next(iter(first))}")
        assert (answer.status, answer.body) == (503, {"error": "the database or a key is not available"})
    assert "MaterialUnavailableError" in (tmp_path / "other").read_text(encoding="utf-8")
