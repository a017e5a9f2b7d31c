"""`kms-schema roots`, as typed: every row is opened before a switch, and nothing is written or shown."""

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeys
from kms_schema.keyring import KeyRing, MaterialUnavailableError
from kms_schema.pkcs11 import Pkcs11Uri
from kms_schema.pkcs11.token import Token
from kms_schema.roots import open_roots
from support.engines import Database
from support.engines.softhsm import PIN, SoftHsm
from support.programs.commands import Said, kms_schema
from support.rows.table_dump import dump_tables
from tests.crypto.wrapped_trees import a_key, an_hsm, kept, with_triggers_disabled
from tests.keyring.rings import AAD, DATA, ROOT
from tests.roots import providers

KEY = secrets.token_bytes(32)
OTHER_ROOT = "kms://other"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return providers.root_file(tmp_path, KEY)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    engine = database.engine()
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def wrapping(file: Path) -> KeyWrapping:
    return KeyWrapping(RootKeys.from_files({ROOT: file}))


def check(database: Database, uri: object, *more: str) -> Said:
    return kms_schema("roots", "check", "--root-key", f"{ROOT}={uri}", *more, url=database.url)


def test_every_row_under_a_root_is_opened_and_nothing_is_written(
    database: Database, session: Session, wrapping: KeyWrapping, file: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        kept(session, wrapping, a_key())
    providers.store_credentials(database, file, {"pin": "0000-1234"})
    nameless = an_hsm()
    wrapping.encrypt_credentials(nameless, {}, under=ROOT)
    nameless.wrapping_key_ref = None
    session.add(nameless)
    session.commit()
    with closing(database.connect()) as connection:
        before = dump_tables(connection)
    said = check(database, file)
    assert (said.status, said.err, said.target) == (0, "", "")
    assert said.out == f"{ROOT} ({file}): 3 key versions and 2 HSM configurations open, 0 do not\n"

    wrong = providers.root_file(tmp_path, bytes(range(32)))
    said = check(database, wrong)
    assert said.status == 1
    assert said.err.count("does not open version 1 of key") == 3
    assert "run kms-schema roots check" not in said.err
    assert "does not open the credentials of 'luna'" in said.err
    assert "that name no root, and do not open with it: 1" in said.err
    document = json.loads(check(database, wrong, "--format", "json").out)
    assert [len(each["refused"]) for each in document["roots"]] == [4]

    said = kms_schema("roots", "check", "--root-key", f"{OTHER_ROOT}={file}", url=database.url)
    assert (said.status, f"under '{ROOT}' as well" in said.err) == (0, True)
    with closing(database.connect()) as connection:
        assert dump_tables(connection) == before


def test_a_check_value_that_is_not_the_rows_is_found(
    database: Database, session: Session, wrapping: KeyWrapping, file: Path
) -> None:
    kept(session, wrapping, a_key())
    version = kept(session, wrapping, a_key())
    row = str(version.id)
    session.close()
    with_triggers_disabled(
        database, "key_versions", row.replace("-", "") if database.dialect == "sqlite" else row, key_checksum="0" * 64
    )
    said = check(database, file)
    assert said.status == 1
    assert "check value" in said.err
    assert "1 key version and 0 HSM configurations open, 1 does not" in said.out


def test_a_ring_uses_a_database_of_a_file_under_a_token(database: Database, file: Path, hsm: SoftHsm) -> None:
    engine = database.engine()
    with open_roots({ROOT: str(file)}) as roots, KeyRing(engine, roots) as ring:
        ring.create("orders", under=ROOT)
        blob = ring.key("orders").encrypt(DATA, aad=AAD)
    hsm.make_token("kms")
    uri = hsm.uri("kms", "root")
    assert kms_schema("roots", "create", uri, "--from-file", str(file)).out == "created pkcs11:token=kms;object=root\n"
    assert check(database, uri).status == 0
    with open_roots({ROOT: uri}) as roots, KeyRing(engine, roots) as ring, KeyRing(engine, roots) as other:
        assert ring.key("orders").decrypt(blob, aad=AAD) == DATA
        hsm.tokens.rename(hsm.folder / "away")
        assert ring.key("orders").decrypt(blob, aad=AAD) == DATA, "what is open needs no token"
        with pytest.raises(MaterialUnavailableError, match=r"token|PKCS") as lost:
            other.key("orders").decrypt(blob, aad=AAD)
        hsm.folder.joinpath("away").rename(hsm.tokens)
        assert other.key("orders").decrypt(blob, aad=AAD) == DATA
        ring.rotate("orders")
        assert PIN not in str(lost.value)
    engine.dispose()


def test_a_wrong_pin_is_refused_once_and_reset_by_a_check(
    database: Database, hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    hsm.make_token("kms")
    assert kms_schema("roots", "create", hsm.uri("kms", "root"), "--format", "json").out == (
        '{"key": "pkcs11:token=kms;object=root"}\n'
    )
    wrong = hsm.uri("kms", "root", pin_source="env:TOKEN_PIN")
    monkeypatch.setenv("TOKEN_PIN", "wrong-not-to-be-shown")
    said = [check(database, wrong), check(database, wrong), check(database, hsm.uri("kms", "root"))]
    assert [each.status for each in said] == [1, 1, 1]
    assert "refused the PIN" in said[0].error
    assert "--despite-refused-pin" in said[1].error
    assert "--despite-refused-pin" in said[2].error
    assert not any(secret in each.all for secret in (PIN, "wrong-not-to-be-shown") for each in said)
    assert check(database, hsm.uri("kms", "root"), "--despite-refused-pin").status == 0
    assert check(database, hsm.uri("kms", "root")).status == 0


@pytest.mark.full_on("postgresql")
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("roots", "check"), 2, "give the root keys to check"),
        (("roots", "check", "--root-key", "root.key"), 2, "REF=URI"),
        (("roots", "check", "--root-key", "r=vault:x"), 2, "no installed package provides roots of vault:"),
        (("roots", "check", "--root-key", "r=/no/such/file"), 2, "cannot read the root key in '/no/such/file'"),
        (("roots", "check", "--root-key", "r=pkcs11:token=a;object=b;pin-value=9?module-path=/m"), 2, "pin-source"),
        (("roots", "check", "--root-key", "r=pkcs11:token=a;object=b?module-path=/no.so"), 1, "no PKCS#11 module"),
        (("roots", "create", "file:root.key"), 2, "in PKCS#11 tokens only"),
        (
            ("roots", "create", "pkcs11:token=a;object=b?module-path=/no.so", "--from-file", "/no"),
            2,
            "cannot read the root key in '/no'",
        ),
        (("roots", "create", "pkcs11:token=a;object=b?module-path=/no.so"), 1, "no PKCS#11 module"),
        (("roots", "create", "pkcs11:token=a;id=%01?module-path=/no.so"), 2, "object=LABEL"),
    ],
)
def test_what_cannot_be_done_is_said(database: Database, words: tuple[str, ...], status: int, message: str) -> None:
    said = kms_schema(*words, url=database.url if words[1] == "check" else None)
    assert (said.status, message in said.error) == (status, True), said


def test_a_file_of_the_folder_names_no_library(
    database: Database, hsm: SoftHsm, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module is code that runs in this process."""
    hsm.make_token("kms")
    monkeypatch.chdir(tmp_path)
    for uri, status in ((str(file), 0), (f"file:{file}", 0), (hsm.uri("kms", "root"), 2), ("awskms:arn", 2)):
        Path("pyproject.toml").write_text(f'[tool.kms-schema]\nroot-key = ["{ROOT}={uri}"]\n')
        said = kms_schema("roots", "check", url=database.url)
        assert (said.status, "files and variables only" in said.err) == (status, status == 2)
    assert not Token(Pkcs11Uri.parse(hsm.uri("kms"))).module.logins
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KMS_ROOT_KEYS", f"{ROOT}={hsm.uri('kms', 'root')}")
        assert "has no object" in kms_schema("roots", "check", url=database.url).error


def test_an_encoded_key_is_never_shown(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = base64.b64encode(KEY).decode()
    monkeypatch.setenv("ROOT_OF_A_TEST", text)
    said = check(database, "env:ROOT_OF_A_TEST", "--verbose")
    assert (said.status, text in said.all, KEY.hex() in said.all) == (0, False, False)
    del tmp_path
