"""The SQL of the attributes that have a code of their own."""

from collections.abc import Callable, Mapping

from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import ROUTINE_KINDS, TYPE_KINDS
from kms_schema.validator.catalog.grants import grants_and_revokes
from kms_schema.validator.remediation.altering import TRIGGER_STATES, sequence_words
from kms_schema.validator.remediation.target import Changes, Target

FOREIGN_KEY_NOT_ENFORCED = "KMS126"
"""A foreign key is created again, with what needs it."""


def validate_constraint(target: Target, changes: Changes) -> str | None:
    """Fix a constraint that is NOT VALID; None for a valid one that need not be."""
    if not changes["validated"][0]:
        return None
    return f"ALTER TABLE {target.table} VALIDATE CONSTRAINT {target.last};"


def enable_trigger(target: Target, changes: Changes) -> str:
    """Fix the enablement of a trigger."""
    return f"ALTER TABLE {target.table} {TRIGGER_STATES[changes['enabled'][0]]} TRIGGER {target.last};"


def rebuild_index(target: Target, _changes: Changes) -> str:
    """Fix an index that is not valid."""
    return f"REINDEX INDEX CONCURRENTLY {target.qualified};"


def populate(target: Target, _changes: Changes) -> str:
    """Fix a materialized view that is not populated."""
    return f"REFRESH MATERIALIZED VIEW {target.qualified};"


def set_owner(target: Target, changes: Changes) -> str:
    """Fix an owner; a sequence has the owner of its table."""
    change = f"{target.alter} OWNER TO {quoted(changes['owner'][0])};"
    if target.kind == "sequence" and "owned_by" in target.expected:
        again = sequence_words(target.schema, target.expected).partition(" OWNED BY ")[2]
        return f"{target.alter} OWNED BY NONE; {change} {target.alter} OWNED BY {again};"
    return change


def set_logged(target: Target, changes: Changes) -> str | None:
    """Return the SQL that makes an unlogged relation permanent again; None for another change."""
    return f"{target.alter} SET LOGGED;" if changes["persistence"][0] == "permanent" else None


def set_row_security(target: Target, changes: Changes) -> str:
    """Fix the enablement of row-level security."""
    choices = {"row_security": ("DISABLE", "ENABLE"), "row_security_forced": ("NO FORCE", "FORCE")}
    words = [choice[bool(changes[name][0])] for name, choice in choices.items() if name in changes]
    return f"{target.alter} " + ", ".join(f"{word} ROW LEVEL SECURITY" for word in words) + ";"


def set_grants(target: Target, changes: Changes) -> str:
    """Return the SQL that grants and revokes privileges, as expected."""
    on_kind = target.kind in {*ROUTINE_KINDS, *TYPE_KINDS, "sequence"}
    if target.kind == "aggregate":  # GRANT calls it a function, and * is none of its arguments
        return grants_and_revokes(f"FUNCTION {target.named.partition(' ')[2].replace('(*)', '()')}", *changes["grants"])
    return grants_and_revokes(target.named if on_kind else target.qualified, *changes["grants"])


BY_CODE: Mapping[str, Callable[[Target, Changes], str | None]] = {
    "KMS125": validate_constraint,
    "KMS135": rebuild_index,
    "KMS145": enable_trigger,
    "KMS175": populate,
    "KMS301": set_owner,
    "KMS302": set_grants,
    "KMS303": set_row_security,
    "KMS304": set_logged,
}
"""The function that fixes the attributes of each code."""
