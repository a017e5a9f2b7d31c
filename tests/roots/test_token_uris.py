"""URIs of tokens (RFC 7512) and the sources of their PINs."""

from pathlib import Path

import pytest

from kms_schema.pkcs11 import PinError, Pkcs11Uri, TokenUriError
from kms_schema.pkcs11.uri import read_pin

MODULE = "?module-path=/usr/lib/softhsm/libsofthsm2.so"
PIN = "0000-1234"


def test_the_attributes_are_decoded() -> None:
    uri = Pkcs11Uri.parse(
        "pkcs11:token=The%20Software%20PKCS%2311;serial=4d53;model=v1;manufacturer=A%3bB;slot-id=7;object=root%3D1;"
        "id=%00%ff;type=secret-key?module-path=/m%26n.so&pin-source=file:/run/pin"
    )
    assert (uri.token, uri.serial, uri.model, uri.manufacturer) == ("The Software PKCS#11", "4d53", "v1", "A;B")
    assert (uri.slot_id, uri.object, uri.id, uri.type) == (7, "root=1", b"\x00\xff", "secret-key")
    assert (uri.module_path, uri.pin_source) == ("/m&n.so", "file:/run/pin")


def test_what_is_shown_says_nothing_of_the_pin_and_is_read_again() -> None:
    uri = Pkcs11Uri.parse(f"pkcs11:token=a%3B%20%C3%A9;object=b;id=%0a;slot-id=3{MODULE}&pin-source=env:NAME_OF_PIN")
    assert "NAME_OF_PIN" not in str(uri) + repr(uri)
    again = Pkcs11Uri.parse(str(uri) + MODULE)
    assert (again.token, again.object, again.id, again.slot_id) == ("a; é", "b", b"\n", 3)


@pytest.mark.parametrize(
    "text",
    [
        "pkcs12:token=a" + MODULE,
        "pkcs11:token=a",
        "pkcs11:object=a" + MODULE,
        "pkcs11:" + MODULE,
        "pkcs11:token=a;token=b" + MODULE,
        "pkcs11:token=a;colour=b" + MODULE,
        "pkcs11:token" + MODULE,
        "pkcs11:token=" + MODULE,
        "pkcs11:token=%4" + MODULE,
        "pkcs11:token=%ff" + MODULE,
        "pkcs11:token=a%0ab" + MODULE,
        "pkcs11:token=a;slot-id=x" + MODULE,
        f"pkcs11:token=a;slot-id={2**64}" + MODULE,
        "pkcs11:token=a;type=key" + MODULE,
        "pkcs11:token=a?module-name=softhsm",
    ],
)
def test_other_uris_are_refused(text: str) -> None:
    with pytest.raises(TokenUriError):
        Pkcs11Uri.parse(text)


@pytest.mark.parametrize("place", ["pkcs11:token=a" + MODULE + "&pin-value=", "pkcs11:token=a;pin-value="])
def test_a_pin_in_the_uri_is_refused_and_not_shown(place: str) -> None:
    with pytest.raises(TokenUriError, match="contains a PIN") as refused:
        Pkcs11Uri.parse(place + PIN)
    assert PIN not in str(refused.value)


@pytest.mark.parametrize("form", ["file:{}", "file://{}"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_pin_is_read_from_a_file(tmp_path: Path, form: str, end: str) -> None:
    file = tmp_path / "pin"
    file.touch(0o600)
    file.write_text(PIN + end, newline="")
    with read_pin(form.format(file)) as pin:
        assert bytes(pin.view) == PIN.encode()


def test_a_pin_is_read_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PIN", PIN)
    with read_pin("env:TOKEN_PIN") as pin:
        assert bytes(pin.view) == PIN.encode()


@pytest.mark.parametrize("source", ["env:NO_SUCH", "file:/no/such", "env:", "file:", "TOKEN_PIN", "|cat pin", "file:/"])
def test_a_missing_pin_is_an_error(source: str) -> None:
    with pytest.raises(PinError):
        read_pin(source)


@pytest.mark.parametrize(
    ("content", "mode"),
    [(PIN.encode(), 0o604), (PIN.encode(), 0o620), (b"\n", 0o600), (b"", 0o600), (b"\xff" + PIN.encode(), 0o600)],
)
def test_a_pin_that_others_can_read_or_that_is_none_is_refused_and_not_shown(
    tmp_path: Path, content: bytes, mode: int
) -> None:
    file = tmp_path / "pin"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(PinError) as refused:
        read_pin(f"file:{file}")
    assert PIN not in str(refused.value)
