"""Roots with a key that the test chooses, of each provider."""

import base64
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto import mock_aws
from moto.kms.models import kms_backends
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, Root, RootKeys, Secret
from kms_schema.models import HsmConfiguration
from kms_schema.roots import open_root
from kms_schema.roots.pkcs11_root import create_root
from kms_schema.vocabulary import HsmProvider
from support.engines import Database
from support.engines.softhsm import SoftHsm

MakeRoot = Callable[[bytes], Root]
REGION = "eu-central-1"
ACCOUNT = "123456789012"
PROVIDERS = ("file", "env", "pkcs11", "awskms")


def root_file(folder: Path, key: bytes) -> Path:
    path = folder / f"{secrets.token_hex(4)}.key"
    path.touch(0o600)
    path.write_bytes(base64.b64encode(key) + b"\n")
    return path


def from_variable(key: bytes) -> Root:
    os.environ["ROOT_OF_A_TEST"] = base64.b64encode(key).decode()
    try:
        return open_root("env:ROOT_OF_A_TEST")
    finally:
        del os.environ["ROOT_OF_A_TEST"]


def in_token(hsm: SoftHsm, key: bytes) -> Root:
    with Secret(bytearray(key)) as material:
        return create_root(hsm.uri("conformance", f"key-{secrets.token_hex(4)}"), material)


def hmac_key(origin: str = "AWS_KMS") -> str:
    """Make a key in moto's AWS KMS; return its ARN."""
    client = boto3.client("kms", region_name=REGION)
    made = client.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC", Origin=origin)
    arn: str = made["KeyMetadata"]["Arn"]
    return arn


def set_material(arn: str, key: bytes) -> None:
    """Put a key into moto's store, which has no import."""
    kms_backends[ACCOUNT][REGION].keys[arn.rpartition("/")[2]].key_material = key


def in_cloud(key: bytes) -> Root:
    arn = hmac_key("EXTERNAL")
    set_material(arn, key)
    return open_root(f"awskms:{arn}")


@contextmanager
def moto() -> Iterator[None]:
    """Stand in for AWS KMS, inside of this process."""
    names = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "not-to-be-shown-aws", "AWS_SESSION_TOKEN": "t"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        with mock_aws():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def store_credentials(database: Database, root: Path, credentials: dict[str, str]) -> None:
    """Store credentials of an HSM under `kms://root-2026`, the root in a file."""
    engine = database.engine()
    with RootKeys.from_files({"kms://root-2026": root}) as roots, Session(engine) as session:
        hsm = HsmConfiguration(provider=HsmProvider.PKCS11, configuration_name="luna")
        KeyWrapping(roots).encrypt_credentials(hsm, credentials, under="kms://root-2026")
        session.add(hsm)
        session.commit()
    engine.dispose()
