"""`kms-schema policies`, as it is typed: every column is an option, and what the database refuses is a sentence."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from kms_schema.models import RotationPolicy
from kms_schema.roles.applying import apply
from kms_schema.roles.definition import Role
from support.engines import Database
from support.login_roles import drop_roles
from support.programs.commands import Said, kms_schema
from support.statements import execute
from tests.roles.granted import Granted

Policies = Callable[..., Said]

CREATE = ("create", "quarterly", "--type", "dek")
ALL = {
    "--interval-days": ("90", {"rotation_interval_days": 90}),
    "--max-age-days": ("120", {"max_key_age_days": 120}),
    "--max-uses": ("1000000", {"max_operations": 1_000_000}),
    "--max-volume-mb": ("4096", {"max_data_volume_mb": 4096}),
    "--no-on-incident": (None, {"rotate_on_security_incident": False}),
    "--on-compliance": (None, {"rotate_on_compliance_requirement": True}),
    "--window": ("22:00-04:00", {"rotation_window_start": "22:00", "rotation_window_end": "04:00"}),
    "--timezone": ("Europe/Berlin", {"timezone": "Europe/Berlin"}),
    "--notify-hours": ("48", {"notify_before_rotation_hours": 48}),
    "--channels": ('["ops"]', {"notification_channels": ["ops"]}),
    "--disabled": (None, {"is_active": False}),
    "--created-by": ("carol", {"created_by": "carol"}),
}


@pytest.fixture
def policies(database: Database) -> Policies:
    return lambda *words, url=database.url: kms_schema("policies", *words, url=url)


def document(said: Said) -> Any:
    assert said.status == 0, said
    return json.loads(said.out)


def test_every_column_is_an_option(policies: Policies, database: Database) -> None:
    words = [word for option, (value, _) in ALL.items() for word in (option, value) if word is not None]
    made = document(policies(*CREATE, *words, "--actor", "alice", "--format", "json"))
    expected = {column: value for _, columns in ALL.values() for column, value in columns.items()}
    assert {name: made[name] for name in expected} == expected
    not_options = {"id", "policy_name", "key_type", "created_at", "updated_at"}
    assert made.keys() == expected.keys() | not_options == {each.key for each in RotationPolicy.__table__.columns}
    assert document(policies("show", "quarterly", "--format", "json")) == made
    assert document(policies("list", "--format", "json")) == [made]
    with closing(database.connect()) as connection:
        query = "SELECT user_id FROM key_audit_logs WHERE event_type = 'POLICY_CREATED'"
        assert execute(connection, query).fetchall() == [("alice",)]


def test_a_policy_is_changed_and_the_rest_of_it_stays(policies: Policies) -> None:
    assert policies(*CREATE, "--interval-days", "90", "--window", "22:00-04:00").status == 0
    changed = document(policies("update", "quarterly", "--max-uses", "5", "--remove", "window", "--format", "json"))
    assert (changed["rotation_interval_days"], changed["max_operations"]) == (90, 5)
    assert (changed["rotation_window_start"], changed["rotation_window_end"]) == (None, None)
    assert document(policies("disable", "quarterly", "--format", "json"))["is_active"] is False
    assert policies("list").out.splitlines()[1].split() == ["quarterly", "dek", "disabled", "90", "-", "5", "-"]
    enabled = policies("enable", "quarterly").out.splitlines()
    assert {"status: active", "interval-days: 90", "max-uses: 5", "on-incident: true", "type: dek"} <= {*enabled}
    assert "window: 22:00-04:00" in policies("update", "quarterly", "--window", "22:00-04:00").out.splitlines()


def test_a_list_fits_into_80_columns(policies: Policies) -> None:
    most = ("--interval-days", "699999", "--max-age-days", "699999", "--max-uses", str(10**15))
    made = policies("create", "n" * 100, "--type", "backup", *most, "--max-volume-mb", str(2**33), "--disabled")
    assert made.status == 0, made
    name, numbers = policies("list").out.splitlines()[1:]
    assert (name, len(numbers) <= 80) == ("n" * 100, True)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (CREATE, 2, "give one of --interval-days, --max-age-days, --max-uses, --max-volume-mb or --on-compliance"),
        ((*CREATE, "--interval-days", "0"), 2, "0 is not in the range"),
        ((*CREATE, "--interval-days", "9", "--window", "22:00"), 2, "two times of day"),
        ((*CREATE, "--interval-days", "9", "--window", "25:00-26:00"), 1, "is_hh_mm"),
        ((*CREATE, "--interval-days", "9", "--timezone", "Mars/Base"), 1, "there is no time zone 'Mars/Base'"),
        ((*CREATE, "--interval-days", "9", "--channels", "ops"), 2, "a JSON array or object"),
        (("create", " ", "--type", "dek"), 2, "is empty"),
        (("create", "known", "--type", "dek", "--interval-days", "9"), 1, "there is a policy named 'known'"),
        (("update", "known"), 2, "name what to change"),
        (("update", "known", "--window", "22:00-04:00", "--remove", "window"), 2, "exclude each other"),
        (("update", "known", "--remove", "interval-days"), 1, "due. Set another limit first, or disable the policy"),
        (("update", "unknown", "--interval-days", "9"), 1, "there is no policy named 'unknown'"),
        (("show", "unknown"), 1, "there is no policy named 'unknown'"),
        (("enable", "known", "--actor", " "), 2, "is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said(policies: Policies, words: tuple[str, ...], status: int, message: str) -> None:
    assert policies("create", "known", "--type", "kek", "--interval-days", "365").status == 0
    said = policies(*words)
    assert (said.status, message in said.error) == (status, True), said
    assert len(document(policies("list", "--format", "json"))) == 1


@pytest.fixture
def granted(database: Database) -> Iterator[Granted]:
    with closing(database.connect()) as connection:
        assert isinstance(connection, psycopg.Connection)
        apply(connection, prefix="policies_")
        try:
            yield Granted(database, "policies_", connection)
        finally:
            drop_roles(connection, *("policies_" + role for role in Role))


@pytest.mark.only_on("postgresql")
def test_who_may_change_policies(policies: Policies, granted: Granted) -> None:
    with granted.member(Role.ADMIN) as admin:
        assert policies(*CREATE, "--interval-days", "90", url=admin.url).status == 0
        assert policies("disable", "quarterly", url=admin.url).status == 0
    with granted.member(Role.ROTATOR) as rotator:
        assert policies("show", "quarterly", url=rotator.url).status == 0
        for words in ((*CREATE[:1], "other", *CREATE[2:], "--interval-days", "90"), ("enable", "quarterly")):
            said = policies(*words, url=rotator.url)
            assert (said.status, "permission denied" in said.error) == (3, True), said
    with granted.member(Role.APP) as app:
        assert policies("list", url=app.url).status == 3
