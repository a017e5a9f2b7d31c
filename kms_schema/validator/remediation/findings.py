"""Findings of the differences between the expected and the actual catalog, with their impact and remediation."""

from collections.abc import Iterable, Iterator
from typing import Any

from kms_schema.validator.catalog.attributes import Catalog, Objects, kind_and_name, own_name
from kms_schema.validator.diff.compare import Difference, Kind
from kms_schema.validator.diff.findings import AT_DEFAULT, SELF_EXPLAINING, Finding, codes_of, finding_of, worded
from kms_schema.validator.diff.impact import meaning_of
from kms_schema.validator.remediation.statements import Mender


def difference_findings(catalog: Catalog, expected: Objects, differences: Iterable[Difference]) -> Iterator[Finding]:
    """Yield a finding for each code of each difference."""
    mender = Mender(catalog.engine, catalog.schema, expected, catalog.objects)
    for difference in differences:
        yield from _findings(difference, expected, catalog.objects, mender)


def _findings(difference: Difference, expected: Objects, actual: Objects, mender: Mender) -> Iterator[Finding]:
    facts_of_object = expected.get(difference.key) or actual.get(difference.key) or {}
    for position, (code, facts) in enumerate(codes_of(difference).items()):
        should, does = _both_sides(difference, facts, facts_of_object)
        yield finding_of(
            code,
            difference.key,
            should,
            does,
            meaning=meaning_of(difference, code, facts, facts_of_object.get("table")),
            mend=mender.mend(difference, code, facts),
            also=difference.also if position == 0 else (),
        )


def _both_sides(
    difference: Difference, facts: dict[str, tuple[Any, Any]], of_object: dict[str, Any]
) -> tuple[str, str]:
    kind, _ = kind_and_name(difference.key)
    described = worded(of_object.get("definition") or of_object.get("type") or kind).replace(
        "{name}", own_name(difference.key), 1
    )
    if difference.kind is Kind.MISSING:
        return described, "missing"
    if difference.kind is Kind.UNEXPECTED:
        return f"no such {kind}", described
    if len(facts) == 1 and facts.keys() <= SELF_EXPLAINING:
        ((name, sides),) = facts.items()
        should, does = (worded(AT_DEFAULT.get(name) if side is None else side) for side in sides)
        return should, does
    should, does = (
        "\n".join(f"{fact.replace('_', ' ')}: {worded(pair[side])}" for fact, pair in facts.items()) for side in (0, 1)
    )
    return should, does
