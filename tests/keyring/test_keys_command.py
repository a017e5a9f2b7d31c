"""`kms-schema keys` as it is typed: create, list, show and changes of status, on both engines."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from kms_schema.keyring import KeyRing
from support.engines import Database
from support.rows.smallest import unique
from support.statements import execute
from tests.keyring.conftest import Keys
from tests.keyring.rings import AAD, DATA, ROOT, change, rows, value


def test_a_key_from_its_creation_to_the_archive(
    keys: Keys, root: tuple[str, str], database: Database, ring: KeyRing
) -> None:
    kek, name = unique("kek"), unique("orders")
    assert keys("create", kek, "--type", "kek", "--under", ROOT, *root).status == 0
    made = keys(
        "create", name, "--under", kek, *root, "--actor", "alice", "--max-uses", "9", "--expires", "2999-12-31",
        "--format", "json",
    )  # fmt: skip
    assert (made.status, made.err, made.target.startswith("database: ")) == (0, "", True), made
    assert json.loads(made.out) == {
        "key_id": name, "key_type": "dek", "algorithm": "XAES-256-GCM", "status": "active", "version": 1,
    }  # fmt: skip
    limits = "SELECT max_usage_count, expires_at FROM key_masters WHERE key_id = :key"
    ((uses, expires),) = rows(database, limits, key=name)
    assert (uses, str(expires)[:10]) == (9, "2999-12-31")
    blob = ring.key(name).encrypt(DATA, aad=AAD)
    assert keys("rotate", name, *root).out == f"key '{name}' is active; version 2 is live\n"
    assert ring.key(name).decrypt(blob, aad=AAD) == DATA
    refused = keys("archive", name)
    assert (refused.status, "it cannot become archived" in refused.error) == (1, True)
    assert keys("expire", name).out == f"key '{name}' is expired; it decrypts only\n"
    revoked = keys("revoke", name, "--reason", "leaked")
    assert (revoked.status, revoked.out) == (0, f"key '{name}' is revoked; it neither encrypts nor decrypts\n")
    steps = [line.split()[1:3] for line in revoked.err.splitlines() if line.startswith("  kms-schema ")]
    assert steps == [["keys", "create"], ["reencrypt", "TABLE.COLUMN"], ["keys", "decrypt"], ["keys", "archive"]]
    assert value(database, "SELECT status_reason FROM key_masters WHERE key_id = :key", key=name) == "leaked"
    assert keys("archive", name).status == 0
    who = "SELECT user_id FROM key_audit_logs WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :key)"
    assert ("alice",) in rows(database, who, key=name)


def test_a_pending_key_is_activated(keys: Keys, database: Database, orders: str) -> None:
    name = unique("pending")
    change(
        database,
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits)"
        " VALUES (:key, 'dek', 'XAES-256-GCM', 256)",
        key=name,
    )
    said = keys("activate", name)
    assert (said.status, "has no version" in said.error) == (1, True)
    again = keys("activate", orders)
    assert (again.status, "it cannot become active" in again.error) == (1, True)


def test_a_list_fits_a_terminal_and_reads_pages(
    keys: Keys, ring: KeyRing, kek: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = unique("a-long-name-of-a-key").ljust(64, "x")
    names = sorted([long, *(unique("listed") for _ in range(4))])
    for name in names:
        ring.create(name, under=kek, key_type="backup", algorithm="AES-256")
    ring.expire(names[-1])
    monkeypatch.setattr("kms_schema.keyring.descriptions.listed_keys.__kwdefaults__", {
        "key_type": None, "status": None, "page": 2,
    })  # fmt: skip
    found = json.loads(keys("list", "--type", "backup", "--format", "json").out)
    assert sorted(each["key_id"] for each in found) == names
    assert {each["live_version"] for each in found} == {1}
    active = json.loads(keys("list", "--type", "backup", "--status", "active", "--format", "json").out)
    assert sorted(each["key_id"] for each in active) == names[:-1]
    assert json.loads(keys("list", "--type", "tls", "--format", "json").out) == []
    said = keys("list", "--type", "backup")
    lines = said.out.splitlines()
    assert (said.status, said.all) == (0, said.out)
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["KEY", "TYPE", "STATUS", "VERSION", "USES", "EXPIRES"]
    assert len(lines) == 1 + len(names) + 1
    assert re.search(rf"^{long}\n {{27}}backup active +1 +0 -$", said.out, re.MULTILINE)
    monkeypatch.setattr("kms_schema.cli.streams.width", lambda: 60)
    lines = keys("list", "--type", "backup").out.splitlines()
    assert max(len(line) for line in lines if line not in names) <= 60
    assert re.search(rf"^{names[0]}\n {{9}}backup ", "\n".join(lines), re.MULTILINE)


def test_show_has_versions_and_no_material(
    keys: Keys, ring: KeyRing, orders: str, kek: str, database: Database
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    ring.rotate(orders)
    said = keys("show", orders)
    assert (said.status, said.all, max(map(len, said.out.splitlines())) <= 80) == (0, said.out, True)
    first = next(line for line in said.out.splitlines() if line.split()[0] == "1")
    assert first.split()[:4] == ["1", str(ring.inspect(blob).tag), "ended", "1"]
    assert f"under {kek}:1" in said.out
    document = json.loads(keys("show", orders, "--format", "json").out)
    assert [(each["version"], each["state"]) for each in document["versions"]] == [(1, "ended"), (2, "live")]
    assert (document["live_version"], document["key_id"]) == (2, orders)
    assert ("encrypted_columns: *\n" in said.out, document["encrypted_columns"]) == (True, ["*"])
    stored = "SELECT encrypted_key_data, key_checksum FROM key_versions WHERE ciphertext_tag = :tag"
    for secret in rows(database, stored, tag=ring.inspect(blob).tag)[0]:
        text = secret if isinstance(secret, str) else secret.hex()
        assert text not in said.out + json.dumps(document)
    unknown = keys("show", "no-such-key")
    assert (unknown.status, "'no-such-key'; kms-schema keys list shows the names" in unknown.error) == (1, True)


@pytest.mark.full_on("postgresql")
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("create", "k", "--under", "no-such-kek"), 1, "there is no key named 'no-such-kek'"),
        (("create", "k", "--under", ROOT), 1, "in KMS_ROOT_KEYS"),
        (("create", "k", "--under", ROOT, "--type", "hsm"), 1, "name the algorithm of this hsm key"),
        (("create", "k", "--under", ROOT, "--in-hsm", "luna"), 2, "--in-hsm NAME"),
        (("create", "k"), 2, "--in-hsm NAME"),
        (("create", "k", "--in-hsm", "luna"), 1, "there is no HSM named 'luna'"),
        (("create", "k", "--in-hsm", "luna", "--hsm", "luna=/lib.so"), 2, "--hsm takes NAME=URI"),
        (("create", "k", "--under", ROOT, "--expires", "2001-01-01"), 2, "the time is in the past"),
        (("create", "k", "--under", ROOT, "--expires", "soon"), 2, "ISO 8601"),
        (("create", "k", "--under", ROOT, "--algorithm", "DES"), 1, "a dek is XAES-256-GCM or AES-256-GCM"),
        (("create", "k" * 65, "--under", ROOT), 2, "1 to 64 printable characters"),
        (("rotate", "no-such-key"), 1, "there is no key named 'no-such-key'"),
        (("revoke", "k", "--reason", " "), 2, "--reason"),
        (("revoke", "k"), 2, "Missing option '--reason'"),
        (("expire", "k", "--actor", "x" * 101), 2, "100"),
        (("list", "--status", "lost"), 2, "'lost' is not one of"),
    ],
)
def test_what_cannot_be_done_is_said(keys: Keys, words: tuple[str, ...], status: int, message: str) -> None:
    said = keys(*words)
    assert (said.status, message in said.error) == (status, True), said


@pytest.mark.parametrize("words", [("list",), ("show", "k"), ("rotate", "k")], ids=lambda words: words[0])
def test_a_database_that_is_not_there_is_status_3(keys: Keys, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert keys(*words, url=f"sqlite:///{tmp_path}/none.db").status == 3
    assert keys(*words, url="postgresql://nobody@127.0.0.1:1/none").status == 3


def test_a_lock_is_waited_for_and_not_forever(
    keys: Keys, database: Database, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms_schema.cli.connections.LOCK_WAIT_SECONDS", 0.2)
    with closing(database.connect()) as holding:
        if database.dialect == "sqlite":
            execute(holding, "BEGIN IMMEDIATE")
        else:
            execute(holding, "BEGIN")
            execute(holding, "SELECT 1 FROM key_masters WHERE key_id = :key FOR UPDATE", {"key": orders})
        said = keys("expire", orders)
        execute(holding, "ROLLBACK")
    then = "another process holds the lock of the file: run this again"
    if database.dialect == "postgresql":
        then = "has the lock: wait for it or end it, and run this again"
    assert (said.status, then in said.error) == (3, True), said
    assert keys("expire", orders).status == 0
