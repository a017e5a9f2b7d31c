"""The entries that the database writes itself, and the attempts of a client to write them (PostgreSQL)."""

from collections.abc import Iterator

from kms_schema.validator.probe.attempt import (
    Attempt,
    Promise,
    Row,
    Statement,
    adding,
    by_trigger,
    changing,
    deleting,
    plain,
    truncation,
)
from kms_schema.validator.probe.rows import SECOND, active_key, entry, hsm, key, live_version, policy, rotation, version
from kms_schema.validator.probe.shapes import Case, inserted
from kms_schema.vocabulary import RecordedEvent

ACTOR = "key_audit_actor"
LAST_ENTRIES = 4096
"""The trail is not read further back, however long it is. Far more than other sessions write between a change of the
probe's and its question: else a busy application would have its database called broken."""


def attempts() -> Iterator[Attempt | Promise]:
    """Yield the attempts."""
    yield from _of_keys()
    yield from _of_versions()
    yield from _of_rotations()
    yield from _of_settings()
    protection = "guard_key_audit_log_insert_event"
    claims: list[Case] = [
        (protection, f"an entry of type {event} is written without the change", {"event_type": str(event)})
        for event in RecordedEvent
    ]
    yield from inserted("key_audit_logs", entry(), claims, engine="postgresql", by="others")
    yield from _actors()
    for table, rule in (
        ("key_masters", "prevent_key_master_truncate"),
        ("rotation_policies", "prevent_rotation_policy_truncate"),
        ("hsm_configurations", "prevent_hsm_configuration_truncate"),
    ):
        yield truncation(rule, table, f"TRUNCATE of {table} removes rows without an entry", cascade=True)


def _of_keys() -> Iterator[Promise]:
    new, used, unused = key(), active_key(), key()
    table, stored = "key_masters", (adding("key_masters", used),)
    yield recorded(f"{table}.audit_key_master_insert", RecordedEvent.KEY_CREATED, new["key_id"], adding(table, new))
    for event, change in (
        (RecordedEvent.KEY_REVOKED, {"status": "revoked"}),
        (RecordedEvent.KEY_CHANGED, {"max_usage_count": 7}),
    ):
        yield recorded(
            f"{table}.audit_key_master_update", event, used["key_id"], changing(table, used, **change), stored
        )
    gone, stored = deleting(table, unused), (adding(table, unused),)
    yield recorded(f"{table}.audit_key_master_delete", RecordedEvent.KEY_DELETED, unused["key_id"], gone, stored)


def _of_versions() -> Iterator[Promise]:
    of = key()
    given = (adding("key_masters", of),)
    row, live = version(of), live_version(of)
    named = f"{of['key_id']} version 1"
    table, created = "key_versions", RecordedEvent.VERSION_CREATED
    yield recorded(f"{table}.audit_key_version_insert", created, named, adding(table, row), given)
    ended, done = RecordedEvent.VERSION_DEACTIVATED, changing(table, live, deactivated_at=SECOND)
    yield recorded(f"{table}.audit_key_version_update", ended, named, done, (*given, adding(table, live)))
    jumped, done = RecordedEvent.VERSION_COUNT_JUMPED, changing(table, row, usage_count=100_000)
    yield recorded(f"{table}.audit_key_version_count_update", jumped, named, done, (*given, adding(table, row)))
    gone = plain(
        "SELECT count(*) = 1 FROM (SELECT event_type, event_description FROM {schema}.key_audit_logs"
        f" ORDER BY sequence DESC LIMIT {LAST_ENTRIES}) AS latest WHERE event_type = :event"
        " AND event_description IN (:by_name, :by_id, :by_hex)",  # by its id once the key is gone
        event=str(RecordedEvent.VERSION_DELETED),
        by_name=f"version deleted: {named}",
        by_id=f"version deleted: {of['id']} version 1",
        by_hex=f"version deleted: {of['id'].hex} version 1",
    )
    yield Promise(
        by_trigger(f"{table}.audit_key_version_delete"),
        "an entry records that a version was deleted with its key",
        deleting("key_masters", of),
        gone,
        (*given, adding(table, row)),
        {"postgresql": True},
    )


