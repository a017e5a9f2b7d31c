"""`kms-schema hsm`, and the commands that use the keys in HSMs."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

import pytest
import sqlalchemy as sa

from kms_schema.hsm import checking
from kms_schema.hsm.checking import check_hsm
from kms_schema.hsm.hsms import Hsms
from kms_schema.keyring import KeyRing
from support.engines import Database
from support.engines.softhsm import PIN, SoftHsm
from support.programs.commands import Said, kms_schema
from support.rows.smallest import unique
from tests.hsm.token_objects import handles, import_key, in_token
from tests.keyring.rings import AAD, DATA, ROOT, change, rows, value

Run = Callable[..., Said]


@pytest.fixture
def run(database: Database) -> Run:
    """Runs `kms-schema` on the database. No output has the PIN of the token."""

    def run(*words: str, **options: Any) -> Said:
        said = kms_schema(*words, url=database.url, **options)
        assert PIN not in said.all
        return said

    return run


def checked(database: Database, name: str) -> tuple[Any, ...]:
    query = "SELECT health_status, response_time_ms, last_health_check FROM hsm_configurations"
    return rows(database, f"{query} WHERE configuration_name = :name", name=name)[0]


def history(database: Database, name: str) -> list[tuple[str | None, str | None, bool, str | None]]:
    """Return the changes of health: from, to, whether there is a response time, and the actor."""
    query = (
        "SELECT additional_metadata, user_id FROM key_audit_logs WHERE event_type = 'HSM_HEALTH_CHANGED'"
        " AND event_description = :text ORDER BY sequence"
    )
    found = []
    for document, actor in rows(database, query, text=f"hsm health changed: {name}"):
        said = json.loads(document) if isinstance(document, str) else document
        answered = said["response_time_ms"] is not None
        found.append((said["from"].get("health_status"), said["to"]["health_status"], answered, actor))
    return found


def test_an_hsm_is_added_checked_and_disabled(run: Run, token: SoftHsm, database: Database) -> None:
    name = unique("luna")
    hsm = ("--hsm", f"{name}={token.uri('kms')}")
    assert run("hsm", "add", name, "--provider", "thales_luna", "--actor", "alice").out == f"HSM '{name}' is added\n"
    assert "there is an HSM named" in run("hsm", "add", name).error
    said = run("hsm", "check", *hsm, "--actor", "bob")
    assert (said.status, said.out.split(":")[0]) == (0, f"HSM '{name}' is HEALTHY")
    health, time, at = checked(database, name)
    assert (health, time >= 1, at is not None) == ("HEALTHY", True, True)
    (listed,) = [each for each in json.loads(run("hsm", "list", "--format", "json").out) if each["name"] == name]
    assert (listed["provider"], listed["is_active"], listed["health_status"]) == ("thales_luna", True, "HEALTHY")
    assert "has_credentials" in listed
    assert name in run("hsm", "list").out
    assert run("hsm", "check", *hsm, "--slow", "600000").status == 0
    assert history(database, name) == [(None, "HEALTHY", True, "bob")]
    away = token.folder / "away"
    token.tokens.rename(away)
    token.tokens.mkdir()
    token.restart()
    said = run("hsm", "check", *hsm)
    assert (said.status, "OFFLINE: no answer" in said.out, "has no token" in said.out) == (1, True, True)
    assert checked(database, name)[:2] == ("OFFLINE", None)
    token.tokens.rmdir()
    away.rename(token.tokens)
    assert run("hsm", "check", name, *hsm).status == 0
    assert history(database, name)[1:] == [("HEALTHY", "OFFLINE", False, None), ("OFFLINE", "HEALTHY", True, None)]
    assert "its keys are refused" in run("hsm", "disable", name).out
    key = unique("cards")
    refused = run("keys", "create", key, "--in-hsm", name, *hsm)
    assert (refused.status, "is disabled" in refused.error) == (1, True)
    enabled = json.loads(run("hsm", "enable", name, "--format", "json").out)
    assert (enabled["name"], enabled["is_active"]) == (name, True)
    assert run("keys", "create", key, "--in-hsm", name, *hsm).status == 0


def test_a_stored_pin_serves_checks_and_rotation(
    run: Run, token: SoftHsm, database: Database, root: tuple[str, str]
) -> None:
    name, key = unique("luna"), unique("cards")
    place = f"file:{token.pin_file}"
    assert "both --pin-source and --under" in run("hsm", "add", name, "--pin-source", place).error
    assert run("hsm", "add", name, "--pin-source", place, "--under", ROOT, *root).status == 0
    stored = "SELECT authentication_config FROM hsm_configurations WHERE configuration_name = :name"
    assert PIN.encode() not in bytes(value(database, stored, name=name))
    hsm = ("--hsm", f"{name}={token.uri('kms').partition('&pin-source')[0]}")
    said = run("hsm", "check", *hsm)
    assert (said.status, ROOT in said.error) == (1, True), said
    assert checked(database, name)[0] is None
    assert run("hsm", "check", *hsm, *root).status == 0
    assert run("keys", "create", key, "--in-hsm", name, *hsm, *root).status == 0
    assert run("keys", "rotate", key, *hsm, *root).status == 0
    assert len(handles(database, key)) == 2
    other = unique("luna")
    assert run("hsm", "add", other).status == 0
    assert "requires a PIN" in run("hsm", "check", "--hsm", hsm[1].replace(name, other)).error


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("file:/nowhere/pin", "cannot read the PIN in /nowhere/pin: No such file or directory"),
        ("env:KMS_NO_PIN", "the environment has no variable KMS_NO_PIN"),
        ("4711", "pin-source is neither file:PATH nor env:NAME"),
    ],
)
def test_a_pin_that_is_not_there_is_wrong_usage_and_adds_nothing(
    run: Run, database: Database, root: tuple[str, str], place: str, says: str
) -> None:
    name = unique("luna")
    said = run("hsm", "add", name, "--pin-source", place, "--under", ROOT, *root)
    assert (said.status, says in said.error) == (2, True), said
    assert not rows(database, "SELECT 1 FROM hsm_configurations WHERE configuration_name = :name", name=name)


def test_attributes_and_missing_objects_are_found(
    *, run: Run, ring: KeyRing, cards: str, luna: str, token: SoftHsm, database: Database
) -> None:
    hsm = ("--hsm", f"{luna}={token.uri('kms')}")
    ring.rotate(cards)
    first, second = handles(database, cards)
    said = run("hsm", "check", *hsm)
    assert (said.status, "2 keys read back" in said.out) == (0, True)
    ring._parts.held._hsms.destroy(first)
    import_key(token, first, bytes(range(32)), WRAP=True)
    ring._parts.held._hsms.destroy(second)
    ring._parts.held._hsms.generate(luna, "of nobody")
    said = run("hsm", "check", *hsm, "--format", "json")
    (found,) = json.loads(said.out)
    assert (said.status, found["health"], found["keys"]) == (1, "DEGRADED", 1)
    faults = "\n".join(found["faults"])
    for fault in (
        f"version 1 of key '{cards}': LOCAL is False", f"version 1 of key '{cards}': WRAP is True",
        f"version 2 of key '{cards}': the token has no object",
    ):  # fmt: skip
        assert fault in faults
    (note,) = found["notes"]
    assert "names the object 'kms-schema of nobody'; another schema or database may" in note
    assert history(database, luna)[-1][:2] == ("HEALTHY", "DEGRADED")


def test_two_names_of_one_token_and_none_of_its_keys_is_called_unnamed(
    run: Run, cards: str, luna: str, token: SoftHsm
) -> None:
    """An operator may destroy what a check calls unnamed."""
    second = unique("luna")
    assert run("hsm", "add", second).status == 0
    hsm = ("--hsm", f"{luna}={token.uri('kms')}", "--hsm", f"{second}={token.uri('kms')}")
    said = run("hsm", "check", *hsm)
    assert (said.status, said.out.count("HEALTHY"), "names the object" in said.out + said.err) == (0, 2, False), said
    assert cards


@pytest.mark.parametrize("pauses", [1, 2], ids=["after the first look", "late"])
def test_keys_that_are_made_during_a_check_are_not_called_unnamed(
    *, ring: KeyRing, cards: str, luna: str, token: SoftHsm, sql_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch,
    pauses: int,
) -> None:  # fmt: skip
    """One is made before the token is listed, one has its object and is committed after the first look, or later."""
    made, may_commit = Event(), Event()
    slept: list[float] = []

    def commit(_: sa.Connection) -> None:
        if current_thread() is rotating and len(in_token(token)) == 3:
            made.set()
            may_commit.wait(3)  # without a second look it is committed, too, and the check can write

    def wait(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == pauses:
            may_commit.set()
            rotating.join()

    class Busy(Hsms):
        def objects(self, name: str) -> Any:
            if not rotating.ident:
                ring.rotate(cards)
                rotating.start()
                assert made.wait(20)
            return super().objects(name)

    rotating = Thread(target=lambda: ring.rotate(cards))
    monkeypatch.setattr(checking, "sleep", wait)
    sa.event.listen(sa.Engine, "commit", commit)
    try:
        assert check_hsm(sql_engine, Busy({luna: token.uri("kms")}), luna).notes == []
    finally:
        sa.event.remove(sa.Engine, "commit", commit)
    assert may_commit.is_set() or sql_engine.dialect.name == "sqlite"  # there the check waits for the lock of the file


def test_a_token_of_data_keys_that_has_refused_a_pin_is_sent_another_on_demand(
    run: Run, luna: str, token: SoftHsm
) -> None:
    hsm = ("--hsm", f"{luna}={token.uri('kms')}")
    wrong = token.folder / "wrong"
    wrong.write_text("0000", encoding="utf-8")
    wrong.chmod(0o600)
    refused = run("hsm", "check", "--hsm", hsm[1].replace(str(token.pin_file), str(wrong)))
    assert (refused.status, "refused the PIN" in refused.error) == (1, True), refused
    warned = run("hsm", "check", *hsm)
    assert (warned.status, "or hsm check --despite-refused-pin" in warned.error) == (1, True), warned
    assert run("hsm", "check", "--despite-refused-pin", *hsm).status == 0
    assert run("hsm", "check", *hsm).status == 0


def test_a_check_that_is_not_possible_changes_nothing(run: Run, luna: str, token: SoftHsm, database: Database) -> None:
    uri = token.uri("kms")
    change(database, "UPDATE hsm_configurations SET require_dual_auth = :yes WHERE configuration_name = :name",
           yes=True if database.dialect == "postgresql" else 1, name=luna)  # fmt: skip
    assert "requires two people at each login" in run("hsm", "check", "--hsm", f"{luna}={uri}").error
    for words, status, message in (
        ((), 2, "name an HSM"),
        ((luna,), 1, "requires two people"),
        (("nothing", "--hsm", f"nothing={uri}"), 1, "there is no HSM named 'nothing'"),
        (("--hsm", f"{luna}={token.module}"), 2, "--hsm takes NAME=URI"),
        (("--hsm", f"{luna}={uri}&pin-value={PIN}"), 2, "contains a PIN"),
        (("--hsm", f"{luna}={uri}", "--hsm", f"{luna}={uri}"), 2, "twice"),
    ):
        said = run("hsm", "check", *words)
        assert (said.status, message in said.error) == (status, True), said
    assert checked(database, luna) == (None, None, None)


def test_a_version_is_destroyed_with_its_object(
    *, run: Run, ring: KeyRing, cards: str, luna: str, token: SoftHsm, database: Database
) -> None:
    hsm = ("--hsm", f"{luna}={token.uri('kms')}")
    blob = ring.key(cards).encrypt(DATA, aad=AAD)
    for _ in range(2):
        assert run("keys", "rotate", cards, *hsm).status == 0
    first, second, third = handles(database, cards)
    shown = run("keys", "show", cards).out
    assert all(f"in HSM {each}" in shown for each in (first, second, third))
    erase = ("destroy-version", cards, "1", "--yes", "--erase-data")
    refused = run(*erase)
    assert (refused.status, "nothing is changed" in refused.error) == (1, True)
    said = run(*erase, *hsm)
    assert (said.status, f"{first}, is destroyed" in said.err) == (0, True)
    said = run("destroy-version", cards, "2", "--yes", "--erase-data", "--leave-object")
    assert (said.status, f"destroy {second} there" in said.err) == (0, True)
    assert set(in_token(token)) == {second.object_id, third.object_id}
    said = run("keys", "encrypt", cards, __file__, "--output", str(token.folder / "out"))
    assert (said.status, "no streams or files" in said.error) == (1, True)
    assert len(blob) > 0


def test_the_uri_of_an_hsm_is_no_setting_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names a library to load."""
    said = kms_schema("hsm", "check", "--help")
    assert "env var: KMS_HSMS" in " ".join(said.out.split())
    monkeypatch.chdir(tmp_path)
    for name in ("[tool.kms-schema]\nhsm", "[tool.kms-schema.hsm.check]\nhsm"):
        Path("pyproject.toml").write_text(f'{name} = ["luna=pkcs11:token=kms?module-path=/tmp/evil.so"]\n')
        refused = kms_schema("hsm", "check", url="sqlite:///none.db")
        assert (refused.status, "hsm" in refused.error) == (2, True), refused
        assert "name an HSM" not in refused.error
