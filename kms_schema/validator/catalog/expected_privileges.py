"""The privileges that are expected in a database with the roles of `kms-schema roles`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kms_schema.roles.definition import GRANTS, POLICIES, PROTECTED, REMOVAL, Grant, Policy, Role
from kms_schema.text.identifiers import quoted, unquoted
from kms_schema.validator.catalog.attributes import Attributes, Objects, kind_and_name
from kms_schema.validator.catalog.grants import role_and_privileges

_OF_ITS_OWNER = (REMOVAL, Role.REMOVER)


@dataclass(frozen=True)
class AppliedRoles:
    """Group roles in a database: the prefix of their names, and the expected objects without their privileges."""

    prefix: str
    without: Objects


def has_policies(objects: Objects) -> bool:
    """Return whether a policy of the roles command exists. A downgrade keeps the policies of the tables it keeps."""
    return any(f"policy {policy.table}.{policy.name}" in objects for policy in POLICIES)


def prefix_in(objects: Objects) -> str | None:
    """Return the prefix of the group roles in grants and policies of the actual objects; None without such roles."""
    prefixes = Counter(
        role[: -len(known)]
        for role in _grantees(objects)
        for known in Role
        if role.endswith(known) and known is not Role.OWNER
    )
    # Of two prefixes that are as frequent, the shorter one, so that the result is the same for every read.
    return min(prefixes, key=lambda prefix: (-prefixes[prefix], prefix), default=None)


def with_roles(expected: Objects, prefix: str) -> Objects:
    """Return the expected objects with the privileges and policies of the roles command."""
    added = {f"policy {policy.table}.{policy.name}": _policy(policy, prefix) for policy in POLICIES}
    policies = {key: attributes for key, attributes in added.items() if f"table {attributes['table']}" in expected}
    return {key: _granted(key, attributes, prefix) for key, attributes in expected.items()} | policies


def _grantees(objects: Objects) -> Iterator[str]:
    for attributes in objects.values():
        for line in attributes.get("grants", ()):
            yield unquoted(role_and_privileges(line)[0])
        if attributes.get("permissive"):  # a policy
            yield from map(unquoted, attributes["roles"])


def _policy(policy: Policy, prefix: str) -> Attributes:
    attributes: Attributes = {
        "table": policy.table,
        "command": policy.command,
        "permissive": True,
        "roles": sorted(quoted(prefix + role) for role in policy.roles),
        "needs": [f"table {policy.table}"],
    }
    conditions = {"using": policy.using, "check": policy.check}
    return attributes | {name: condition for name, condition in conditions.items() if condition is not None}


def _granted(key: str, attributes: Mapping[str, Any], prefix: str) -> Attributes:
    kind, name = kind_and_name(key)
    changed = dict(attributes)
    if kind == "table" and name in PROTECTED:
        changed["row_security"] = True
    if kind == "function" or kind.endswith(("table", "view")):
        # The owner's own privilege is not granted.
        lines = _lines([each for each in GRANTS if each.on == name and (name, each.role) != _OF_ITS_OWNER], prefix)
        if lines or kind == "function":
            changed["grants"] = ["- PUBLIC: EXECUTE", *lines] if kind == "function" else lines
    if key == f"function {REMOVAL}":
        changed["owner"] = prefix + Role.REMOVER
    return changed


def _lines(grants: list[Grant], prefix: str) -> list[str]:
    """Return privileges as `catalog.grants` writes them: those on the whole first, then those of each column."""
    whole: dict[str, set[str]] = {}
    columns: set[tuple[str, str, str]] = set()
    for grant in grants:
        role = quoted(prefix + grant.role)
        if grant.columns:
            columns |= {(column, role, privilege) for column in grant.columns for privilege in grant.privileges}
        else:
            whole.setdefault(role, set()).update(grant.privileges)
    return [
        *(f"+ {role}: {', '.join(sorted(privileges))}" for role, privileges in sorted(whole.items())),
        *(f"+ {role}: {privilege} ({quoted(column)})" for column, role, privilege in sorted(columns)),
    ]
