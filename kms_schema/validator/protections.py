"""The protections that are in force on a database, and the open attacks, from the findings of the validator."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kms_schema.database.messages import NOT_PERMITTED, UNDEFINED_TABLE, sqlstate_of
from kms_schema.hardening.definition import LEFT_OPEN, LEFT_OPEN_ON_SQLITE, REFUSED
from kms_schema.text.identifiers import quoted
from kms_schema.validator import DatabaseConnection, Report, ValidationError, validate
from kms_schema.validator.checks.hardening import is_in_force

_UNKNOWN_CHECKPOINT = "unknown to the database: kms-schema audit seal --publish, and audit verify --checkpoint"


@dataclass(frozen=True)
class Protection:
    """One protection of the audit trail and the keys."""

    name: str
    in_force: bool | None
    """None if it is unknown."""
    because: str


@dataclass(frozen=True)
class Protections:
    """The protections of a database, and the open attacks."""

    database: str
    all: tuple[Protection, ...]
    open_attacks: tuple[str, ...]
    """By their names on the page "threat-model" of the documentation, which has what detects each."""


def protections(connection: DatabaseConnection, schema: str = "public") -> Protections:
    """Return the protections of a database and the attacks that are open.

    `connection` is an idle one of psycopg or sqlite3, `schema` the PostgreSQL schema of the tables. Raises
    `ValidationError` if no object of the schema exists, and the errors of `validate`.

        open_attacks = protections(connection).open_attacks
    """
    report = validate(connection, schema=schema)
    if report.compared_with is None:
        raise ValidationError("no object of the schema exists; run: kms-schema upgrade")
    sealed = _sealed(connection, schema)
    on_sqlite = report.engine == "sqlite"
    found = _on_sqlite(report) if on_sqlite else _on_postgresql(report)
    left = LEFT_OPEN if is_in_force(report.findings) else (*REFUSED, *LEFT_OPEN)
    return Protections(report.database, (*found, *_evidence(sealed)), LEFT_OPEN_ON_SQLITE if on_sqlite else left)


def _on_postgresql(report: Report) -> Iterator[Protection]:
    yield _guard_triggers(report, ("KMS10", "KMS11", "KMS12", "KMS14", "KMS15", "KMS19", "KMS401", "KMS402"))
    if is_in_force(report.findings):
        yield Protection("event triggers", True, "DDL on these objects is refused, also that of their owner")
    else:
        changed = _codes(report, ("KMS442", "KMS443"))
        yield Protection(
            "event triggers", False, _named(changed) or "not installed; as a superuser, run: kms-schema harden --apply"
        )
    owners = _codes(report, ("KMS411", "KMS412", "KMS419"))
    yield Protection("owner role without login or members", not owners, _named(owners) or "no LOGIN, no members")
    roles = "policy key_audit_logs.key_audit_logs_add" in report.checked
    wrong = _codes(report, ("KMS20", "KMS302", "KMS303", "KMS310", "KMS438"))
    yield Protection(
        "roles of least privilege, with row-level security", roles and not wrong,
        _named(wrong) or ("as kms-schema roles grants them" if roles else "no roles; run: kms-schema roles --apply"),
    )  # fmt: skip
    power = _codes(report, ("KMS42",))
    yield Protection(
        "no other role with the power of the owner or a superuser", not power, _named(power) or "none in the catalog"
    )


def _on_sqlite(report: Report) -> Iterator[Protection]:
    yield _guard_triggers(report, ("KMS10", "KMS11", "KMS12", "KMS14"))
    yield Protection(
        "authorizer on connections of kms-schema",
        True,
        "triggers and views of the file cannot act through kms-schema audit and validate",
    )
    yield Protection(
        "event triggers, roles, an owner", False, "SQLite has none: everyone who can write the file can do anything"
    )


def _guard_triggers(report: Report, prefixes: tuple[str, ...]) -> Protection:
    wrong = _codes(report, prefixes)
    return Protection("constraints and guard triggers", not wrong, _named(wrong) or "no drift")


def _evidence(sealed: int | None) -> Iterator[Protection]:
    because = {None: "this role lacks the privilege to read the seals", 0: "no seal yet; run: kms-schema audit seal"}
    yield Protection(
        "seals", None if sealed is None else sealed > 0, because.get(sealed, "kms-schema audit verify verifies them")
    )
    yield Protection("external checkpoint", None, _UNKNOWN_CHECKPOINT)


def _sealed(connection: DatabaseConnection, schema: str) -> int | None:
    """Return the number of seals; None if the role may not read it."""
    table = (
        "main.key_audit_seals" if isinstance(connection, sqlite3.Connection) else f"{quoted(schema)}.key_audit_seals"
    )
    try:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    except sqlite3.Error:
        return None
    except Exception as error:
        if sqlstate_of(error) not in {NOT_PERMITTED, UNDEFINED_TABLE}:
            raise
        return None
    return int(row[0]) if row else None


def _codes(report: Report, prefixes: tuple[str, ...]) -> list[str]:
    return [f"{each.code} {each.object}" for each in report.findings if each.code.startswith(prefixes)]


def _named(codes: Iterable[str]) -> str:
    return "; ".join(codes)
