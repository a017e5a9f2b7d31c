"""What the owner of the tables, and a superuser too, would do to the guards by DDL: refused by the event triggers, and
by nothing else.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from kms_schema.hardening.applying import apply, remove
from kms_schema.hardening.definition import REFUSED, event_triggers
from support.login_roles import login
from support.statements import execute
from tests.hardening.hardened import Hardened

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

STARTS, COMMANDS, DROPS, REWRITES = (each.name for each in event_triggers("public"))
GUARD = "prevent_key_audit_log_update"
NOTHING = "LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"

ATTACKS = {
    "DISABLE TRIGGER": ((COMMANDS, f"ALTER TABLE key_audit_logs DISABLE TRIGGER {GUARD}"),),
    "DISABLE TRIGGER, of all": ((COMMANDS, "ALTER TABLE key_audit_logs DISABLE TRIGGER USER"),),
    "a trigger that a replica does not fire": ((COMMANDS, f"ALTER TABLE key_audit_logs ENABLE TRIGGER {GUARD}"),),
    "DROP TRIGGER": (
        (DROPS, f"DROP TRIGGER {GUARD} ON key_audit_logs"),
        (COMMANDS, f"ALTER TRIGGER {GUARD} ON key_audit_logs RENAME TO zzz"),
    ),
    "DROP TABLE": (
        (DROPS, "DROP TABLE key_audit_logs CASCADE"),
        (DROPS, "DROP TABLE IF EXISTS host_lines, key_audit_seals CASCADE"),
        (COMMANDS, "ALTER TABLE key_audit_logs RENAME TO kept"),
        (DROPS, "DROP OWNED BY {owner} CASCADE"),
    ),
    "swapped function body": (
        (COMMANDS, f"CREATE OR REPLACE FUNCTION prevent_key_audit_log_change() RETURNS trigger {NOTHING}"),
        (COMMANDS, f"CREATE FUNCTION kms_restoring(integer) RETURNS integer {NOTHING}"),
        (DROPS, "DROP FUNCTION prevent_key_audit_log_change() CASCADE"),
        (DROPS, "DROP FUNCTION refresh_key_views()"),
        (COMMANDS, "ALTER FUNCTION kms_restoring() RENAME TO restoring"),
        (COMMANDS, "ALTER FUNCTION kms_restoring() SET search_path = public"),
    ),
    "extra muting trigger": (
        (COMMANDS, "CREATE TRIGGER a BEFORE INSERT ON key_audit_logs FOR EACH ROW EXECUTE FUNCTION touch_updated_at()"),
    ),
    "RULE … DO INSTEAD NOTHING": ((COMMANDS, "CREATE RULE mute AS ON INSERT TO key_audit_logs DO INSTEAD NOTHING"),),
    "inheritance child that takes an entry": (
        (COMMANDS, "CREATE TABLE child () INHERITS (key_audit_logs)"),
        (COMMANDS, "CREATE SCHEMA theirs CREATE TABLE child () INHERITS (public.key_audit_logs)"),
        (COMMANDS, "CREATE TABLE child (LIKE key_audit_logs INCLUDING ALL); ALTER TABLE child INHERIT key_audit_logs"),
    ),
    "a policy that hides entries": (
        (COMMANDS, "CREATE POLICY hide ON key_audit_logs USING (false)"),
        (COMMANDS, "ALTER TABLE key_audit_logs ENABLE ROW LEVEL SECURITY"),
        (COMMANDS, "ALTER TABLE key_audit_logs FORCE ROW LEVEL SECURITY"),
    ),
    "ALTER TYPE … USING, which rewrites every value": (
        (REWRITES, "ALTER TABLE key_versions ALTER entropy_score TYPE numeric(6, 3) USING 1"),
        (DROPS, "DROP VIEW key_audit_trail; ALTER TABLE key_audit_logs ALTER user_id TYPE varchar(100) USING 'nobody'"),
    ),
    "SET UNLOGGED": ((REWRITES, "ALTER TABLE key_view_refreshes SET UNLOGGED"),),
    "DROP and ADD COLUMN": (
        (DROPS, "ALTER TABLE key_audit_logs DROP COLUMN user_id CASCADE"),
        (COMMANDS, "ALTER TABLE key_audit_logs ADD COLUMN more integer"),
        (COMMANDS, "ALTER TABLE key_audit_logs RENAME COLUMN user_id TO who"),
    ),
    "a constraint, a default or an index": (
        (DROPS, "ALTER TABLE key_versions DROP CONSTRAINT fk_key_versions_key_id_key_masters"),
        (COMMANDS, "ALTER TABLE key_audit_logs ADD CONSTRAINT no CHECK (false) NOT VALID"),
        (COMMANDS, "ALTER TABLE key_audit_logs ALTER event_type SET DEFAULT 'X'"),
        (COMMANDS, "ALTER TABLE key_audit_logs ADD FOREIGN KEY (session_id) REFERENCES key_masters (key_id)"),
        (DROPS, "DROP INDEX uq_key_versions_live"),
        (COMMANDS, "ALTER INDEX uq_key_versions_live RENAME TO other"),
        (COMMANDS, "CREATE UNIQUE INDEX one_of_a_kind ON key_audit_logs (event_type)"),
        (COMMANDS, "CREATE STATISTICS more ON user_id, event_type FROM key_audit_logs"),
    ),
    "a view or the sequence": (
        (DROPS, "DROP MATERIALIZED VIEW key_health_monitor"),
        (COMMANDS, "ALTER VIEW key_audit_trail RENAME TO trail"),
        (COMMANDS, "ALTER VIEW rotations_due SET (security_barrier = true)"),
        (COMMANDS, "ALTER SEQUENCE key_audit_logs_sequence_seq RESTART"),
    ),
    "a partition, which gets the triggers of its parent": (
        (
            COMMANDS,
            "CREATE TABLE p (LIKE key_view_refreshes INCLUDING CONSTRAINTS) PARTITION BY LIST (view_name);"
            " ALTER TABLE p ATTACH PARTITION key_view_refreshes DEFAULT",
        ),
    ),
    "another place or owner": (
        (COMMANDS, "CREATE SCHEMA away; ALTER TABLE key_audit_seals SET SCHEMA away"),
        (COMMANDS, "ALTER TABLE key_audit_seals OWNER TO {owner}"),
        (COMMANDS, "ALTER FUNCTION kms_restoring() OWNER TO {owner}"),
    ),
    "a comment": (
        (COMMANDS, "COMMENT ON TABLE key_audit_logs IS 'nothing to see'"),
        (COMMANDS, "COMMENT ON COLUMN key_audit_logs.user_id IS 'nobody'"),
        (COMMANDS, "COMMENT ON CONSTRAINT fk_key_versions_key_id_key_masters ON key_versions IS 'void'"),
    ),
}  # fmt: skip
"""By the names of docs/threat-model.md where it has them: which event trigger refuses which statements."""

ONLY_A_SUPERUSER = {
    "the whole schema": (
        (DROPS, "DROP SCHEMA public CASCADE"),
        (COMMANDS, "ALTER SCHEMA public RENAME TO private"),
        (COMMANDS, "ALTER SCHEMA public OWNER TO {owner}"),
    ),
    "an extension that takes it along": (
        (COMMANDS, "ALTER EXTENSION plpgsql ADD TABLE key_audit_logs"),
        (COMMANDS, "ALTER EXTENSION plpgsql ADD FUNCTION kms_restoring()"),
    ),
}

CASES = [
    pytest.param(who, rule, statement, id=f"{who}: {statement[:60]}")
    for who, attacks in (("owner", ATTACKS), ("superuser", ATTACKS | ONLY_A_SUPERUSER))
    for each in attacks.values()
    for rule, statement in each
]


@contextmanager
def tried(session: psycopg.Connection) -> Iterator[None]:
    with session.transaction(force_rollback=True):
        yield


@pytest.mark.parametrize("attack", REFUSED)
def test_every_attack_that_is_said_to_be_refused_is_tried(attack: str) -> None:
    assert attack in ATTACKS


@pytest.mark.parametrize(("who", "rule", "statement"), CASES)
def test_ddl_on_the_guards_is_refused(common: Hardened, who: str, rule: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation) as refused, tried(common.session(who)):
        execute(common.session(who), statement.replace("{owner}", common.owner_name))
    assert refused.value.diag.constraint_name == rule
    assert "kms-schema harden --remove" in (refused.value.diag.message_hint or "")


@pytest.mark.parametrize(("who", "rule", "statement"), [case for case in CASES if case.values[0] == "superuser"])
def test_without_the_event_triggers_it_goes_through(common: Hardened, who: str, rule: str, statement: str) -> None:
    """So that nothing else refuses it, and the statement says what it should."""
    del who, rule
    with common.without():
        execute(common.superuser, statement.replace("{owner}", common.owner_name))


@pytest.mark.parametrize("rule", [COMMANDS, DROPS])
def test_each_of_the_event_triggers_is_needed(common: Hardened, rule: str) -> None:
    """What one refuses, the others let through; a rewrite they refuse at its end."""
    through = 0
    for own_rule, statement in {case.values[1:] for case in CASES}:
        if own_rule == rule:
            with common.without(rule):
                try:
                    execute(common.superuser, str(statement).replace("{owner}", common.owner_name))
                except psycopg.errors.RestrictViolation:
                    continue
                through += 1
    assert through > 5


@pytest.mark.parametrize(
    "statement", [statement for case in CASES for rule, statement in [case.values[1:]] if rule == REWRITES]
)
def test_a_rewrite_is_refused_before_it_begins(common: Hardened, statement: str) -> None:
    with common.without(REWRITES), pytest.raises(psycopg.errors.RestrictViolation, match=COMMANDS):
        execute(common.superuser, statement)


@pytest.mark.parametrize("who", ["owner", "superuser"])
@pytest.mark.parametrize(
    "statement",
    [
        "DROP INDEX CONCURRENTLY uq_key_versions_live",
        'drop index concurrently "uq_key_versions_live"',
        'DROP INDEX CONCURRENTLY U&"uq_key_versions\\005flive"',
        "CREATE UNIQUE INDEX CONCURRENTLY one_of_a_kind ON key_audit_logs (event_type)",
    ],
)
def test_what_commits_in_between_is_refused_before_it_begins(common: Hardened, who: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match=STARTS):
        common.session(who).execute(statement.encode())
    broken = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready AND indislive)"
    assert execute(common.superuser, broken).fetchall() == []
    assert execute(common.superuser, "SELECT to_regclass('one_of_a_kind')").fetchone() == (None,)


LOCKING = (
    "CREATE RULE r AS ON INSERT TO public.key_audit_logs DO INSTEAD NOTHING",
    "CREATE TRIGGER t BEFORE UPDATE ON public.key_audit_logs EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DO $$ BEGIN EXECUTE 'CREATE RULE r AS ON INSERT TO public.' || 'key_audit' || '_logs DO NOTHING'; END $$",
    'CREATE RULE r AS ON INSERT TO public.U&"key_audit\\005flogs" DO NOTHING',
)
"""What takes a lock for which everybody waits, before the server asks who owns the table."""


@pytest.mark.parametrize(("owns", "sqlstate"), [("nothing", "23001"), ("a table", "55P03")])
def test_a_rule_or_trigger_of_another_role_keeps_nobody_waiting(common: Hardened, owns: str, sqlstate: str) -> None:
    """Whoever owns nothing is refused at once, and whoever owns a table waits no longer than this."""
    temporary = f"TEMPORARY ON DATABASE {common.database.name}"
    with login(common.database, temporary) as role, closing(role.connect()) as session, tried(common.superuser):
        assert isinstance(session, psycopg.Connection)
        execute(session, "SET statement_timeout = '10s'; CREATE TEMPORARY TABLE own (id integer)")
        if owns == "a table":
            with closing(common.database.connect()) as superuser:
                execute(superuser, f"CREATE SCHEMA {session.info.user} CREATE TABLE t (id integer)")
                execute(superuser, f"ALTER TABLE {session.info.user}.t OWNER TO {session.info.user}")
        execute(common.superuser, "LOCK TABLE key_audit_logs IN ROW EXCLUSIVE MODE")
        states = []
        for statement in LOCKING:
            with pytest.raises(psycopg.Error) as refused:
                execute(session, statement)
            states.append(refused.value.sqlstate)
    assert states == [sqlstate] * len(LOCKING)


@pytest.mark.parametrize(("before", "meanwhile"), [("0", "500ms"), ("5s", "500ms"), ("200ms", "200ms")])
def test_a_host_that_owns_tables_waits_no_longer_for_a_trigger_and_keeps_a_shorter_timeout(
    common: Hardened, before: str, meanwhile: str
) -> None:
    with (
        login(common.database) as role,
        closing(role.connect()) as host,
        closing(common.database.connect()) as superuser,
    ):
        assert isinstance(host, psycopg.Connection)
        execute(superuser, f"CREATE SCHEMA {host.info.user} AUTHORIZATION {host.info.user}")
        execute(host, f"CREATE TABLE own (id integer); SET lock_timeout = '{before}'")
        with tried(host):
            execute(host, "CREATE RULE r AS ON INSERT TO own DO INSTEAD NOTHING")
            assert execute(host, "SHOW lock_timeout").fetchone() == (meanwhile,)
        assert execute(host, "SHOW lock_timeout").fetchone() == (before,)
    with tried(common.owner):
        execute(
            common.owner,
            f"SET LOCAL lock_timeout = '{before}'; CREATE RULE r AS ON INSERT TO host_lines DO ALSO SELECT 1",
        )
        assert execute(common.owner, "SHOW lock_timeout").fetchone() == (before,)


def test_an_index_that_is_dropped_concurrently_would_be_left_invalid(own: Hardened) -> None:
    """Why there is an event trigger at the beginning: the one at the end is too late."""
    execute(own.superuser, f"ALTER EVENT TRIGGER {STARTS} DISABLE")
    with pytest.raises(psycopg.errors.RestrictViolation, match=DROPS):
        own.owner.execute("DROP INDEX CONCURRENTLY uq_key_versions_live")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_key_versions_live'::regclass"
    assert execute(own.superuser, valid).fetchone() == (False,)


def test_a_policy_is_not_dropped(own: Hardened) -> None:
    """As those of the roles, which say who sees which rows."""
    remove(own.superuser)
    execute(own.superuser, "CREATE POLICY everything ON key_audit_logs USING (true)")
    apply(own.superuser)
    with pytest.raises(psycopg.errors.RestrictViolation, match=DROPS):
        execute(own.owner, "DROP POLICY everything ON key_audit_logs")


def test_a_replica_is_refused_too(common: Hardened) -> None:
    with tried(common.superuser):
        execute(common.superuser, "SET LOCAL session_replication_role = replica")
        with pytest.raises(psycopg.errors.RestrictViolation):
            execute(common.superuser, f"DROP TRIGGER {GUARD} ON key_audit_logs")


def test_a_search_path_does_not_mislead_it(common: Hardened) -> None:
    """Nor do temporary objects with the catalog's names."""
    with tried(common.owner):
        execute(common.owner, "CREATE TEMPORARY TABLE pg_class (oid oid, relname name, relnamespace oid)")
        execute(common.owner, "SET LOCAL search_path = pg_temp, public, pg_catalog")
        with pytest.raises(psycopg.errors.RestrictViolation):
            execute(common.owner, f"ALTER TABLE public.key_audit_logs DISABLE TRIGGER {GUARD}")


def test_the_owner_does_not_take_the_event_triggers_away(common: Hardened) -> None:
    for statement in (
        *(f"DROP EVENT TRIGGER {each.name}" for each in event_triggers("public")),
        f"ALTER EVENT TRIGGER {COMMANDS} DISABLE",
        "DROP FUNCTION public_hardening.refuse_drops() CASCADE",
        f"CREATE OR REPLACE FUNCTION public_hardening.refuse_drops() RETURNS event_trigger {NOTHING}",
        "DROP SCHEMA public_hardening CASCADE",
        "CREATE FUNCTION public_hardening.more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), tried(common.owner):
            execute(common.owner, statement)


def test_reassign_owned_is_not_refused_and_changes_no_more_than_the_owner(common: Hardened) -> None:
    """The server has no event for it. Whoever does it must be both roles; and what is a guard stays one."""
    with tried(common.superuser):
        execute(common.superuser, f"REASSIGN OWNED BY {common.owner_name} TO pg_monitor")
        owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'key_audit_logs'::regclass"
        assert execute(common.superuser, owner).fetchone() == ("pg_monitor",)
