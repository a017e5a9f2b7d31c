"""An inventory as a cryptography bill of materials of CycloneDX 1.6 or 1.7, in JSON.

The document is written component by component. `cyclonedx-python-lib` keeps a whole document in memory and sorts it;
The page "inventory" of the documentation has the times. The tests validate what is written here with the schemas of
that library.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kms_schema._version import __version__
from kms_schema.inventory.document import NOT_PROVABLE, Described, Inventory, wrapping
from kms_schema.inventory.json_format import checkpoint
from kms_schema.inventory.output import Output, dumps
from kms_schema.inventory.rows import Head, Hsm, Key
from kms_schema.inventory.strengths import Algorithm
from kms_schema.vocabulary import KeyType

VERSIONS = ("1.6", "1.7")
_IN_MEMORY = 8 * 2**20
"""Bytes of dependencies, beyond which they go to a temporary file until the components are written."""
_DERIVATION = "algorithm:HMAC-SHA-256:256"
_FAMILIES = {
    "AES": "AES", "XAES": "AES", "HMAC": "HMAC", "SHA-256": "SHA-2", "SHA-384": "SHA-2", "SHA-512": "SHA-2",
    "ECDSA": "ECDSA", "ECDH": "ECDH", "ED25519": "EdDSA", "ED448": "EdDSA", "3DES": "3DES", "CHACHA20": "ChaCha20",
}  # fmt: skip
"""Beginnings of names, with the families that 1.7 defines."""


def write(inventory: Inventory, output: Output, specification: str) -> None:
    """Write the inventory in a version of the specification, `1.6` or `1.7`. Raises what reading and writing raise."""
    head = inventory.head
    schema = f"http://cyclonedx.org/schema/bom-{specification}.schema.json"
    opening = {"$schema": schema, "bomFormat": "CycloneDX", "specVersion": specification, "version": 1}
    output.write(f'{dumps(opening)[:-1]},\n"metadata":{{"timestamp":')
    output.write(dumps(head.generated_at), is_content=False)
    output.write(f',{dumps(_metadata(head))[1:]},\n"components":[')
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as dependencies:
        components = _Components(inventory, specification, lambda each: dependencies.write(f"{dumps(each)}\n".encode()))
        output.write_items(components.all())
        output.write('],\n"dependencies":[')
        dependencies.seek(0)
        output.write_lines(line.decode().rstrip("\n") for line in dependencies)
    output.write(f'],\n"properties":{dumps(_properties(inventory.totals))}')
    output.write(f',\n"serialNumber":{dumps(output.serial_number())}}}\n', is_content=False)


def _metadata(head: Head) -> dict[str, Any]:
    said: dict[str, object] = {"names": "given" if head.names else "left out", "not-provable-offline": NOT_PROVABLE}
    said["recorded"] = (
        "an entry DOCUMENT_WRITTEN of the audit log has the SHA-256 of this file" if head.recorded else "no entry"
    )
    said.update({f"checkpoint:{name}": value for name, value in (checkpoint(head) or {"origin": "none"}).items()})
    return {
        "lifecycles": [{"phase": "operations"}],
        "tools": {"components": [{"type": "application", "name": "kms-schema", "version": __version__}]},
        "component": {"type": "application", "bom-ref": "database", "name": "key-management database"},
        "properties": _properties(said),
    }


@dataclass(frozen=True)
class _Components:
    """The components of a document."""

    inventory: Inventory
    specification: str
    depend: Callable[[Mapping[str, Any]], object]
    """Takes the dependencies of each component, as it is yielded."""

    def all(self) -> Iterator[Mapping[str, Any]]:
        """Yield the HSMs, root keys, keys and algorithms."""
        for hsm in self.inventory.hsms:
            under = [] if hsm.wrapping_key_ref is None else [self._root_ref(hsm.wrapping_key_ref)]
            self.depend({"ref": _hsm_ref(hsm), "dependsOn": under})
            yield self._hsm(hsm)
        for reference in self.inventory.roots:
            self.depend({"ref": self._root_ref(reference)})
            yield self._root(reference)
        for key, algorithm, versions in self.inventory.read_keys():
            shared = self._of_key(key, algorithm)
            if not versions:
                self.depend({"ref": f"key:{key.id}"})
                yield self._key_without_versions(key, algorithm, shared)
            for each in versions:
                self.depend({"ref": f"version:{each.version.id}", "dependsOn": self._above(each)})
                yield self._version(key, algorithm, each, shared)
        for algorithm, uses in self.inventory.algorithms():
            yield self._algorithm(algorithm, uses)

    def _above(self, described: Described) -> list[str]:
        """Return what a version depends on; a destroyed one depends on nothing."""
        version = described.version
        above: list[str] = []
        if version.destroyed_at is None:
            if version.wrapped_by is not None:
                above.append(f"version:{version.wrapped_by}")
            if version.wrapping_key_ref is not None:
                above.append(self._root_ref(version.wrapping_key_ref))
            if described.hsm is not None:
                above.append(_hsm_ref(described.hsm))
        return above

    def _root_ref(self, reference: str) -> str:
        return f"root:{self.inventory.root_name(reference)}"

    def _hsm(self, hsm: Hsm) -> dict[str, Any]:
        return {
            "type": "device",
            "bom-ref": _hsm_ref(hsm),
            "name": self.inventory.hsm_name(hsm),
            "properties": _properties(
                {
                    "provider": hsm.provider,
                    "location": hsm.endpoint_url if self.inventory.head.names else None,
                    "active": str(hsm.is_active).lower(),
                    "health": hsm.health_status,
                    "last-health-check": hsm.last_health_check,
                    "dual-authentication": str(hsm.require_dual_auth).lower(),
                }
            ),
        }

    def _root(self, reference: str) -> dict[str, Any]:
        material = {"type": "secret-key", **self._of_algorithm(_DERIVATION), "size": 256}
        return {
            **_asset(self._root_ref(reference), self.inventory.root_name(reference), material),
            "properties": _properties({"custody": "outside of the database", "strength-bits": 256}),
        }

    def _key_without_versions(self, key: Key, algorithm: Algorithm, shared: list[dict[str, str]]) -> dict[str, Any]:
        material = _drop_none(
            {
                "type": _material_type(key, algorithm),
                "id": key.id,
                **self._of_algorithm(algorithm.ref),
                "creationDate": key.created_at,
                "activationDate": key.activated_at,
                "expirationDate": key.expires_at,
                "size": key.key_size_bits,
            }
        )
        custody = _properties({"custody": "none: the key has no version"})
        return {**_asset(f"key:{key.id}", self._name(key), material), "properties": [*shared, *custody]}

    def _version(
        self, key: Key, algorithm: Algorithm, described: Described, shared: list[dict[str, str]]
    ) -> dict[str, Any]:
        version, chain = described.version, described.chain
        material = _drop_none(
            {
                "type": _material_type(key, algorithm),
                "id": version.id,
                "state": described.state,
                **self._of_algorithm(algorithm.ref),
                "creationDate": version.created_at,
                "activationDate": version.activated_at,
                "expirationDate": key.expires_at,
                "size": key.key_size_bits,
                "securedBy": _secured_by(described),
            }
        )
        of_version = {
            "custody": described.custody,
            "hsm": self.inventory.holder(described),
            "wrapped-by": self.inventory.wrapper_name(version),
            "root-key": None if chain.root is None else self.inventory.root_name(chain.root),
            "chain-strength-bits": described.chain_strength_bits,
            "usage-count": version.usage_count,
            "data-volume-bytes": version.data_volume_bytes,
            "deactivated-at": version.deactivated_at,
            "destroyed-at": version.destroyed_at,
        }
        return {
            **_asset(f"version:{version.id}", self._name(key), material),
            "version": str(version.number),
            "properties": [*shared, *_properties(of_version)],
        }

    def _name(self, key: Key) -> str:
        return key.key_id if self.inventory.head.names else key.id

    def _of_key(self, key: Key, algorithm: Algorithm) -> list[dict[str, str]]:
        names = self.inventory.head.names
        said = {
            "key-type": key.key_type,
            "key-status": key.status,
            "status-reason": key.status_reason if names else None,
            "strength-bits": algorithm.strength_bits,
            "security-level": key.security_level,
            "max-usage-count": key.max_usage_count,
            "hsm-provider": key.hsm_provider,
        }
        columns = key.columns if names else []
        return [*_properties(said), *({"name": "kms-schema:encrypted-column", "value": each} for each in columns)]

    def _of_algorithm(self, reference: str) -> dict[str, Any]:
        """Return the algorithm of material: 1.7 deprecates `algorithmRef`."""
        if self.specification == "1.6":
            return {"algorithmRef": reference}
        return {"relatedCryptographicAssets": [{"type": "algorithm", "ref": reference}]}

    def _algorithm(self, algorithm: Algorithm, uses: Mapping[str, int]) -> dict[str, Any]:
        is_newer = self.specification != "1.6"
        wraps = algorithm.primitive == "block-cipher" and algorithm.mode == "other"
        described = _drop_none(
            {
                "primitive": "key-wrap" if is_newer and wraps else algorithm.primitive,
                "algorithmFamily": _family(algorithm.name) if is_newer else None,
                "parameterSetIdentifier": str(algorithm.size_bits),
                "mode": algorithm.mode,
                "cryptoFunctions": list(algorithm.functions),
                "classicalSecurityLevel": algorithm.strength_bits,
                "nistQuantumSecurityLevel": algorithm.quantum_category,
            }
        )
        return {
            "type": "cryptographic-asset",
            "bom-ref": algorithm.ref,
            "name": algorithm.name,
            "cryptoProperties": {"assetType": "algorithm", "algorithmProperties": described},
            "properties": _properties({f"use:{purpose}": count for purpose, count in uses.items()}),
        }


def _secured_by(described: Described) -> dict[str, str] | None:
    if described.custody == "hsm":
        return {"mechanism": "HSM"}
    if described.custody == "software":
        return {"mechanism": "Software", "algorithmRef": wrapping(described.version).ref}
    return None


def _family(name: str) -> str | None:
    """Return the family of an algorithm in the terms of 1.7; None for one that belongs to several, as RSA does."""
    return next((family for start, family in _FAMILIES.items() if name.upper().startswith(start)), None)


def _hsm_ref(hsm: Hsm) -> str:
    return f"hsm:{hsm.id}"


def _asset(reference: str, name: str, material: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"assetType": "related-crypto-material", "relatedCryptoMaterialProperties": material}
    return {"type": "cryptographic-asset", "bom-ref": reference, "name": name, "cryptoProperties": properties}


def _material_type(key: Key, algorithm: Algorithm) -> str:
    return "private-key" if key.key_type == KeyType.TLS or algorithm.is_asymmetric else "secret-key"


def _properties(values: Mapping[str, object]) -> list[dict[str, str]]:
    return [{"name": f"kms-schema:{name}", "value": str(value)} for name, value in values.items() if value is not None]


def _drop_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
