"""The locks that a role can hold: none shuts a table for others, but where it may DELETE, as docs/roles.md says."""

from contextlib import closing

import psycopg
import pytest

from kms_schema.roles.definition import GRANTEES, RELATIONS, Role
from support.rows.smallest import active_key_master, insert, live_key_version
from support.statements import execute
from tests.roles.granted import Granted

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

BEYOND_A_WRITER = "SHARE"
"""The weakest mode that stops writers."""
SHUT_BY = {
    Role.ADMIN: {"hsm_configurations", "rotation_policies"},
    Role.REMOVER: {"key_audit_logs"},
}
"""The tables in which these roles may DELETE, so that the server lets them lock them. The remover has no members."""


@pytest.mark.parametrize("role", GRANTEES)
def test_a_role_shuts_no_table_but_those_in_which_it_deletes(common: Granted, role: Role) -> None:
    shut = set()
    with common.session(role) as session:
        kinds = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname = ANY (%s)"
        for (table,) in session.execute(kinds, (list(RELATIONS),)).fetchall():
            try:
                with session.transaction(force_rollback=True):
                    session.execute(f"LOCK TABLE {table} IN {BEYOND_A_WRITER} MODE NOWAIT".encode())
                shut.add(table)
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert shut == SHUT_BY.get(role, set())


def test_an_application_that_holds_a_version_stops_no_refresh_and_no_other_key(granted: Granted) -> None:
    held, other = (insert(granted.superuser, "key_masters", **active_key_master()) for _ in range(2))
    versions = [insert(granted.superuser, "key_versions", **live_key_version(key)) for key in (held, other)]
    deactivate = "UPDATE key_versions SET deactivated_at = activated_at WHERE id = %s"
    with granted.session(Role.APP) as app, granted.session(Role.ROTATOR) as rotator, app.transaction():
        app.execute("SELECT FROM key_versions WHERE id = %s FOR UPDATE", (versions[0]["id"],))
        with granted.session(Role.SEALER) as sealer:
            sealer.execute("SET lock_timeout = '10s'")
            assert len(sealer.execute("SELECT refresh_key_views()").fetchall()) == 2
        rotator.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            rotator.execute(deactivate, (versions[0]["id"],))
        assert rotator.execute(deactivate, (versions[1]["id"],)).rowcount == 1
    with closing(granted.database.connect()) as connection:
        assert execute(connection, "SELECT count(*) FROM key_versions WHERE deactivated_at IS NULL").fetchone() == (1,)


def test_an_application_that_holds_a_version_of_a_kek_keeps_what_is_wrapped_under_it_waiting(granted: Granted) -> None:
    kek, other = (
        insert(granted.superuser, "key_masters", **active_key_master(key_type=kind)) for kind in ("kek", "dek")
    )
    wrapper = insert(granted.superuser, "key_versions", **live_key_version(kek))
    under = live_key_version(other, wrapped_by_version_id=wrapper["id"], wrapping_key_ref=None)
    with granted.session(Role.APP) as app, granted.session(Role.ROTATOR) as rotator:
        rotator.execute("SET lock_timeout = '100ms'")
        with app.transaction():
            app.execute("SELECT FROM key_versions WHERE id = %s FOR UPDATE", (wrapper["id"],))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                insert(rotator, "key_versions", **under)
        insert(rotator, "key_versions", **under)
