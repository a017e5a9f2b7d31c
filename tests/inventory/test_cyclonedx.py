"""Bills of materials: valid by the schemas of CycloneDX, and each reference leads to a component."""

import re
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from kms_schema.inventory import Form
from support.engines import Database
from tests.inventory.keys_of_each_kind import ROOT
from tests.inventory.written import write, write_json

SCHEMAS: dict[Form, SchemaVersion] = {"cyclonedx-1.6": SchemaVersion.V1_6, "cyclonedx-1.7": SchemaVersion.V1_7}
each_version = pytest.mark.parametrize("form", SCHEMAS)


def components(document: Any) -> dict[str, Any]:
    found = {each["bom-ref"]: each for each in document["components"]}
    assert len(found) == len(document["components"])
    return found


@each_version
@pytest.mark.parametrize("names", [True, False])
def test_a_document_is_valid_by_the_schema(stocked: Database, form: Form, names: bool) -> None:
    text, _ = write(stocked, form, names=names)
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415  (it takes more than a second)

    validator = JsonStrictValidator(SCHEMAS[form])
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"pre-activation"', '"asleep"')) is not None


@each_version
def test_every_reference_leads_to_a_component(stocked: Database, form: Form) -> None:
    text, _ = write(stocked, form)
    document = write_json(stocked, form)
    known = components(document)
    graph = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert set(graph) == {ref for ref in known if not ref.startswith("algorithm:")}
    assert {above for every in graph.values() for above in every} <= set(known)
    assert set(re.findall(r'"(?:algorithmRef|ref)":"(algorithm:[^"]+)"', text)) <= set(known)
    assert ('"algorithmRef":"algorithm:AES-256-GCM:256","creationDate"' in text) is (form == "cyclonedx-1.6")


def test_the_graph_leads_from_a_version_to_its_root_key(stocked: Database) -> None:
    document = write_json(stocked, "cyclonedx-1.6")
    known = components(document)
    graph = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    (ref,) = [ref for ref, each in known.items() if (each["name"], each.get("version")) == ("orders", "3")]
    path = [ref]
    while graph[path[-1]]:
        (above,) = graph[path[-1]]
        path.append(above)
    assert [known[ref]["name"] for ref in path] == ["orders", "kek-lower", "kek-upper", ROOT]
    (destroyed,) = [ref for ref, each in known.items() if (each["name"], each.get("version")) == ("orders", "1")]
    assert graph[destroyed] == []
    (held,) = [ref for ref, each in known.items() if each["name"] == "cards"]
    (hsm,) = graph[held]
    assert (known[hsm]["type"], known[hsm]["name"], graph[hsm]) == ("device", "vault-3", [f"root:{ROOT}"])


def test_a_version_has_its_times_state_and_custody(stocked: Database) -> None:
    found = components(write_json(stocked, "cyclonedx-1.6")).values()
    (cards,) = [each for each in found if each["name"] == "cards"]
    material = cards["cryptoProperties"]["relatedCryptoMaterialProperties"]
    assert (material["type"], material["state"], material["size"]) == ("secret-key", "active", 256)
    assert material["securedBy"] == {"mechanism": "HSM"}
    assert {"creationDate", "activationDate"} <= set(material)
    (tls,) = [each for each in found if each["name"] == "=1+2"]
    assert tls["cryptoProperties"]["relatedCryptoMaterialProperties"]["type"] == "private-key"
    (empty,) = [each for each in found if each["name"] == "empty"]
    assert "state" not in empty["cryptoProperties"]["relatedCryptoMaterialProperties"]


def test_the_metadata_name_the_checkpoint_and_the_entry(stocked: Database) -> None:
    document = write_json(stocked, "cyclonedx-1.7")
    said = {each["name"]: each["value"] for each in document["metadata"]["properties"]}
    assert {"kms-schema:checkpoint:origin", "kms-schema:checkpoint:tree_size", "kms-schema:checkpoint:root"} <= set(
        said
    )
    assert said["kms-schema:recorded"] == "no entry"
    assert "compliant" not in write(stocked, "cyclonedx-1.7")[0]
