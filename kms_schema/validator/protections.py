"""Which protections are in force on one database, and which attacks stay open: from what the validator finds."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kms_schema.hardening.definition import LEFT_OPEN, LEFT_OPEN_ON_SQLITE, REFUSED
from kms_schema.identifiers import quoted
from kms_schema.validator import DatabaseConnection, Report, ValidationError, validate
from kms_schema.validator.checks.hardening import is_in_force

_UNKNOWN_CHECKPOINT = "no database knows what is kept outside: kms-schema audit seal --publish, and verify --checkpoint"


@dataclass(frozen=True)
class Protection:
    """One thing that protects the trail and the keys."""

    name: str
    in_force: bool | None
    """None where this database cannot say."""
    because: str


@dataclass(frozen=True)
class Protections:
    """What is in force on a database, and what is open."""

    database: str
    all: tuple[Protection, ...]
    open_attacks: tuple[str, ...]
    """By the names of docs/threat-model.md, which says what finds each."""


def protections(connection: DatabaseConnection, schema: str = "public") -> Protections:
    """Ask an idle connection what protects the database behind it.

    Raises `ValidationError` where there is no schema of ours, and what `validate` raises.
    """
    report = validate(connection, schema=schema)
    if report.compared_with is None:
        raise ValidationError("there is nothing of the package here to protect; run: kms-schema upgrade")
    sealed = _sealed(connection, schema)
    on_sqlite = report.engine == "sqlite"
    found = _on_sqlite(report) if on_sqlite else _on_postgresql(report)
    left = LEFT_OPEN if is_in_force(report.findings) else (*REFUSED, *LEFT_OPEN)
    return Protections(report.database, (*found, *_evidence(sealed)), LEFT_OPEN_ON_SQLITE if on_sqlite else left)


def _on_postgresql(report: Report) -> Iterator[Protection]:
    yield _guards(report, ("KMS10", "KMS11", "KMS12", "KMS14", "KMS15", "KMS19", "KMS401", "KMS402"))
    if is_in_force(report.findings):
        yield Protection("event triggers", True, "DDL on these objects is refused, their owner's too")
    else:
        changed = _codes(report, ("KMS442", "KMS443"))
        yield Protection(
            "event triggers", False, _named(changed) or "there are none; kms-schema harden --apply, by a superuser"
        )
    owners = _codes(report, ("KMS411", "KMS412", "KMS419"))
    yield Protection(
        "an owner that nobody can act as", not owners, _named(owners) or "it does not log in, and has no members"
    )
    roles = "policy key_audit_logs.key_audit_logs_add" in report.checked
    wrong = _codes(report, ("KMS20", "KMS302", "KMS303", "KMS438"))
    yield Protection(
        "roles of least privilege, with row-level security", roles and not wrong,
        _named(wrong) or ("as kms-schema roles makes them" if roles else "there are none; kms-schema roles --apply"),
    )  # fmt: skip
    power = _codes(report, ("KMS42",))
    yield Protection(
        "nobody else with an owner's or superuser's power", not power, _named(power) or "as far as the catalog says"
    )


def _on_sqlite(report: Report) -> Iterator[Protection]:
    yield _guards(report, ("KMS10", "KMS11", "KMS12", "KMS14"))
    yield Protection(
        "authorizer on our own connections",
        True,
        "what is in the file cannot act through kms-schema audit and validate",
    )
    yield Protection(
        "event triggers, roles, an owner", False, "SQLite has none: whoever can write the file can do everything"
    )


def _guards(report: Report, prefixes: tuple[str, ...]) -> Protection:
    wrong = _codes(report, prefixes)
    return Protection("guards on the tables", not wrong, _named(wrong) or "as the package made them")


def _evidence(sealed: int | None) -> Iterator[Protection]:
    because = {None: "this role may not read the seals", 0: "there are none; kms-schema audit seal"}
    yield Protection(
        "seals", None if sealed is None else sealed > 0, because.get(sealed, "what verifies is said by audit verify")
    )
    yield Protection("a checkpoint outside", None, _UNKNOWN_CHECKPOINT)


def _sealed(connection: DatabaseConnection, schema: str) -> int | None:
    """Return how many seals there are; None where that may not be asked."""
    table = (
        "main.key_audit_seals" if isinstance(connection, sqlite3.Connection) else f"{quoted(schema)}.key_audit_seals"
    )
    try:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    except sqlite3.Error:
        return None
    except Exception as error:
        # psycopg is imported only where it is used; its errors are told by what they carry.
        if getattr(error, "sqlstate", None) not in {"42501", "42P01"}:
            raise
        return None
    return int(row[0]) if row else None


def _codes(report: Report, prefixes: tuple[str, ...]) -> list[str]:
    return [f"{each.code} {each.object}" for each in report.findings if each.code.startswith(prefixes)]


def _named(codes: Iterable[str]) -> str:
    return "; ".join(codes)
