"""Roles that are applied to a part of the objects: one finding, whose remediation is `kms-schema roles --apply`.

A downgrade drops tables, and the next upgrade creates them without the privileges of the group roles. A restore without
owners leaves the function of the remover with another owner. To revoke the other privileges would be the wrong fix.
"""

from collections.abc import Iterable, Iterator

from kms_schema.roles.definition import REMOVAL, Role
from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.catalog.expected_privileges import AppliedRoles
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.diff.findings import Finding, finding_of, manual_action
from kms_schema.validator.rules import RULES

_CODE = "KMS310"


def lacking(roles: AppliedRoles, differences: Iterable[Difference]) -> list[Difference]:
    """Return the differences of objects without the privileges of the roles, where there are several.

    One table or function without them is a difference of that object alone.
    """
    found = [each for each in differences if _lacks(each, roles.without)]
    several = sum(not each.key.startswith("policy ") for each in found) > 1
    return found if several or any(_is_removal(each) for each in found) else []


def _lacks(difference: Difference, without: Objects) -> bool:
    """Return whether an object has the privileges that it has without roles, and no other difference."""
    if difference.kind is Kind.MISSING:
        return difference.key not in without  # a policy
    unapplied = without.get(difference.key, {})
    same = {name for name, (_, does) in difference.attributes.items() if does == unapplied.get(name)}
    if _is_removal(difference):
        return "owner" in same and difference.attributes.keys() <= {"owner", "grants"}
    return difference.kind is Kind.CHANGED and "grants" in same and same == difference.attributes.keys()


def _is_removal(difference: Difference) -> bool:
    return difference.key == f"function {REMOVAL}" and "owner" in difference.attributes


def incomplete(roles: AppliedRoles, differences: Iterable[Difference], schema: str) -> Iterator[Finding]:
    """Yield one finding about the objects that lack the privileges of the roles."""
    keys = sorted({key for each in differences for key in (each.key, *each.also)})
    if not keys:
        return
    options = f" --prefix {roles.prefix}" * bool(roles.prefix) + f" --schema {schema}" * (schema != "public")
    yield finding_of(
        _CODE,
        f"roles {roles.prefix}{Role.APP} and others",
        "the owner, privileges and policies of kms-schema roles on each object",
        f"missing on {len(keys)} of them",
        remediation=manual_action(f"{RULES[_CODE].help}{options}"),
        also=tuple(keys),
    )
