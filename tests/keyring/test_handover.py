"""A key version goes from one database to another: who may, what is refused, and the entries on both sides."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.crypto import RootKeys, Secret
from kms_schema.keyring import (
    HandoverError,
    KeyExistsError,
    KeyNotPermittedError,
    KeyRevokedError,
    KeyRing,
    KeyRingError,
    KeyStateError,
    MaterialUnavailableError,
    UnknownKeyError,
    UnsupportedKeyError,
    VersionDestroyedError,
)
from kms_schema.keyring.handover import transfers
from kms_schema.keyring.handover.handover_files import Handover
from kms_schema.keyring.handover.receiver_keys import HandoverKey
from kms_schema.roles.definition import Role
from support.engines import Database, Engines
from support.errors import raises
from support.programs.commands import Said, kms_schema
from support.rows.smallest import unique
from tests.keyring.rings import AAD, DATA, ROOT, change, entries, opened, ring_as, rows
from tests.roles.granted import Granted

EVENTS = ("KEY_HANDOVER_STARTED", "KEY_HANDED_OVER", "KEY_TAKEN_OVER")


@pytest.fixture(scope="module")
def key() -> HandoverKey:
    return HandoverKey.generate()


@pytest.fixture(scope="module")
def elsewhere(engines: Engines, engine_name: str) -> Iterator[Database]:
    """The database of the receiver."""
    engine = engines[engine_name]
    made = engine.create(engines.migrated(engine_name, "template"))
    yield made
    engine.drop(made)


@pytest.fixture
def receiver(elsewhere: Database, roots: RootKeys) -> Iterator[KeyRing]:
    """The ring of the receiver."""
    engine = elsewhere.engine()
    with KeyRing(engine, roots) as ring:
        yield ring
    engine.dispose()


def run(*words: str) -> Said:
    return kms_schema("handover", *words)


def levels(database: Database, key_id: str) -> list[tuple[Any, ...]]:
    """Return type, level and user of the entries of a handover about a key."""
    query = (
        "SELECT event_type, e.security_level, user_id FROM key_audit_logs AS e JOIN key_masters AS m ON m.id = e.key_id"
        " WHERE m.key_id = :key ORDER BY sequence"
    )
    return [tuple(each) for each in rows(database, query, key=key_id) if each[0] in EVENTS]


def test_a_version_goes_to_another_database(
    *, ring: KeyRing, orders: str, receiver: KeyRing, database: Database, elsewhere: Database, root: Any, tmp_path: Path
) -> None:
    blob = ring.key(orders).encrypt(DATA, aad=AAD)
    ring.rotate(orders)
    private, file, raw = (tmp_path / name for name in ("receiver.key", "orders.handover", "orders.bin"))
    made = json.loads(run("new-key", str(private), "--format", "json").out)
    public = str(private) + ".pub"
    assert (private.stat().st_mode & 0o777, made["public_key_file"]) == (0o600, public)
    assert run("show", public).out == f"fingerprint: {made['fingerprint']}\n"
    to = ("--to", public, "--output", str(file), "--database-url", database.url)
    missing = run("send", f"{orders}:9", *to, "--reason", "moves to shop 2", *root)
    assert (missing.status, f"has no version 9; kms-schema keys show {orders} lists them" in missing.error) == (1, True)
    sent = run("send", f"{orders}:1", *to, "--reason", "moves to shop 2", "--actor", "alice", *root, "--format", "json")
    assert sent.status == 0, sent
    told = json.loads(sent.out)
    assert json.loads(run("show", str(file), "--format", "json").out) == told
    assert (told["key_id"], told["version"], told["receiver"]) == (orders, 1, made["fingerprint"])
    name = unique("taken")
    words = ("import", name, str(file), "--key", str(private), "--sha256", told["sha256"], "--under", ROOT)
    taken = run(*words, "--actor", "bob", "--database-url", elsewhere.url, *root)
    assert (taken.status, taken.out) == (0, f"key '{name}' is active; version 1 is live\n"), taken
    assert receiver.key(name).decrypt(blob, aad=AAD) == DATA
    assert receiver.inspect(blob).key_id == name
    assert levels(database, orders) == [
        ("KEY_HANDOVER_STARTED", "HIGH", "alice"),
        ("KEY_HANDED_OVER", "MEDIUM", "alice"),
    ]
    assert levels(elsewhere, name) == [("KEY_TAKEN_OVER", "MEDIUM", "bob")]
    (started,), (over,) = (entries(database, event, orders) for event in EVENTS[:2])
    assert (started["version"], started["receiver"], started["reason"]) == (1, made["fingerprint"], "moves to shop 2")
    (origin,) = entries(elsewhere, "KEY_TAKEN_OVER", name)
    assert over["sha256"] == origin["sha256"] == told["sha256"]
    assert (origin["from_key"], origin["from_version"], origin["receiver"]) == (orders, 1, made["fingerprint"])
    opening = ("open", str(file), "--key", str(private), "--sha256", told["sha256"], "--output", str(raw))
    assert run(*opening).status == 0
    assert (raw.stat().st_mode & 0o777, raw.stat().st_size) == (0o600, 32)
    ring.create(unique("again"), under=ROOT, material=raw.read_bytes())
    assert (run(*opening).status, f"{raw} exists, and is never overwritten" in run(*opening).error) == (2, True)


def test_a_file_is_imported_once_with_the_use_so_far(
    *, ring: KeyRing, kek: str, receiver: KeyRing, elsewhere: Database, key: HandoverKey
) -> None:
    orders, name = unique("orders"), unique("taken")
    ring.create(orders, under=kek, algorithm="AES-256-GCM", used=2**31 - 2)
    made = ring.hand_over(orders, to=key.public)
    given: dict[str, Any] = {"key": key, "sha256": made.sha256, "under": ROOT}
    with pytest.raises(HandoverError):
        receiver.take_over(name, made.file, **{**given, "sha256": "0" * 64})
    with pytest.raises(MaterialUnavailableError):
        receiver.take_over(name, made.file, **{**given, "under": "kms://none"})
    receiver.take_over(name, made.file, **given)
    count = "SELECT usage_count FROM key_versions WHERE ciphertext_tag = :tag"
    assert rows(elsewhere, count, tag=made.header.ciphertext_tag) == [(2**31 - 2,)]
    again = ring.hand_over(orders, to=key.public)
    for each in (made, again):
        with raises(KeyExistsError, "ciphertext_tag"):
            receiver.take_over(unique("taken"), each.file, **{**given, "sha256": each.sha256})
    with pytest.raises(KeyExistsError):
        receiver.take_over(name, again.file, **{**given, "sha256": again.sha256})


def test_the_entry_is_committed_before_the_material_is_opened(
    *, sql_engine: sa.Engine, orders: str, database: Database, key: HandoverKey
) -> None:
    with (
        KeyRing(sql_engine, RootKeys({})) as without,
        pytest.raises(MaterialUnavailableError, match="cannot be opened"),
    ):
        without.hand_over(orders, to=key.public)
    assert [each[0] for each in levels(database, orders)] == ["KEY_HANDOVER_STARTED"]


def test_what_is_not_handed_over(ring: KeyRing, database: Database, key: HandoverKey) -> None:
    names = {word: unique(word) for word in ("pending", "held", "expired", "revoked", "archived", "old", "none")}
    change(
        database,
        "INSERT INTO key_masters (key_id, key_type, algorithm, key_size_bits, hsm_provider, hsm_key_id) VALUES"
        " (:pending, 'dek', 'XAES-256-GCM', 256, NULL, NULL), (:held, 'dek', 'AES-256-GCM', 256, 'pkcs11', 'luna/1')",
        **{word: names[word] for word in ("pending", "held")},
    )
    for word in ("expired", "revoked", "archived", "old"):
        ring.create(names[word], under=ROOT)
    ring.rotate(names["old"])
    ring.destroy_version(names["old"], 1, erase_data=True)
    change(
        database,
        "UPDATE key_versions SET deactivated_at = activated_at"
        " WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :key)",
        key=names["expired"],
    )
    ring.revoke(names["revoked"], reason="leaked")
    names["unfit"] = unique("unfit") + "\u200b"
    ring.create(names["unfit"], under=ROOT)
    ring.expire(names["archived"])
    ring.archive(names["archived"])
    refused: dict[tuple[str, int | None], tuple[type[KeyRingError], str | None]] = {
        ("revoked", 1): (KeyRevokedError, None), ("archived", 1): (KeyStateError, "archived"),
        ("held", None): (UnsupportedKeyError, None), ("none", None): (UnknownKeyError, None),
        ("old", 7): (UnknownKeyError, None), ("old", 1): (VersionDestroyedError, None),
        ("expired", None): (KeyStateError, "no_live_version"), ("pending", None): (KeyStateError, "pending"),
        ("unfit", None): (UnsupportedKeyError, None),
    }  # fmt: skip
    for (word, version), (error, reason) in refused.items():
        with raises(error, reason, match=names[word].rstrip("\u200b")) as caught:
            ring.hand_over(names[word], to=key.public, version=version)
        assert caught.value.key_id == names[word]
    assert [name for name in names.values() if levels(database, name)] == []
    assert ring.hand_over(names["expired"], to=key.public, version=1).header.version == 1


@pytest.mark.only_on("postgresql")
def test_who_may_hand_over_and_take_over(
    *, granted: Granted, roots: RootKeys, orders: str, database: Database, key: HandoverKey
) -> None:
    for role in (Role.APP, Role.ADMIN, Role.AUDITOR):
        with ring_as(granted, roots, (role,)) as seen, pytest.raises(KeyNotPermittedError, match="kms_rotator"):
            seen.hand_over(orders, to=key.public)
    assert levels(database, orders) == []
    with ring_as(granted, roots, (Role.ROTATOR,)) as rotator:
        made = rotator.hand_over(orders, to=key.public)
        assert [each[0] for each in levels(database, orders)] == [*EVENTS[:2]]
    file = with_tag(made, made.header.ciphertext_tag % 2**31 + 1, key)
    given: dict[str, Any] = {"key": key, "sha256": file.sha256, "under": ROOT}
    name = unique("taken")
    for role in (Role.APP, Role.ROTATOR, Role.AUDITOR):
        with ring_as(granted, roots, (role,)) as seen, pytest.raises(KeyNotPermittedError, match="kms_admin"):
            seen.take_over(name, file.file, **given)
    with ring_as(granted, roots, (Role.ADMIN,)) as admin:
        registered = admin.take_over(name, file.file, **given)
        assert (registered.status, "the same call" in str(registered.next_step)) == ("pending", True)
    assert entries(database, "KEY_TAKEN_OVER", name) == []
    with ring_as(granted, roots, (Role.ROTATOR,)) as rotator:
        assert rotator.take_over(name, file.file, **given).version == 1
    assert len(entries(database, "KEY_TAKEN_OVER", name)) == 1


def with_tag(made: Handover, tag: int, key: HandoverKey) -> Handover:
    """Return a handover file with another ciphertext tag, for the database that made it."""
    header = type(made.header)(**{**made.header.described(), "ciphertext_tag": tag})
    return transfers.seal(header, Secret(bytearray(range(32))), key.public)


def test_an_interrupted_command_leaves_no_file(
    *, orders: str, database: Database, root: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: HandoverKey
) -> None:
    public, output = tmp_path / "receiver.pub", tmp_path / "orders.handover"
    public.write_text(str(key.public))
    words = ("send", orders, "--to", str(public), "--output", str(output), "--database-url", database.url, *root)

    def interrupted(*_: object) -> Handover:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(transfers, "seal", interrupted)
        assert run(*words).status == 130
    assert list(tmp_path.iterdir()) == [public]
    assert [each[0] for each in levels(database, orders)] == ["KEY_HANDOVER_STARTED"]
    nowhere = str(tmp_path / "none" / "orders.handover")
    assert run(*(nowhere if word == str(output) else word for word in words)).status == 2
    for there in (lambda: output.symlink_to(tmp_path / "none"), lambda: output.write_bytes(b"")):
        there()
        refused = run(*words)
        assert (refused.status, "is never overwritten" in refused.error) == (2, True)
        output.unlink()
    assert len(levels(database, orders)) == 1  # nothing was recorded as handed over meanwhile


def test_wrong_files_of_commands(tmp_path: Path, database: Database, key: HandoverKey) -> None:
    private, file, output = (tmp_path / name for name in ("receiver.key", "orders.handover", "orders.bin"))
    key.write(private)
    file.write_bytes(bytes(20_000))
    assert "longer than any" in run("show", str(file)).error
    file.write_bytes(b"kms-handover/v1\n")
    words = ("open", str(file), "--key", str(private), "--output", str(output), "--sha256")
    assert run(*words, "4f1c").status == 2
    refused = run(*words, "0" * 64)
    assert (refused.status, "not that of the sender" in refused.error) == (1, True)
    assert run("show", str(file)).status == run("show", str(tmp_path / "none")).status == 2
    sending = ("send", "orders", "--output", str(output), "--database-url", database.url, "--to")
    assert "this is a private key" in run(*sending, str(private)).error
    assert run(*sending, str(tmp_path / "none")).status == 2
    private.chmod(0o644)
    assert "others can read" in run(*words, "0" * 64).error
    assert not output.exists()
    assert "is never overwritten" in run("new-key", str(private)).error
    assert not private.with_name("receiver.key.pub").exists()


def test_the_asynchronous_ring_hands_over_and_takes_over(
    database: Database, elsewhere: Database, orders: str, roots: RootKeys, key: HandoverKey
) -> None:
    async def work() -> None:
        async with opened(database, roots) as (ring, _), opened(elsewhere, roots) as (other, _):
            blob = await ring.key(orders).encrypt(DATA, aad=AAD)
            made = await ring.hand_over(orders, to=key.public)
            name = unique("taken")
            await other.take_over(name, made.file, key=key, sha256=made.sha256, under=ROOT)
            assert await other.key(name).decrypt(blob, aad=AAD) == DATA

    asyncio.run(work())
