"""Roots by URI: what is refused, what is warned of, what a lost root says."""

import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from botocore.stub import Stubber
from pkcs11 import Attribute, KeyType, MechanismFlag

from kms_schema.crypto import CryptoError, RootKeyError, RootUnavailableError, Secret, SecretRoot
from kms_schema.pkcs11 import Pkcs11Uri, TokenLostError, TokenNotFoundError, TokenRefusedError, TokenUriError
from kms_schema.pkcs11.token import Token
from kms_schema.roots import create_root, open_root, open_roots, opening, pkcs11_root
from support.engines.softhsm import SoftHsm
from tests.keyring.processes import child
from tests.roots import providers

KEY = secrets.token_bytes(32)
ARN = f"arn:aws:kms:{providers.REGION}:{providers.ACCOUNT}:key/00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_a_file_may_be_a_path_or_a_uri(tmp_path: Path, form: str) -> None:
    root = open_root(form.format(providers.root_file(tmp_path, KEY)))
    assert root.derive(b"m") == providers.from_variable(KEY).derive(b"m")
    assert (root.type, root.health()) == ("file", ())


@pytest.mark.parametrize(
    ("option", "reference", "uri"),
    [
        ("kms://r=root.key", "kms://r", "root.key"),
        ("kms://r?a=b=root.key", "kms://r?a=b", "root.key"),
        ("kms://r=file:a=b.key", "kms://r", "file:a=b.key"),
        ("kms://r?a=b=pkcs11:token=a;object=b?x=y", "kms://r?a=b", "pkcs11:token=a;object=b?x=y"),
        ("r=awskms:arn", "r", "awskms:arn"),
        ("root.key", "", "root.key"),
    ],
)
def test_an_option_has_a_reference_and_a_uri(option: str, reference: str, uri: str) -> None:
    assert opening.split_option(option) == (reference, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "vault:transit/root",
        "pkcs11:token=a?module-path=/m.so",
        "awskms:alias/root",
        "awskms:arn:aws:s3:::bucket",
        "awskms:arn:aws:kms:eu-central-1:1:key/x",
        "env:NO_SUCH_VARIABLE",
    ],
)
def test_a_uri_that_names_no_root_is_refused(uri: str) -> None:
    with pytest.raises((RootKeyError, TokenUriError)):
        open_root(uri)


def test_two_packages_with_one_scheme_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [EntryPoint("vault", "a:b", opening.GROUP), EntryPoint("vault", "c:d", opening.GROUP)]
    monkeypatch.setattr(opening, "entry_points", lambda **_: twice)
    with pytest.raises(RootKeyError, match="several installed packages"):
        open_root("vault:transit/root")


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "kms_schema.roots.aws_root", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(RootKeyError, match="pip install boto3"):
        open_root(f"awskms:{ARN}")


def test_what_was_opened_is_closed_if_another_root_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[SecretRoot] = []

    def close(root: SecretRoot) -> None:
        closed.append(root)

    monkeypatch.setattr(SecretRoot, "close", close)
    with pytest.raises(RootKeyError):
        open_roots({"kms://a": str(providers.root_file(tmp_path, KEY)), "kms://b": "vault:b"})
    assert len(closed) == 1


