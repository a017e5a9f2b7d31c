"""Root keys from files and variables, and several of them as one."""

import base64
import secrets
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest

from kms_schema.crypto import (
    EnvelopeFormat,
    OpeningRefusedError,
    RootKeyError,
    RootKeys,
    RootUnavailableError,
    Secret,
    WrappingKeyError,
)

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
    provider = RootKeys.from_files({ROOT: key_file(tmp_path, text + "\n", 0o640)})
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
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, fault in (
        ("missing", "No such file"),
        ("missing/key", "No such file"),
        ("folder", "folder"),
        ("a\0b", "null"),
    ):
        with pytest.raises(RootKeyError, match=fault) as refused:
            RootKeys.from_files({ROOT: tmp_path / name})
        assert repr(str(tmp_path / name))[1:-1] in str(refused.value)


def test_one_key_has_one_reference() -> None:
    with pytest.raises(RootKeyError, match=r"'kms://(one|two)' and 'kms://(one|two)' are the same"):
        RootKeys({f"kms://{name}": Secret(bytearray(bytes(range(32)))) for name in ("one", "two")})


@pytest.mark.parametrize("reference", ["", " ", "k" * 256])
def test_a_reference_fits_its_column(reference: str) -> None:
    with pytest.raises(RootKeyError, match="255"):
        RootKeys({reference: Secret(bytearray(bytes(range(32))))})


def test_closing_wipes_the_keys() -> None:
    buffer = bytearray(bytes(range(32)))
    kept = Secret(buffer)  # which would wipe it at its own end
    with RootKeys({ROOT: kept}) as keys:
        assert repr(keys) == "<RootKeys 'kms://root'>"
    assert buffer == bytes(32)
    assert len(kept) == 0
    assert ROOT not in keys
    with pytest.raises(WrappingKeyError):
        keys.wrap(ROOT, GCM, b"plaintext", b"")


def test_a_key_is_with_the_first_that_has_its_reference() -> None:
    here, there = (RootKeys({ref: Secret(bytearray(secrets.token_bytes(32)))}) for ref in ("kms://here", "kms://there"))
    other = RootKeys({"kms://here": Secret(bytearray(secrets.token_bytes(32)))})
    all_of_them = RootKeys.joined((here, there, other))
    assert "kms://here" in all_of_them
    assert "kms://nowhere" not in all_of_them
    for reference, owner in (("kms://here", here), ("kms://there", there)):
        envelope = all_of_them.wrap(reference, GCM, b"plaintext", b"place")
        assert all_of_them.unwrap(reference, envelope, b"place") == owner.unwrap(reference, envelope, b"place")
    with pytest.raises(WrappingKeyError, match="'kms://nowhere'"):
        all_of_them.wrap("kms://nowhere", GCM, b"plaintext", b"place")
    with pytest.raises(OpeningRefusedError):
        all_of_them.unwrap("kms://here", all_of_them.wrap("kms://there", GCM, b"k", b""), b"")


class Broken:
    """A root that answers in another way than it should."""

    type = "broken"
    key = "none"

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer

    def derive(self, message: bytes) -> Secret:
        del message
        if isinstance(self._answer, Exception):
            raise self._answer
        return Secret(bytearray(self._answer))

    def health(self) -> Sequence[str]:
        return ()

    def close(self) -> None: ...


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_an_answer_that_is_no_hmac_sha_256_wraps_nothing(length: int) -> None:
    with pytest.raises(WrappingKeyError, match=f"answers with {length} bytes"):
        RootKeys({ROOT: Broken(bytes(length))}).wrap(ROOT, GCM, b"plaintext", b"place")


def test_what_a_root_of_others_raises_is_named_and_not_repeated() -> None:
    keys = RootKeys({ROOT: Broken(LookupError("token=not-to-be-shown"))})
    with pytest.raises(RootUnavailableError, match="LookupError") as raised:
        keys.wrap(ROOT, GCM, b"plaintext", b"place")
    assert "not-to-be-shown" not in "".join(traceback.format_exception(raised.value))
