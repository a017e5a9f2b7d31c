"""Every way past the guards that is known really leads past them, is found, and is closed by what fixes it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext

import psycopg
import pytest
import sqlalchemy as sa

from kms_schema import validate
from kms_schema.validator import Finding
from support.engines import Database
from support.login_roles import drop_roles, login
from support.reports import run
from support.violations.bypasses import BYPASSES, HARMLESS, Bypass
from tests.roles.granted import HAND_OVER

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]
Connection = psycopg.Connection[tuple[object, ...]]


@contextmanager
def roles(connection: Connection, database: Database, *words: str) -> Iterator[dict[str, str]]:
    """Make roles that cannot log in, and give their names by these words; they are gone afterwards."""
    names = {word: f"{database.name}_{word}" for word in words}
    for word, name in names.items():
        run(connection, f"CREATE ROLE {name} {'SUPERUSER' if word == 'superuser' else ''}")
    try:
        yield names
    finally:
        drop_roles(connection, *names.values())


def posture(database: Database) -> dict[tuple[str, str], Finding]:
    with closing(database.connect()) as connection:
        findings = validate(connection).findings
    return {(each.code, each.object): each for each in findings if each.code.startswith("KMS4")}


def goes_through(database: Database, attack: str, *, in_transaction: bool) -> bool:
    """Whether a login role can do it; what it did is rolled back."""
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        try:
            with connection.transaction(force_rollback=True) if in_transaction else nullcontext():
                run(connection, attack)
        except psycopg.Error:
            return False
    return True


def faults(
    connection: Connection, database: Database, bypass: Bypass, names: dict[str, str], usual: frozenset[tuple[str, str]]
) -> Iterator[str]:
    """Take one way, and say what is not as it should be; `usual` is what was found before."""
    with roles(connection, database, "between", "superuser") as more, login(database) as attacker:
        here = {**names, **more, "database": database.name, "role": sa.make_url(attacker.url).username or ""}
        granted, attack, about, before = (
            text.format_map(here) for text in (bypass.granted, bypass.attack, bypass.about, bypass.before)
        )
        if before:
            run(connection, before)
            usual = frozenset(posture(database))
        if goes_through(attacker, attack, in_transaction=bypass.in_transaction):
            yield "open before anything was granted"
        run(connection, granted)
        if not goes_through(attacker, attack, in_transaction=bypass.in_transaction):
            yield "leads nowhere"
        found = posture(database)
        if found.keys() - usual != {(bypass.code, about)}:
            yield f"found {sorted(found.keys() - usual)} instead of {bypass.code} {about}"
            run(connection, f"ALTER DATABASE {database.name} OWNER TO {names['owner']}")
            return
        fix = found[bypass.code, about].remediation or ""
        # What no statement can decide goes with the role; that what is fixed is found no more, the mutations say.
        if not fix.startswith("--"):
            run(connection, fix)
            if goes_through(attacker, attack, in_transaction=bypass.in_transaction):
                yield f"still open after {fix}"


@contextmanager
def owned(connection: Connection, database: Database) -> Iterator[dict[str, str]]:
    """Let a role that is no superuser and cannot log in own everything, and give its name."""
    with roles(connection, database, "owner") as names:
        run(connection, HAND_OVER.replace("{owner}", names["owner"]))
        run(connection, f"ALTER DATABASE {database.name} OWNER TO {names['owner']}")
        try:
            yield names
        finally:
            run(connection, f"ALTER DATABASE {database.name} OWNER TO CURRENT_USER")


def test_every_bypass_is_found_and_closed_by_its_fix(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        major = connection.info.server_version // 10000
        with owned(connection, database) as names:
            usual = frozenset(posture(database))
            wrong = {
                name: list(faults(connection, database, bypass, names, usual))
                for name, bypass in BYPASSES.items()
                if bypass.since <= major <= bypass.until
            }
    assert {name: said for name, said in wrong.items() if said} == {}
    assert len(wrong) > 15


def test_what_leads_past_nothing_is_not_found(database: Database) -> None:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        major = connection.info.server_version // 10000
        with owned(connection, database) as names, roles(connection, database, "role", "superuser") as more:
            usual = posture(database).keys()
            for since, granted in HARMLESS.values():
                if since <= major:
                    run(connection, granted.format_map({**names, **more}))
            # One superuser more is what the superusers are about, and no other finding.
            assert posture(database).keys() == usual
