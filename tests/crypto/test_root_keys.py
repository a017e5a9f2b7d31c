"""Root keys from files and variables, and several providers as one."""

import base64
import secrets
from pathlib import Path

import pytest

from kms_schema.crypto import EnvelopeFormat, OpeningRefusedError, RootKeyError, RootKeys, Secret, WrappingKeyError
from kms_schema.crypto.providers import Providers, WrappingKeyProvider

GCM = EnvelopeFormat.AES_256_GCM
ROOT = "kms://root"


def key_text() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / f"root-{secrets.token_hex(4)}.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_file_and_a_variable_with_one_key_open_what_the_other_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = key_text()
    monkeypatch.setenv("KMS_ROOT_KEY", text)
    provider: WrappingKeyProvider = RootKeys.from_files({ROOT: key_file(tmp_path, text + "\n", 0o640)})
    envelope = provider.wrap(ROOT, GCM, b"plaintext", b"place")
    with RootKeys.from_environment({ROOT: "KMS_ROOT_KEY"}).unwrap(ROOT, envelope, b"place") as opened:
        assert bytes(opened.view) == b"plaintext"


@pytest.mark.parametrize(
    "text",
    ["", "\n", key_text()[:-4], key_text() + key_text(), "!" + key_text(), key_text().rstrip("="), "A" * 43 + "="],
    ids=["empty", "blank", "short", "twice", "no base64", "no padding", "zeros"],
)
def test_what_is_no_key_is_refused_and_not_quoted(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMS_ROOT_KEY", text)
    path = key_file(tmp_path, text)
    for attempt in (
        lambda: RootKeys.from_files({ROOT: path}),
        lambda: RootKeys.from_environment({ROOT: "KMS_ROOT_KEY"}),
    ):
        with pytest.raises(RootKeyError) as raised:
            attempt()
        assert not text.strip() or text.strip() not in str(raised.value)


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(RootKeyError, match="chmod 600"):
        RootKeys.from_files({ROOT: key_file(tmp_path, key_text(), mode)})


def test_what_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KMS_ROOT_KEY", raising=False)
    with pytest.raises(RootKeyError, match="KMS_ROOT_KEY"):
        RootKeys.from_environment({ROOT: "KMS_ROOT_KEY"})
    with pytest.raises(FileNotFoundError):
        RootKeys.from_files({ROOT: tmp_path / "missing"})


def test_one_key_has_one_reference() -> None:
    with pytest.raises(RootKeyError, match=r"'kms://(one|two)' and 'kms://(one|two)' are the same"):
        RootKeys({f"kms://{name}": Secret(bytearray(b"k" * 32)) for name in ("one", "two")})


@pytest.mark.parametrize("reference", ["", " ", "k" * 256])
def test_a_reference_fits_its_column(reference: str) -> None:
    with pytest.raises(RootKeyError, match="255"):
        RootKeys({reference: Secret(bytearray(b"k" * 32))})


def test_closing_wipes_the_keys() -> None:
    buffer = bytearray(b"k" * 32)
    kept = Secret(buffer)  # which would wipe it at its own end
    with RootKeys({ROOT: kept}) as keys:
        assert repr(keys) == "<RootKeys 'kms://root'>"
    assert buffer == bytes(32)
    assert len(kept) == 0
    assert keys.formats(ROOT) == frozenset()
    with pytest.raises(WrappingKeyError):
        keys.wrap(ROOT, GCM, b"plaintext", b"")


class OldToken:
    """A provider that can do no more than key wrap, as some tokens."""

    def __init__(self, keys: RootKeys) -> None:
        self._keys = keys

    def formats(self, reference: str) -> frozenset[EnvelopeFormat]:
        return frozenset(self._keys.formats(reference)) & {EnvelopeFormat.AES_256_KWP}

    def wrap(self, reference: str, form: EnvelopeFormat, plaintext: memoryview, associated_data: bytes) -> bytes:
        return self._keys.wrap(reference, form, plaintext, associated_data)

    def unwrap(self, reference: str, envelope: bytes, associated_data: bytes) -> Secret:
        return self._keys.unwrap(reference, envelope, associated_data)


def test_a_key_is_with_the_first_provider_that_has_it() -> None:
    here, there = (RootKeys({ref: Secret(bytearray(secrets.token_bytes(32)))}) for ref in ("kms://here", "kms://there"))
    both = Providers(here, OldToken(there))
    assert both.formats("kms://here") == set(EnvelopeFormat)
    assert both.formats("kms://nowhere") == frozenset()
    for reference, form, owner in (("kms://here", GCM, here), ("kms://there", EnvelopeFormat.AES_256_KWP, there)):
        envelope = both.wrap(reference, form, b"plaintext", b"place")
        assert both.unwrap(reference, envelope, b"place") == owner.unwrap(reference, envelope, b"place")
    with pytest.raises(WrappingKeyError, match="does not support AES-256-GCM"):
        both.wrap("kms://there", GCM, b"plaintext", b"place")
    with pytest.raises(WrappingKeyError, match="'kms://nowhere'"):
        both.wrap("kms://nowhere", GCM, b"plaintext", b"place")
    with pytest.raises(OpeningRefusedError):
        both.unwrap("kms://here", both.wrap("kms://there", EnvelopeFormat.AES_256_KWP, b"k", b""), b"")
