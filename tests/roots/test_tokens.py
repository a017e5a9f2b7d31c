"""Tokens of SoftHSM2: logins, lost tokens, forks, threads."""

import ctypes
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag

from kms_schema.pkcs11 import PinError, Pkcs11Error, Pkcs11Uri, TokenLostError, TokenNotFoundError, TokenRefusedError
from kms_schema.pkcs11.token import Token, find_object
from support.engines.softhsm import PIN, SoftHsm
from support.errors import raises
from tests.keyring.processes import child

WRONG = "wrong-not-to-be-shown"


def make_key(session: Any, label: str = "key") -> Any:
    return session.generate_key(KeyType.GENERIC_SECRET, 256, label=label, store=True, capabilities=MechanismFlag.SIGN)


def mac_under(uri: Pkcs11Uri) -> Callable[[Any], bytes]:
    return lambda session: find_object(session, uri).sign(b"message", mechanism=Mechanism.SHA256_HMAC)


@pytest.fixture
def uri(hsm: SoftHsm) -> Pkcs11Uri:
    """A key in a token."""
    hsm.make_token("kms")
    uri = Pkcs11Uri.parse(hsm.uri("kms", "key"))
    with Token(uri) as token, token.session(writable=True) as session:
        make_key(session)
    return uri


def test_all_of_a_process_share_a_login(uri: Pkcs11Uri) -> None:
    with Token(uri) as one:
        mac = one.run(mac_under(uri))
        with Token(uri) as other:
            assert other.run(mac_under(uri)) == mac
        assert one.run(mac_under(uri)) == mac, "the end of one login ended the other"
    with Token(uri) as later:
        assert later.run(mac_under(uri)) == mac
    assert not later.module.logins


def test_a_pin_may_be_in_a_variable(hsm: SoftHsm, uri: Pkcs11Uri, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PIN", PIN)
    named = Pkcs11Uri.parse(hsm.uri("kms", "key", pin_source="env:TOKEN_PIN"))
    with Token(named) as token:
        assert len(token.run(mac_under(uri))) == 32
    monkeypatch.delenv("TOKEN_PIN")
    with Token(named) as token, pytest.raises(PinError, match="TOKEN_PIN"):
        token.run(mac_under(uri))


def test_a_wrong_pin_is_sent_once_whoever_asks(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch, uri: Pkcs11Uri) -> None:
    """In a service that restarts for ever it would lock a token that counts."""
    monkeypatch.setenv("TOKEN_PIN", WRONG)
    wrong = Pkcs11Uri.parse(hsm.uri("kms", "key", pin_source="env:TOKEN_PIN"))
    with Token(wrong) as token, raises(PinError, "pin_refused", match="PinIncorrect") as refused:
        token.run(mac_under(uri))
    assert WRONG not in "".join(traceback.format_exception(refused.value))
    with Token(wrong) as token, raises(PinError, "pin_refused", match="since the last login"):
        token.run(mac_under(uri))
    with Token(wrong, despite_refused_pin=True) as token, raises(PinError, "pin_refused", match="before"):
        token.run(mac_under(uri))
    with Token(uri) as token, raises(PinError, "pin_refused", match="since the last login"):
        token.run(mac_under(uri))  # also the right one, until somebody says so
    with Token(uri, despite_refused_pin=True) as token:
        token.run(mac_under(uri))
    with Token(uri) as token:
        token.run(mac_under(uri))


def test_a_token_that_is_gone_and_back(hsm: SoftHsm, uri: Pkcs11Uri) -> None:
    away = hsm.folder / "away"
    with Token(uri) as token:
        mac = token.run(mac_under(uri))
        hsm.tokens.rename(away)
        hsm.tokens.mkdir()
        for _ in range(2):
            with pytest.raises((TokenLostError, TokenNotFoundError)):
                token.run(mac_under(uri))
        hsm.tokens.rmdir()
        away.rename(hsm.tokens)
        assert token.run(mac_under(uri)) == mac


def test_a_module_that_does_not_start_is_started_later(hsm: SoftHsm, uri: Pkcs11Uri) -> None:
    away = hsm.folder / "away"
    with Token(uri) as token:
        mac = token.run(mac_under(uri))
        hsm.tokens.rename(away)
        for _ in range(2):
            with pytest.raises((TokenLostError, TokenNotFoundError)) as gone:
                token.run(mac_under(uri))
            assert isinstance(gone.value, TokenLostError) or gone.value.reason in ("object", "module")
        away.rename(hsm.tokens)
        assert token.run(mac_under(uri)) == mac


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a search of python-pkcs11 ends late
def test_a_module_that_something_else_has_finalized_is_initialized_again(hsm: SoftHsm, uri: Pkcs11Uri) -> None:
    with Token(uri) as token:
        mac = token.run(mac_under(uri))
        assert ctypes.CDLL(str(hsm.module)).C_Finalize(None) == 0
        assert token.run(mac_under(uri)) == mac


def test_a_forked_child_logs_in_for_itself(uri: Pkcs11Uri) -> None:
    with Token(uri) as token:
        mac, generation = token.run(mac_under(uri)), token.module.generation

        def work(write: Callable[[bytes], int]) -> None:
            write(token.run(mac_under(uri)) + str(token.module.generation).encode())
            token.close()

        answer = child(work).read_to_the_end()
        assert answer == mac + str(generation + 1).encode(), "the module was not initialized again"
        assert token.run(mac_under(uri)) == mac, "the child ended the login of its parent"


def test_threads_fork_while_others_use_the_token(uri: Pkcs11Uri) -> None:
    """A module is called by one thread at a time, and by none during a fork."""
    with Token(uri) as token, ThreadPoolExecutor(8) as pool:
        mac = token.run(mac_under(uri))

        def fork(_: int) -> bytes:
            return child(lambda write: write(token.run(mac_under(uri)))).read_to_the_end()

        macs = [pool.submit(token.run, mac_under(uri)) for _ in range(400)]
        assert set(pool.map(fork, range(5))) == {mac}
        assert {each.result() for each in macs} == {mac}


def test_many_openings_share_two_sessions(uri: Pkcs11Uri) -> None:
    tokens = [Token(uri) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda token: token.run(mac_under(uri)), tokens))) == 1
    (login,) = tokens[0].module.logins.values()
    assert len(login.sessions) == 1
    assert login.users == 200
    for token in tokens:
        token.close()


