"""No key, credential or root key in an error, a traceback with its variables, a log or a warning."""

import base64
import logging
import secrets
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import Credentials, CryptoError, EnvelopeFormat, KeyWrapping, RootKeys, Secret, ciphers
from kms_schema.models import HsmConfiguration, KeyMaster
from kms_schema.vocabulary import KeyType
from support.engines import Database
from tests.crypto.wrapped_trees import NEXT_ROOT, ROOT, a_key, an_hsm

ROOT_KEY, MATERIAL, PIN = secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_hex(16)
GCM, KWP = EnvelopeFormat


def derived(form: EnvelopeFormat) -> bytes:
    with ciphers.derive(ROOT_KEY, form, b"place") as key:
        return bytes(key.view)


DERIVED = {f"key of the row for {form.algorithm}": derived(form) for form in EnvelopeFormat}


def shown(text: str) -> list[str]:
    """Return which secrets a text has, in one of the ways in which Python writes bytes."""
    found = []
    for name, secret in [("root key", ROOT_KEY), ("material", MATERIAL), ("PIN", PIN.encode()), *DERIVED.items()]:
        written = (repr(secret)[2:-1], repr(bytearray(secret))[12:-2], secret.hex(), base64.b64encode(secret).decode())
        numbers = (str(list(secret))[1:-1], str(int.from_bytes(secret, "big")))
        found += [name for each in (*written, *numbers) if each in text]
    return found


def test_what_is_shown_is_found() -> None:
    """The other tests rest on this: each way of writing a secret is one that `shown` knows."""
    for secret in (ROOT_KEY, MATERIAL):
        for text in (f"{secret!r}", f"{bytearray(secret)!r}", secret.hex(), f"{[*secret]}"):
            assert shown(f"… {text} …"), text
    assert shown(f"{{'pin': '{PIN}'}}")


def roots() -> RootKeys:
    return RootKeys({ROOT: Secret(bytearray(ROOT_KEY)), NEXT_ROOT: Secret(bytearray(secrets.token_bytes(32)))})


def material() -> Secret:
    return Secret(bytearray(MATERIAL))


def changed(form: EnvelopeFormat) -> None:
    envelope = ciphers.encrypt(ROOT_KEY, form, MATERIAL, b"place")
    roots().unwrap(ROOT, envelope[:-1] + bytes([envelope[-1] ^ 1]), b"place")


def moved() -> None:
    version = KeyWrapping(roots()).wrap(a_key(), material(), under=ROOT)
    version.version_number = 2
    KeyWrapping(roots()).unwrap(version)


def other_check_value() -> None:
    version = KeyWrapping(roots()).wrap(a_key(), material(), under=ROOT)
    version.key_checksum = "0" * 64
    KeyWrapping(roots()).unwrap(version)


def under_a_data_key() -> None:
    wrapping = KeyWrapping(roots())
    wrapping.wrap(a_key(), material(), under=wrapping.wrap(a_key(), material(), under=ROOT))


def small_kek() -> None:
    wrapping = KeyWrapping(roots())
    small = wrapping.generate(a_key(KeyType.KEK, 128), under=ROOT)
    wrapping.wrap(a_key(), material(), under=small)


def foreign_credentials() -> None:
    wrapping, one, other = KeyWrapping(roots()), an_hsm(), an_hsm()
    wrapping.encrypt_credentials(one, {"pin": PIN}, under=ROOT)
    other.authentication_config = one.authentication_config
    wrapping.decrypt_credentials(other, NEXT_ROOT, ROOT)


def credentials_that_json_cannot_say() -> None:
    KeyWrapping(roots()).encrypt_credentials(an_hsm(), {"pin": PIN, "raw": {PIN}}, under=ROOT)


def no_credentials() -> None:
    hsm = an_hsm()
    KeyWrapping(roots()).encrypt_credentials(hsm, {}, under=ROOT)
    place = b"kms-schema"
    with roots() as keys, Secret(bytearray(PIN.encode())) as content:
        hsm.authentication_config = keys.wrap(ROOT, GCM, content.view, place)
        with keys.unwrap(ROOT, hsm.authentication_config, place) as opened:
            Credentials.of(opened)


FAILURES: dict[str, Callable[[], object]] = {
    "changed, AES-GCM": lambda: changed(GCM),
    "changed, AES-KWP": lambda: changed(KWP),
    "moved": moved,
    "other check value": other_check_value,
    "wrong size": lambda: KeyWrapping(roots()).wrap(a_key(bits=128), material(), under=ROOT),
    "no such key": lambda: KeyWrapping(roots()).wrap(a_key(), material(), under="kms://nowhere"),
    "under a data key": under_a_data_key,
    "under a small key": small_kek,
    "foreign credentials": foreign_credentials,
    "credentials that JSON cannot say": credentials_that_json_cannot_say,
    "no credentials": no_credentials,
    "root key twice": lambda: RootKeys({ref: Secret(bytearray(ROOT_KEY)) for ref in (ROOT, NEXT_ROOT)}),
    "root key too long": lambda: RootKeys({ROOT: Secret(bytearray(ROOT_KEY + b"k"))}),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_error_shows_a_secret_even_with_the_variables_of_its_traceback(failure: str) -> None:
    with pytest.raises(CryptoError) as raised:
        FAILURES[failure]()
    report = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert shown("".join(report.format())) == []
    assert shown(repr(raised.value.args)) == []


@pytest.mark.parametrize("damage", [lambda text: text[:-5], lambda text: text + "k", lambda text: "!" + text])
def test_no_error_shows_a_root_key_that_was_mistyped(
    damage: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "root.key"
    path.write_text(damage(base64.b64encode(ROOT_KEY).decode()), encoding="ascii")
    path.chmod(0o600)
    monkeypatch.setenv("KMS_ROOT_KEY", path.read_text(encoding="ascii"))
    for attempt in (RootKeys.from_files, RootKeys.from_environment):
        source = str(path) if attempt == RootKeys.from_files else "KMS_ROOT_KEY"
        with pytest.raises(CryptoError) as raised:
            attempt({ROOT: source})
        report = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert base64.b64encode(ROOT_KEY).decode()[:20] not in "".join(report.format())


def test_nothing_is_logged_while_all_of_it_is_used(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    plain = database.engine()
    engine = sa.create_engine(plain.url, echo="debug")
    with warnings.catch_warnings(record=True) as warned, roots() as keys, Session(engine) as session:
        wrapping = KeyWrapping(keys)
        kek = wrapping.wrap(a_key(KeyType.KEK), material(), under=ROOT)
        dek, hsm = wrapping.wrap(a_key(), material(), under=kek), an_hsm()
        wrapping.encrypt_credentials(hsm, {"pin": PIN}, under=ROOT)
        session.add_all((kek, dek, hsm))
        session.commit()
        wrapping.rewrap(dek, under=NEXT_ROOT)
        session.commit()
        with wrapping.unwrap(dek) as opened:
            logging.getLogger("application").info("%r %s %r", opened, opened.view, keys)
        credentials = wrapping.decrypt_credentials(session.scalars(sa.select(HsmConfiguration)).one(), ROOT)
        logging.getLogger("application").info("%s %r", credentials, [credentials])
        assert session.scalar(sa.select(sa.func.count()).select_from(KeyMaster)) == 2
    engine.dispose()
    plain.dispose()
    assert "UPDATE key_versions" in caplog.text
    assert shown(caplog.text + "".join(str(each.message) for each in warned)) == []
