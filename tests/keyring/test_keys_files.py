"""`kms-schema keys encrypt` and `decrypt` as they are typed: files, their states and limits, roles."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from kms_schema.keyring import DecryptionError, KeyRing
from kms_schema.keyring.formats.streams import SEGMENT_BYTES, stream_bytes
from kms_schema.roles.definition import Role
from support.engines import Database
from support.rows.smallest import unique
from tests.keyring.conftest import Keys
from tests.keyring.key_files import NOT_OPEN, TEXT
from tests.keyring.rings import AAD, DATA, entries, used, value
from tests.roles.granted import Granted

VOLUME = "SELECT data_volume_bytes FROM key_versions WHERE key_id = (SELECT id FROM key_masters WHERE key_id = :key)"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report"
    path.write_bytes(TEXT)
    return path


@pytest.fixture
def encrypted(keys: Keys, root: tuple[str, str], orders: str, report: Path) -> Path:
    target = report.with_name("report.kms")
    said = keys("encrypt", orders, str(report), "--aad", "report", "--output", str(target), *root)
    assert (said.status, said.out, said.err) == (0, "", ""), said
    return target


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_a_file_goes_there_and_back(
    *, keys: Keys, root: tuple[str, str], orders: str, report: Path, encrypted: Path, database: Database, ring: KeyRing
) -> None:
    assert encrypted.stat().st_size == stream_bytes(len(TEXT))
    assert encrypted.stat().st_mode & 0o777 == 0o600
    assert used(database, orders) == 1
    assert value(database, VOLUME, key=orders) >= len(TEXT)
    assert [(each["encryptions"], each["bytes"]) for each in entries(database, "KEY_USED", orders)] == [
        (0, 0), (1, len(TEXT)),
    ]  # fmt: skip
    with encrypted.open("rb") as source:
        assert b"".join(ring.key(orders).decrypt_stream(source, aad=b"report")) == TEXT
    keys("rotate", orders, *root)
    report.unlink()
    said = keys("decrypt", orders, str(encrypted), "--aad", "report", "--output", str(report), *root)
    assert (said.status, said.out, said.err) == (0, "", ""), said
    assert (report.read_bytes(), report.stat().st_mode & 0o777) == (TEXT, 0o600)
    assert used(database, orders) == 0


def test_a_file_is_encrypted_in_its_place_and_none_through_a_link(
    keys: Keys, root: tuple[str, str], orders: str, report: Path
) -> None:
    link = report.with_name("link")
    link.symlink_to(report)
    refused = keys("encrypt", orders, str(report), "--output", str(link), *root)
    assert (refused.status, "symbolic link" in refused.error, report.read_bytes() == TEXT) == (2, True, True)
    assert keys("encrypt", orders, str(report), "--output", str(report), *root).status == 0
    assert report.read_bytes()[:1] == b"\x02"
    assert keys("decrypt", orders, str(report), "--output", str(report), *root).status == 0
    assert report.read_bytes() == TEXT
    assert names(report.parent) == {"report", "link"}


def flipped(blob: bytes, place: int) -> bytes:
    return blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "plaintext": lambda _: TEXT,
    "cut header": lambda blob: blob[:30],
    "cut between segments": lambda blob: blob[: 5 + SEGMENT_BYTES],
    "cut in a segment": lambda blob: blob[:-1],
    "another byte": lambda blob: flipped(blob, -20),
    "another tag": lambda blob: flipped(blob, 3),
    "longer": lambda blob: blob + b"x",
    "swapped segments": lambda blob: (
        blob[: 5 + SEGMENT_BYTES] + blob[5 + 2 * SEGMENT_BYTES :] + blob[5 + SEGMENT_BYTES : 5 + 2 * SEGMENT_BYTES]
    ),
}


def test_what_was_changed_leaves_no_file(keys: Keys, root: tuple[str, str], orders: str, encrypted: Path) -> None:
    blob, changed, target = encrypted.read_bytes(), encrypted.with_name("changed"), encrypted.with_name("out")
    for name, change in CHANGES.items():
        changed.write_bytes(change(blob))
        said = keys("decrypt", orders, str(changed), "--aad", "report", "--output", str(target), *root)
        assert (said.status, said.out, NOT_OPEN in said.error) == (1, "", True), (name, said)
    assert names(encrypted.parent) == {"report", "report.kms", "changed"}


def test_a_wrong_root_key_is_named(*, keys: Keys, root: tuple[str, str], orders: str, encrypted: Path) -> None:
    other = encrypted.with_name("other.key")
    other.write_bytes(base64.b64encode(bytes(range(32))))
    other.chmod(0o600)
    reference = root[1].partition("=")[0]
    said = keys(
        "decrypt", orders, str(encrypted), "--aad", "report", "--output", "out", "--root-key", f"{reference}={other}"
    )
    assert said.status == 1
    assert (
        f"root key '{reference}' is file:{other} here; to try it on every row, run kms-schema roots check" in said.error
    )


def test_other_data_messages_and_keys_are_refused(
    *, keys: Keys, root: tuple[str, str], orders: str, kek: str, encrypted: Path, ring: KeyRing
) -> None:
    target = ("--output", str(encrypted.with_name("out")))
    other = unique("other")
    ring.create(other, under=kek)
    # Without a root key nothing can be opened: the tag of another key is refused before.
    foreign = keys("decrypt", other, str(encrypted), "--aad", "report", *target)
    data = keys("decrypt", orders, str(encrypted), "--aad", "other", *target, *root)
    message = encrypted.with_name("message")
    message.write_bytes(ring.key(orders).encrypt(DATA, aad=AAD))
    of_message = keys("decrypt", orders, str(message), "--aad", AAD.decode(), *target, *root)
    assert (of_message.status, "it is a message, as `encrypt` of a key makes" in of_message.error) == (1, True)
    with pytest.raises(DecryptionError, match="it is a stream, as `keys encrypt` makes") as caught:
        ring.key(orders).decrypt(encrypted.read_bytes(), aad=b"report")
    assert caught.value.__context__ is None
    assert ring.inspect(encrypted.read_bytes()).key_id == orders
    for said in (foreign, data):
        assert (said.status, NOT_OPEN in said.error) == (1, True), said
        assert "discard" not in said.error  # nothing is written
    unknown = keys("decrypt", "no-such-key", str(encrypted), *target, *root)
    assert (unknown.status, "there is no key named 'no-such-key'; kms-schema keys list" in unknown.error) == (1, True)
    own = keys("decrypt", orders, str(encrypted), "--aad", "report", *target)
    assert (own.status, "cannot be opened: the root key" in own.error) == (1, True)
    assert "is not given, and no other one: name its place with --root-key" in own.error
    given = ("--root-key", f"kms://other={root[1].partition('=')[2]}")
    assert "is not given, only 'kms://other': " in keys("decrypt", orders, str(encrypted), *target, *given).error
    assert names(encrypted.parent) == {"report", "report.kms", "message"}


def test_states_and_limits_are_those_of_messages(
    *, keys: Keys, root: tuple[str, str], orders: str, kek: str, report: Path, encrypted: Path, ring: KeyRing
) -> None:
    target = ("--output", str(report.with_name("out")))
    once = unique("once")
    ring.create(once, under=kek, max_usage_count=1)
    assert keys("encrypt", once, str(report), *target, *root).status == 0
    second = keys("encrypt", once, str(report), *target, *root)
    assert (second.status, "has reached its limit of 1 encryptions: rotate the key" in second.error) == (1, True)
    wrapper = keys("encrypt", kek, str(report), *target, *root)
    assert (wrapper.status, "only a dek or hsm key encrypts data" in wrapper.error) == (1, True)
    ring.expire(orders)
    expired = keys("encrypt", orders, str(report), *target, *root)
    assert (expired.status, "has expired: it decrypts only" in expired.error) == (1, True)
    decrypt = ("decrypt", orders, str(encrypted), "--aad", "report", *target, *root)
    assert keys(*decrypt).status == 0
    ring.revoke(orders, reason="leaked")
    revoked = keys(*decrypt)
    assert (revoked.status, "is revoked" in revoked.error) == (1, True)


def test_usage(keys: Keys, root: tuple[str, str], orders: str, report: Path, tmp_path: Path) -> None:
    missing = keys("encrypt", orders, str(tmp_path / "none"), "--output", str(tmp_path / "out"), *root)
    assert (missing.status, "cannot read" in missing.error) == (2, True)
    folder = keys("encrypt", orders, str(tmp_path), "--output", str(tmp_path / "out"), *root)
    assert (folder.status, "cannot read" in folder.error) == (2, True)
    nowhere = keys("encrypt", orders, str(report), "--output", str(tmp_path / "none" / "out"), *root)
    assert (nowhere.status, "cannot write" in nowhere.error) == (2, True)
    full = keys("encrypt", orders, str(report), "--output", "/dev/full", *root)
    assert (full.status, "cannot write /dev/full: No space left" in full.error) == (3, True)
    no_database = f"sqlite:///{tmp_path}/none.db"
    assert keys("decrypt", orders, str(report), "--output", str(tmp_path / "out"), url=no_database).status == 3
    assert names(tmp_path) == {"report"}


@pytest.mark.only_on("postgresql")
def test_commands_say_which_role_they_need(
    *, keys: Keys, granted: Granted, root: tuple[str, str], orders: str, kek: str, report: Path
) -> None:
    blob, out = str(report.with_name("report.kms")), str(report.with_name("out"))
    assert keys("encrypt", orders, str(report), "--output", blob, *root).status == 0
    allowed = ("encrypt", orders, str(report), "--output", out, *root)
    rotate, decrypt = ("rotate", orders, *root), ("decrypt", orders, blob, "--output", out, *root)
    for role, words, status in (
        (Role.APP, allowed, 0), (Role.APP, rotate, 3), (Role.AUDITOR, ("show", orders), 0), (Role.AUDITOR, decrypt, 3),
        (Role.ROTATOR, rotate, 0),
    ):  # fmt: skip
        with granted.member(role) as seen:
            said = keys(*words, url=seen.url)
            assert (said.status, "needs a login in kms_" in said.err) == (status, status == 3), (role, said)
    name = unique("registered")
    for roles, status in (((Role.APP,), 3), ((Role.ADMIN,), 0), ((Role.ROTATOR,), 0)):
        with granted.member(*roles) as seen:
            said = keys("create", name, "--under", kek, *root, url=seen.url)
            assert said.status == status, said
            assert ("run the same command as a login in kms_rotator" in said.err) == (roles == (Role.ADMIN,))
