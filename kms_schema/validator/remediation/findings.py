"""Findings of the differences between the expected and the actual catalog, with their impact and remediation."""

from collections.abc import Iterator, Sequence
from typing import Any

from kms_schema.validator.catalog.attributes import Catalog, Objects, kind_and_name, own_name
from kms_schema.validator.catalog.expected_privileges import AppliedRoles
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.diff.findings import AT_DEFAULT, SELF_EXPLAINING, Finding, codes_of, finding_of, worded
from kms_schema.validator.diff.impact import impact_of
from kms_schema.validator.diff.incomplete_roles import incomplete, lacking
from kms_schema.validator.remediation.order import in_order_of_fixes
from kms_schema.validator.remediation.statements import Remediator


def difference_findings(
    catalog: Catalog, expected: Objects, differences: Sequence[Difference], roles: AppliedRoles | None = None
) -> Iterator[Finding]:
    """Yield a finding for each code of each difference; one for all objects that lack the privileges of the roles."""
    remediator = Remediator(catalog.engine, catalog.schema, expected, catalog.objects)
    together = lacking(roles, differences) if roles else []
    if roles:
        yield from incomplete(roles, together, catalog.schema)
    for difference in in_order_of_fixes(differences, expected, catalog.objects):
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
