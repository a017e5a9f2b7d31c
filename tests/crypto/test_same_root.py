"""A rewrap to a reference that is in use, with another root key than the one that the database knows by that name."""

import secrets
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, RootKeyError, RootKeys, Secret, plan, rewrap
from kms_schema.models import KeyVersion
from support.engines import Database
from tests.crypto.wrapped_trees import CREDENTIALS, NEXT_ROOT, ROOT, a_key, an_hsm, kept, spoil, wrappers

OLD, NEW, OTHER = (secrets.token_bytes(32) for _ in range(3))


def given(next_root: bytes) -> KeyWrapping:
    return KeyWrapping(RootKeys({ROOT: Secret(bytearray(OLD)), NEXT_ROOT: Secret(bytearray(next_root))}))


def refused(sql_engine: sa.Engine, message: str) -> None:
    for work in (plan, rewrap):
        with pytest.raises(RootKeyError, match=f"{NEXT_ROOT}' is not the one that {message}"):
            work(sql_engine, given(OTHER), ROOT, NEXT_ROOT)
    with pytest.raises(RootKeyError, match=message):
        plan(sql_engine, given(OTHER), ROOT, NEXT_ROOT, verify=True)


def moved(sql_engine: sa.Engine) -> int | str:
    """Return how many versions the right root key has moved, or why none."""
    try:
        return rewrap(sql_engine, given(NEW), ROOT, NEXT_ROOT).versions
    except RootKeyError as error:
        return str(error)


def test_nothing_moves_to_another_root_key_of_the_same_name(
    sql_engine: sa.Engine, session: Session, database: Database
) -> None:
    kept(session, given(NEW), a_key())
    for _ in range(2):
        kept(session, given(NEW), a_key(), NEXT_ROOT)
    under = sa.select(KeyVersion).where(
        KeyVersion.wrapping_key_ref == NEXT_ROOT, KeyVersion.encrypted_key_data.is_not(None)
    )
    before = wrappers(session)
    session.commit()
    refused(sql_engine, "version 1 of key 'key-[^ ]+ is under")
    assert wrappers(session) == before == {ROOT: 1, NEXT_ROOT: 2}
    session.commit()
    first = session.scalars(under.limit(1)).one().id
    session.commit()
    spoil(database, first)  # it says nothing about the root key
    refused(sql_engine, "version 1 of key")
    assert moved(sql_engine) == 1


def test_credentials_say_which_root_key_a_name_is_of(sql_engine: sa.Engine, session: Session) -> None:
    kept(session, given(NEW), a_key())
    hsm: Any = an_hsm()
    given(NEW).encrypt_credentials(hsm, CREDENTIALS, under=NEXT_ROOT)
    session.add(hsm)
    session.commit()
    refused(sql_engine, f"the credentials of HSM '{hsm.configuration_name}' are under")
    session.commit()
    assert moved(sql_engine) == 1
