"""Findings of the differences between the expected and the actual catalog, with their impact and remediation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import RELATION_KINDS, Catalog, Names, Objects, kind_and_name, own_name
from kms_schema.validator.catalog.expected_privileges import AppliedRoles
from kms_schema.validator.catalog.grants import role_and_privileges
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.diff.findings import (
    AT_DEFAULT,
    SELF_EXPLAINING,
    Finding,
    codes_of,
    finding_of,
    manual_action,
    worded,
)
from kms_schema.validator.diff.incomplete_roles import incomplete, lacking
from kms_schema.validator.remediation.order import in_order_of_fixes
from kms_schema.validator.remediation.statements import Remediator
from kms_schema.validator.rules import OF_OBJECTS, RULES

if TYPE_CHECKING:
    from kms_schema.validator.catalog.postgresql_reader import PostgresqlReader
    from kms_schema.validator.catalog.sqlite_reader import SqliteReader


def _is_unexpected_column(difference: Difference) -> bool:
    return difference.kind is Kind.UNEXPECTED and difference.key.startswith("column ")


def difference_findings(
    catalog: Catalog, expected: Objects, differences: Sequence[Difference], roles: AppliedRoles | None = None
) -> Iterator[Finding]:
    """Yield a finding for each code of each difference; one for all objects that lack the privileges of the roles."""
    remediator = Remediator(catalog.engine, catalog.schema, expected, catalog.objects, differences)
    together = lacking(roles, differences) if roles else []
    if roles:
        yield from incomplete(roles, together, catalog.schema)
    ordered = in_order_of_fixes(differences, expected, catalog.objects)
    # A table of SQLite that is rebuilt keeps its unexpected columns: they are dropped at the end.
    for difference in sorted(ordered, key=_is_unexpected_column) if catalog.engine == "sqlite" else ordered:
        if difference not in together:
            yield from _findings(difference, expected, catalog.objects, remediator)


def _findings(difference: Difference, expected: Objects, actual: Objects, remediator: Remediator) -> Iterator[Finding]:
    of_object = expected.get(difference.key) or actual.get(difference.key) or {}
    for position, (code, attributes) in enumerate(codes_of(difference).items()):
        should, does = _both_sides(difference, attributes, of_object)
        yield finding_of(
            code,
            difference.key,
            should,
            does,
            impact=impact_of(difference, code, attributes, of_object.get("table")),
            remediation=remediator.remediation(difference, code, attributes),
            also=difference.also if position == 0 else (),
        )


def _both_sides(
    difference: Difference, attributes: dict[str, tuple[Any, Any]], of_object: dict[str, Any]
) -> tuple[str, str]:
    kind, _ = kind_and_name(difference.key)
    described = worded(of_object.get("definition") or of_object.get("type") or kind).replace(
        "{name}", own_name(difference.key), 1
    )
    if difference.kind is Kind.MISSING:
        return described, "missing"
    if difference.kind is Kind.UNEXPECTED:
        return f"no such {kind}", described
    if len(attributes) == 1 and attributes.keys() <= SELF_EXPLAINING:
        ((name, sides),) = attributes.items()
        should, does = (worded(AT_DEFAULT.get(name) if side is None else side) for side in sides)
        return should, does
    should, does = (
        "\n".join(f"{attribute.replace('_', ' ')}: {worded(pair[side])}" for attribute, pair in attributes.items())
        for side in (0, 1)
    )
    return should, does


AUDIT_TABLE = "key_audit_logs"
_REWRITING = frozenset({"UPDATE", "DELETE", "TRUNCATE", "TRIGGER"})


def impact_of(difference: Difference, code: str, attributes: Mapping[str, tuple[Any, Any]], table: str | None) -> str:
    """Return the impact of `attributes`, the share of the difference that `code` names.

    `table` is the table of the object, if it has one.
    """
    kind, name = kind_and_name(difference.key)
    of_audit_log = AUDIT_TABLE in {table, name}
    special = _SPECIAL.get(code)
    if special is not None:
        return special(kind, name, attributes)
    text = RULES[code].impact
    if RULES[code].attributes:
        return text
    if difference.kind is Kind.CHANGED:
        text = _changed(attributes) or text
    return f"{text} (of the audit log)" if of_audit_log and kind in {"trigger", "rule"} else text


def _changed(attributes: Mapping[str, tuple[Any, Any]]) -> str | None:
    if "settings" in attributes:
        return (
            "names in it can resolve to another schema: a role that may create objects there can have it call its own"
        )
    if "security_definer" in attributes:
        run_as = "its owner's" if attributes["security_definer"][1] else "the caller's"
        return f"it now runs with {run_as} privileges"
    return None


def _of_grants(_kind: str, name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    """Return what each role gained and lost, the most severe first."""
    expected, actual = (frozenset(lines or ()) for lines in attributes["grants"])
    sentences: list[str] = []
    for line in sorted(actual - expected) + sorted(expected - actual):
        gained = (line[0] == "+") == (line in actual)
        role, privileges = role_and_privileges(line)
        who = "everyone" if role == "PUBLIC" else f"role {role}"
        words = {word.partition(" ")[0] for word in privileges.split(", ")}
        if gained and name == AUDIT_TABLE and words & _REWRITING:
            sentences.insert(0, f"{who} can now try to rewrite audit rows ({privileges})")
        else:
            sentences.append(f"{who} {'can now' if gained else 'can no longer'} {privileges} on {name}")
    return "; ".join(sentences)


def _of_trigger_state(_kind: str, _name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    expected, actual = attributes["enabled"]
    if actual == "DISABLED":
        return "the trigger does not fire: nothing enforces this rule"
    if expected == "ALWAYS":
        return "session_replication_role = replica now disables the trigger"
    return f"the trigger fires in other sessions than expected ({actual})"


def _of_owner(_kind: str, name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    return f"role {attributes['owner'][1]} can now alter or drop {name} and disable its protections"


def _of_row_security(_kind: str, _name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    if attributes.get("row_security", (None, None))[1] is False:
        return "policies no longer apply: every role with SELECT reads every row"
    return "policies now apply: rows can be hidden from the application or from a dump"


def _of_persistence(_kind: str, _name: str, attributes: Mapping[str, tuple[Any, Any]]) -> str:
    if attributes["persistence"][1] == "unlogged":
        return "a crash of the server empties it, and no standby or backup by log shipping has its rows"
    return "it is stored differently than expected"


_SPECIAL = {
    "KMS145": _of_trigger_state,
    "KMS301": _of_owner,
    "KMS302": _of_grants,
    "KMS303": _of_row_security,
    "KMS304": _of_persistence,
    "KMS306": lambda *_: "it is stored in another location: other backups have it, and it is lost with that location",
    "KMS307": lambda *_: "dropping the extension drops it, and a dump does not contain a member",
}


def with_obstacles(
    reader: "PostgresqlReader | SqliteReader", names: Names, findings: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield the findings; one whose fix would be refused says which object of the host has its name, or reads it."""
    missing = {
        OF_OBJECTS[kind, Kind.MISSING] for kind in ("constraint", "index", "trigger", "sequence", *RELATION_KINDS)
    }
    fixes = [each for each in findings if each.code in missing and each.remediation]
    unmanaged = reader.unmanaged_objects(names) if fixes else ()
    taken = {kind_and_name(key)[1]: key for key in unmanaged if not key.startswith("function ")}
    views = reader.views_of_host() if any(_replaces(each) for each in findings) else ()
    for each in findings:
        other = taken.get(own_name(each.object)) if each in fixes else None
        reading = next((view for of, column, view in views if _replaces(each, reader.schema, of, column)), None)
        if other is not None and _share_names(reader.engine, each.object, other):
            manual = manual_action(f"{other} has this name: rename it, and validate again")
        elif reading is not None:
            manual = manual_action(f"{reading} reads it: drop that, validate again, and create it at the end")
        else:
            yield each
            continue
        yield replace(each, remediation=manual)


def _share_names(engine: str, key: str, other: str) -> bool:
    """Return whether two objects cannot have one name; triggers share theirs on SQLite, with each other alone."""
    if key.startswith("trigger ") or other.startswith("trigger "):
        return engine == "sqlite" and key.startswith("trigger ") and other.startswith("trigger ")
    of_index = not key.startswith("constraint ") or key.partition(".")[2].startswith(("pk_", "uq_"))
    return of_index and (engine == "postgresql" or not key.startswith("constraint "))


def _replaces(finding: Finding, schema: str = "", relation: str = "", column: str | None = None) -> bool:
    """Return whether a fix drops a view, or drops or retypes a column, which is refused while a view reads it."""
    fix = finding.remediation or ""
    if not relation:
        return " VIEW " in fix or " COLUMN " in fix
    name = f"{quoted(schema)}.{quoted(relation)}"
    if f"DROP VIEW {name};" in fix or f"DROP MATERIALIZED VIEW {name};" in fix:
        return True
    alter = f"ALTER TABLE {name}"
    return column is not None and (
        f"{alter} DROP COLUMN {quoted(column)};" in fix or f"{alter} ALTER COLUMN {quoted(column)} TYPE " in fix
    )