def test_a_key_that_the_token_makes_never_leaves_it(hsm: SoftHsm) -> None:
    hsm.make_token("kms")
    uri = hsm.uri("kms", "root", id="%01%02")
    root = create_root(uri)
    assert root.health() == []
    with pytest.raises(TokenRefusedError, match="already"):
        create_root(uri)
    parsed = Pkcs11Uri.parse(uri)
    with Token(parsed) as token, token.session() as session:
        (key,) = session.get_objects({Attribute.LABEL: "root"})
        said = {each: key[each] for each in (Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.NEVER_EXTRACTABLE)}
        assert list(said.values()) == [True, False, True]
        assert [each for each in (Attribute.VERIFY, Attribute.DERIVE, Attribute.ENCRYPT) if key[each]] == []
        assert (key[Attribute.ID], key[Attribute.MODIFIABLE]) == (b"\x01\x02", False)
    root.close()


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_a_token_that_cannot_import_a_key_is_not_called_lost(
    *, hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """As a TPM answers with a general error, although it is there."""
    hsm.make_token("kms")
    session_of, refused = Token.session, []

    class Refusing:
        """A session that answers other calls until it has refused."""

        def __init__(self, session: Any) -> None:
            self._session = session

        def create_object(self, template: object) -> None:
            refused.append(template)
            raise pkcs11.GeneralError

        def get_objects(self, wanted: Any) -> Any:
            if gone and refused:
                raise pkcs11.GeneralError
            return self._session.get_objects(wanted)

    @contextmanager
    def refusing(token: Token, *, writable: bool = False) -> Iterator[Any]:
        with session_of(token, writable=writable) as session:
            yield Refusing(session)

    monkeypatch.setattr(Token, "session", refusing)
    error, words = (TokenLostError, "does not answer") if gone else (TokenRefusedError, "the token cannot import")
    with pytest.raises(error, match=words):
        pkcs11_root.create_root(hsm.uri("kms", "root"), Secret.copy_of(KEY))


def test_a_key_with_other_uses_or_that_can_be_read_is_warned_of(hsm: SoftHsm) -> None:
    hsm.make_token("kms")
    uri = Pkcs11Uri.parse(hsm.uri("kms", "loose"))
    with Token(uri) as token, token.session(writable=True) as session:
        session.create_object(
            {
                **{Attribute.CLASS: 4, Attribute.KEY_TYPE: KeyType.GENERIC_SECRET, Attribute.VALUE: KEY},
                **{Attribute.LABEL: "loose", Attribute.TOKEN: True, Attribute.PRIVATE: True, Attribute.SIGN: True},
                **{Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True, Attribute.DERIVE: True},
            }
        )
    root = open_root(hsm.uri("kms", "loose"))
    warnings = " ".join(root.health())
    assert all(each in warnings for each in ("derive", "can be read", "outside of the token"))
    root.close()


@pytest.mark.parametrize(("kind", "bits"), [(KeyType.GENERIC_SECRET, 512), (KeyType.AES, 256)])
def test_a_key_of_another_type_or_length_is_refused(hsm: SoftHsm, kind: KeyType, bits: int) -> None:
    hsm.make_token("kms")
    with Token(Pkcs11Uri.parse(hsm.uri("kms"))) as token, token.session(writable=True) as session:
        session.generate_key(kind, bits, label="other", store=True, capabilities=MechanismFlag.SIGN)
    root = open_root(hsm.uri("kms", "other"))
    with pytest.raises(TokenRefusedError, match="a root"):
        root.derive(b"m")
    root.close()


def test_a_root_in_a_token_that_is_gone_and_back(hsm: SoftHsm) -> None:
    hsm.make_token("kms")
    root = create_root(hsm.uri("kms", "root"))
    with root.derive(b"m") as before:
        away = hsm.folder / "away"
        hsm.tokens.rename(away)
        hsm.tokens.mkdir()
        with pytest.raises((TokenLostError, TokenNotFoundError, CryptoError)):
            root.derive(b"m")
        hsm.tokens.rmdir()
        away.rename(hsm.tokens)
        assert root.derive(b"m") == before
    root.close()


def test_a_child_derives_with_the_root_of_its_parent(make_root: providers.MakeRoot) -> None:
    root = make_root(KEY)

    def derived() -> bytes:
        with root.derive(b"m") as secret:
            return bytes(secret.view)

    expected = derived()
    assert child(lambda write: write(derived())).read_to_the_end() == expected == derived()
    root.close()


@pytest.mark.usefixtures("aws")
def test_aws_refuses_by_name_and_shows_no_credentials() -> None:
    encrypting = providers.boto3.client("kms", region_name=providers.REGION).create_key()["KeyMetadata"]["Arn"]
    for arn in (ARN, encrypting):
        with pytest.raises(RootUnavailableError, match="kms:GenerateMac") as refused:
            open_root(f"awskms:{arn}").derive(b"m")
        assert "not-to-be-shown" not in "".join(traceback.format_exception(refused.value))
    with pytest.raises(RootKeyError, match="4096"):
        open_root(f"awskms:{ARN}").derive(bytes(4097))


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ThrottlingException", "too many requests in this account and region"),
        ("KMSInternalException", "it cannot be reached or used now"),
        ("AccessDeniedException", "is kms:GenerateMac permitted"),
    ],
)
def test_aws_says_what_to_do_about_an_answer(code: str, says: str) -> None:
    root: Any = open_root(f"awskms:{ARN}")
    with Stubber(root._connected()) as stubber:
        stubber.add_client_error("generate_mac", code)
        with pytest.raises(RootUnavailableError, match=rf"\({code}\): .*{says}"):
            root.derive(b"m")


@pytest.mark.usefixtures("aws")
def test_aws_without_an_answer_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RootUnavailableError, match=r"NoCredentialsError.*the credentials"):
        open_root(f"awskms:{ARN}").derive(b"m")


@pytest.mark.usefixtures("aws")
def test_aws_says_where_the_key_was_made() -> None:
    assert open_root(f"awskms:{providers.hmac_key()}").health() == []
    assert "EXTERNAL" in " ".join(providers.in_cloud(KEY).health())
