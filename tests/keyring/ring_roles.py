"""Rings of logins that are members of group roles."""

from collections.abc import Iterator
from contextlib import contextmanager

from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from kms_schema.roles.definition import Role
from tests.roles.granted import Granted

APP, ROTATOR, ADMIN = (Role.APP,), (Role.ROTATOR,), (Role.ADMIN,)
BOTH = (Role.ADMIN, Role.ROTATOR)


@contextmanager
def ring_as(granted: Granted, roots: RootKeys, roles: tuple[Role, ...]) -> Iterator[KeyRing]:
    with granted.member(*roles) as seen:
        engine = seen.engine()
        with KeyRing(engine, roots) as ring:
            yield ring
        engine.dispose()