def test_two_tokens_with_one_label_are_told_apart_by_serial(hsm: SoftHsm, uri: Pkcs11Uri) -> None:
    (first,) = {each.name for each in hsm.tokens.iterdir()}
    serials = ["".join(first.split("-")[-2:]), hsm.make_token("kms")]
    with Token(uri) as token, raises(Pkcs11Error, "ambiguous_token") as refused:
        token.run(lambda session: session)
    assert all(serial in str(refused.value) for serial in serials)
    with Token(Pkcs11Uri.parse(hsm.uri("kms", "key", serial=serials[0]))) as token:
        token.run(mac_under(uri))
    with (
        Token(Pkcs11Uri.parse(hsm.uri("kms", "key", serial=serials[1]))) as token,
        raises(TokenNotFoundError, "object"),
    ):
        token.run(mac_under(uri))


def test_the_order_of_slots_does_not_matter(hsm: SoftHsm, uri: Pkcs11Uri) -> None:
    with Token(uri) as token:
        mac = token.run(mac_under(uri))
    for label in ("a", "z", "m"):
        hsm.make_token(label)
    with Token(uri) as token:
        assert token.run(mac_under(uri)) == mac


def test_two_objects_with_one_label_are_refused(hsm: SoftHsm, uri: Pkcs11Uri) -> None:
    with Token(uri) as token:
        with token.session(writable=True) as session:
            make_key(session)
        with raises(Pkcs11Error, "ambiguous_object"):
            token.run(mac_under(uri))
        nameless = Pkcs11Uri.parse(hsm.uri("kms"))
        with raises(TokenNotFoundError, "object", match="object=LABEL"):
            token.run(lambda session: find_object(session, nameless))


@pytest.mark.usefixtures("uri")
@pytest.mark.parametrize(
    ("part", "other", "error", "reason"),
    [
        ("token=kms", "token=other", TokenNotFoundError, None),
        ("token=kms", "token=kms;serial=00", TokenNotFoundError, None),
        ("token=kms", "token=kms;slot-id=4", TokenNotFoundError, None),
        ("object=key", "object=other", TokenNotFoundError, "object"),
        ("object=key", "object=key;id=%01", TokenNotFoundError, "object"),
        ("libsofthsm2.so", "nothing.so", TokenNotFoundError, "module"),
    ],
)
def test_what_is_not_there_is_named(hsm: SoftHsm, part: str, other: str, error: type, reason: str | None) -> None:
    changed = Pkcs11Uri.parse(hsm.uri("kms", "key").replace(part, other))
    with Token(changed) as token, raises(error, reason) as raised:
        token.run(mac_under(changed))
    assert raised.type is error


def test_a_file_that_is_no_module_is_refused(hsm: SoftHsm) -> None:
    changed = Pkcs11Uri.parse(hsm.uri("kms", "key").replace(str(hsm.module), __file__))
    with Token(changed) as token, raises(TokenNotFoundError, "module", match="does not start"):
        token.run(mac_under(changed))


def test_what_a_token_refuses_becomes_an_error_of_ours(uri: Pkcs11Uri) -> None:
    with Token(uri) as token, pytest.raises(TokenRefusedError, match="AttributeSensitive"), token.session() as session:
        find_object(session, uri)[Attribute.VALUE]
    assert issubclass(TokenRefusedError, Pkcs11Error)
    assert not issubclass(Pkcs11Error, pkcs11.PKCS11Error)
