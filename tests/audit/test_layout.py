"""The parts of `kms_schema.audit` stand in an order, and none imports from a part that comes after it."""

import pytest

from support.import_graph import all_imports

ORDER = ("standalone", "formats", "storage", "sealing", "proofs", "retention", "verification")
ENGINES = {"postgresql", "sqlite"}


def part_of(module: str) -> str:
    """Return the part of a module of the package, the empty text for any other module."""
    names = module.split(".")
    return names[2] if names[:2] == ["kms_schema", "audit"] and len(names) > 2 else ""


@pytest.mark.parametrize("part", ORDER)
def test_a_part_imports_only_from_those_before_it(part: str) -> None:
    found = {each.target for each in all_imports() if part_of(each.module) == part and part_of(each.target) in ORDER}
    assert [name for name in sorted(found) if ORDER.index(part_of(name)) > ORDER.index(part)] == []


def test_the_standalone_program_imports_nothing_of_the_package() -> None:
    found = {each.target for each in all_imports() if part_of(each.module) == "standalone"}
    assert [name for name in found if name.startswith("kms_schema")] == []


def test_only_the_gate_of_storage_imports_an_engine() -> None:
    """The parts above storage know protocols, and not which database is behind them."""
    found = {
        each.module
        for each in all_imports()
        if each.target.startswith(tuple(f"kms_schema.audit.storage.{engine}." for engine in ENGINES))
        and each.module.split(".")[3:4] not in ([engine] for engine in ENGINES)
    }
    assert found == {"kms_schema.audit.storage.open"}
