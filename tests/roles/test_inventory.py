"""An inventory as a member of each role: kms_auditor writes it; a role that would miss versions is refused."""

import io
from contextlib import closing

import psycopg
import pytest

from kms_schema.audit import seal
from kms_schema.audit.storage.open import open_trail
from kms_schema.inventory import InventoryError, write_inventory
from kms_schema.roles.definition import GRANTEES, Role
from support.login_roles import login
from tests.roles.granted import Granted
from tests.roles.material import destroyed_version, live_key

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

REFUSALS = (psycopg.errors.InsufficientPrivilege, InventoryError)


def test_an_auditor_writes_an_inventory_and_its_entry(granted: Granted) -> None:
    live_key(granted.superuser)
    destroyed_version(granted.superuser)
    list(seal(open_trail(granted.superuser)))
    with granted.session(Role.AUDITOR) as auditor:
        written = write_inventory(auditor, io.BytesIO())
        assert (written.totals["versions"], written.totals["versions destroyed"]) == (3, 1)
        assert written.entry is not None
        assert written.entry["recorded_by"] == auditor.info.user
    # Together with the role of an auditor, that of an application hides nothing.
    with granted.session(Role.AUDITOR, Role.APP) as both:
        assert write_inventory(both, io.BytesIO()).totals["versions"] == 3


@pytest.mark.parametrize("role", [each for each in GRANTEES if each is not Role.AUDITOR])
def test_other_roles_are_refused(common: Granted, role: Role) -> None:
    file = io.BytesIO()
    with common.session(role) as session, pytest.raises(REFUSALS):
        write_inventory(session, file, record=False)
    assert file.getvalue() == b""


def test_a_role_from_which_destroyed_versions_are_hidden_is_refused(common: Granted) -> None:
    groups = (common.prefix + role for role in (Role.SEALER, Role.APP))
    file = io.BytesIO()
    with (
        login(common.database, *groups, "SELECT ON hsm_configurations") as seen,
        closing(seen.connect()) as session,
        pytest.raises(InventoryError, match="hides rows"),
    ):
        write_inventory(session, file, record=False)
    assert file.getvalue() == b""