def _of_rotations() -> Iterator[Promise]:
    of = active_key()
    given = (adding("key_masters", of),)
    row, done = rotation(of), rotation(of, status="COMPLETED", started_at=SECOND, completed_at=SECOND)
    table = "key_rotations"
    stored = adding(table, row)
    for verb, event, statement, before in (
        ("insert", RecordedEvent.ROTATION_SCHEDULED, stored, given),
        (
            "update",
            RecordedEvent.ROTATION_STARTED,
            changing(table, row, status="RUNNING"),
            (*given, adding(table, row)),
        ),
        ("delete", RecordedEvent.ROTATION_DELETED, deleting(table, done), (*given, adding(table, done))),
    ):
        yield recorded(f"{table}.audit_key_rotation_{verb}", event, of["key_id"], statement, before)


def _of_settings() -> Iterator[Promise]:
    for table, trigger, subject, row, name, change in (
        ("rotation_policies", "rotation_policy", "POLICY", policy(), "policy_name", {"max_operations": 7}),
        ("hsm_configurations", "hsm_configuration", "HSM_CONFIGURATION", hsm(), "configuration_name",
         {"require_dual_auth": True}),
    ):  # fmt: skip
        for verb, word, done in (
            ("insert", "CREATED", adding(table, row)),
            ("update", "CHANGED", changing(table, row, **change)),
            ("delete", "DELETED", deleting(table, row)),
        ):
            given = () if verb == "insert" else (adding(table, row),)
            yield recorded(
                f"{table}.audit_{trigger}_{verb}", RecordedEvent(f"{subject}_{word}"), row[name], done, given
            )
    token, table = hsm(), "hsm_configurations"
    yield recorded(
        f"{table}.audit_hsm_health_update", RecordedEvent.HSM_HEALTH_CHANGED, token["configuration_name"],
        changing(table, token, health_status="OFFLINE"), (adding(table, token),),
    )  # fmt: skip


def recorded(
    trigger: str, event: RecordedEvent, named: str, done: Statement, given: tuple[Statement, ...] = ()
) -> Promise:
    """Return the promise that `done` writes an entry of `event` about what is `named`."""
    question = plain(
        "SELECT count(*) = 1 FROM (SELECT event_type, event_description FROM {schema}.key_audit_logs"
        f" ORDER BY sequence DESC LIMIT {LAST_ENTRIES}) AS latest"
        " WHERE event_type = :event AND event_description = :description",
        event=str(event),
        description=f"{event.lower().replace('_', ' ')}: {named}",
    )
    keeps = f"an entry records {event.lower().replace('_', ' ')}"
    return Promise(by_trigger(trigger), keeps, done, question, given)


def _actors() -> Iterator[Attempt]:
    row: Row = {"actor": "kms-probe"}
    cases: list[Case] = [
        (f"ck_{ACTOR}_actor_not_blank", "the actor is blank", {"actor": " "}),
        (f"ck_{ACTOR}_until_commit_blank", "an actor persists after the transaction", {"until_commit": "never"}),
    ]
    yield from inserted(ACTOR, row, cases, engine="sqlite", foreign_keys=True)
    yield Attempt(
        "guard_key_audit_actor_insert", ACTOR, "an actor persists after the transaction", adding(ACTOR, row),
        engine="sqlite", foreign_keys=False,
    )  # fmt: skip
    second = adding(ACTOR, {"actor": "kms-probe-2"})
    yield Attempt(
        f"pk_{ACTOR}", ACTOR, "a transaction has two actors", second, (adding(ACTOR, row),),
        engine="sqlite", foreign_keys=True,
    )  # fmt: skip
