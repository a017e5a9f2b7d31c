"""Fixtures: SoftHSM2 with a token, and moto in place of AWS KMS."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.roots import providers
from tests.roots.providers import MakeRoot


@pytest.fixture
def aws() -> Iterator[None]:
    with providers.moto():
        yield


@pytest.fixture(params=providers.PROVIDERS)
def make_root(request: pytest.FixtureRequest, tmp_path: Path) -> MakeRoot:
    """A root with the key that a test chooses, of each provider."""
    if request.param == "file":
        return lambda key: providers.open_root(f"file:{providers.root_file(tmp_path, key)}")
    if request.param == "env":
        return providers.from_variable
    if request.param == "pkcs11":
        hsm = request.getfixturevalue("hsm")
        hsm.make_token("conformance")
        return partial(providers.in_token, hsm)
    request.getfixturevalue("aws")
    return providers.in_cloud
