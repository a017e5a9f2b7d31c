"""Fixtures: a database with an HSM, and rings that use its token."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import RootKeys
from kms_schema.hsm.configurations import add_hsm
from kms_schema.keyring import KeyRing
from support.engines.softhsm import SoftHsm
from support.rows.smallest import unique
from tests.keyring.conftest import (  # noqa: F401  (fixtures)
    _no_notices,
    database,
    granted,
    root,
    root_file,
    roots,
    sql_engine,
)

MakeRing = Callable[..., KeyRing]


@pytest.fixture
def token(hsm: SoftHsm) -> SoftHsm:
    """A folder of tokens with one that is called `kms`."""
    hsm.make_token("kms")
    return hsm


@pytest.fixture
def luna(sql_engine: sa.Engine) -> str:  # noqa: F811
    """The name of an HSM whose uses are recorded once an hour."""
    name = unique("luna")
    with Session(sql_engine) as session:
        add_hsm(session, name, audit_all_operations=False)
        session.commit()
    return name


@pytest.fixture
def make_ring(sql_engine: sa.Engine, roots: RootKeys, token: SoftHsm, luna: str) -> Iterator[MakeRing]:  # noqa: F811
    """Makes rings that were given the URI of the token; they are closed at the end."""
    with ExitStack() as stack:

        def make(engine: sa.Engine = sql_engine, **options: Any) -> KeyRing:
            return stack.enter_context(KeyRing(engine, roots, **{"hsms": {luna: token.uri("kms")}, **options}))

        yield make


@pytest.fixture
def ring(make_ring: MakeRing) -> KeyRing:
    """A ring of the test's own."""
    return make_ring()


@pytest.fixture
def cards(ring: KeyRing, luna: str) -> str:
    """The name of an active data key in the token."""
    name = unique("cards")
    ring.create(name, hsm=luna)
    return name
