"""HSMs and their keys as each role: allowed or refused, on PostgreSQL."""

import pytest
from sqlalchemy.orm import Session

from kms_schema.hsm.checking import check_hsm
from kms_schema.hsm.configurations import add_hsm, listed_hsms, set_active
from kms_schema.hsm.hsms import Hsms
from kms_schema.keyring import KeyNotPermittedError, KeyRing, MaterialUnavailableError
from kms_schema.roles.definition import Role
from kms_schema.vocabulary import HsmHealth
from support.engines import Database
from support.engines.softhsm import SoftHsm
from support.errors import raises
from support.rows.smallest import unique
from tests.hsm.conftest import MakeRing
from tests.hsm.token_objects import handles, in_token
from tests.keyring.rings import AAD, DATA
from tests.roles.granted import Granted

pytestmark = pytest.mark.only_on("postgresql")


def test_who_may_do_what_with_a_key_in_a_token(
    *, granted: Granted, make_ring: MakeRing, luna: str, token: SoftHsm, database: Database
) -> None:
    name = unique("cards")
    with granted.member(Role.ADMIN) as seen:
        pending = make_ring(seen.engine()).create(name, hsm=luna)
        assert (pending.status, pending.next_step is not None) == ("pending", True)
        assert f"hsm={luna!r}" in str(pending.next_step)
    assert in_token(token) == {}, "the HSM made an object in vain"
    with granted.member(Role.ADMIN, Role.ROTATOR) as seen:
        assert make_ring(seen.engine()).create(name, hsm=luna).version == 1
    with granted.member(Role.APP) as seen:
        ring = make_ring(seen.engine())
        blob = ring.key(name).encrypt(DATA, aad=AAD)
        assert ring.key(name).decrypt(blob, aad=AAD) == DATA
        with pytest.raises(KeyNotPermittedError):
            ring.rotate(name)
        with granted.member(Role.ROTATOR) as rotating:
            other = make_ring(rotating.engine())
            other.rotate(name)
            with pytest.raises(KeyNotPermittedError):
                ring.destroy_version(name, 1, erase_data=True)
            assert len(in_token(token)) == 2
            other.destroy_version(name, 1, erase_data=True)
    assert len(handles(database, name)) == len(in_token(token)) == 1


def test_who_may_change_and_check_an_hsm(granted: Granted, luna: str, token: SoftHsm) -> None:
    hsms = Hsms({luna: token.uri("kms")})
    with granted.member(Role.ROTATOR) as seen:
        engine = seen.engine()
        assert check_hsm(engine, hsms, luna).health is HsmHealth.HEALTHY
        with Session(engine) as session:
            assert luna in [each.name for each in listed_hsms(session)]
            with pytest.raises(Exception, match="permission denied"):
                set_active(session, luna, False)
        engine.dispose()
    with granted.member(Role.APP) as seen:
        engine = seen.engine()
        with pytest.raises(Exception, match="permission denied"):
            check_hsm(engine, hsms, luna)
        engine.dispose()
    with granted.member(Role.ADMIN) as seen:
        engine = seen.engine()
        with Session(engine) as session:
            add_hsm(session, unique("luna"))
            set_active(session, luna, False)
            session.commit()
        engine.dispose()
    hsms.close()


def test_an_application_may_not_read_a_stored_pin(granted: Granted, make_ring: MakeRing, luna: str, cards: str) -> None:
    def without_pin(ring: KeyRing) -> KeyRing:
        ring._parts.held._hsms.lacks_pin = lambda _name: True  # type: ignore[method-assign]
        return ring

    with granted.member(Role.APP) as seen:
        ring = without_pin(make_ring(seen.engine()))
        with raises(MaterialUnavailableError, "hsm", match="this login may not read the stored one"):
            ring.key(cards).encrypt(DATA, aad=AAD)
        assert luna
