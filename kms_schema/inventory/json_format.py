"""An inventory as JSON: each key with its versions, a line for each key."""

import json
from collections.abc import Mapping
from typing import Any

from kms_schema._version import __version__
from kms_schema.audit.formats.texts import to_base64
from kms_schema.inventory.document import NOT_PROVABLE, Described, Inventory
from kms_schema.inventory.output import Output, dumps
from kms_schema.inventory.rows import Head, Hsm, Key
from kms_schema.inventory.strengths import Algorithm

FORMAT = "kms-schema-inventory/v1"


def write(inventory: Inventory, output: Output) -> None:
    """Write the inventory. Raises what reading and writing raise."""
    head = inventory.head
    output.write(f'{{"format":{dumps(FORMAT)},"generator":{dumps(f"kms-schema {__version__}")},\n"generated_at":')
    output.write(dumps(head.generated_at), is_content=False)
    opening = {
        "checkpoint": checkpoint(head),
        "names": head.names,
        "recorded": head.recorded,
        "not_provable_offline": NOT_PROVABLE,
    }
    output.write(f',\n{dumps(opening)[1:-1]},\n"hsms":[')
    output.write_items(_hsm(inventory, hsm) for hsm in inventory.hsms)
    output.write('],\n"keys":[')
    output.write_items(_key(inventory, *each) for each in inventory.read_keys())
    output.write('],\n"root_keys":[')
    output.write_items(
        {"name": inventory.root_name(reference), "versions": inventory.under_roots[reference]}
        for reference in inventory.roots
    )
    output.write('],\n"algorithms":[')
    output.write_items({**_algorithm(each), "uses": counts} for each, counts in inventory.algorithms())
    output.write(f'],\n"totals":{dumps(dict(sorted(inventory.totals.items())))}')
    output.write(f',\n"serial_number":{dumps(output.serial_number())}}}\n', is_content=False)


def checkpoint(head: Head) -> dict[str, Any] | None:
    """Return the checkpoint of a document for JSON."""
    if head.checkpoint is None:
        return None
    return {
        "origin": head.checkpoint.origin,
        "tree_size": head.checkpoint.size,
        "root": to_base64(head.checkpoint.root),
        "seal": head.seal_number,
        "sealed_at": head.sealed_at,
    }


def _hsm(inventory: Inventory, hsm: Hsm) -> Mapping[str, Any]:
    names = inventory.head.names
    return {
        "id": hsm.id,
        "name": inventory.hsm_name(hsm),
        "provider": hsm.provider,
        "location": hsm.endpoint_url if names else None,
        "is_active": hsm.is_active,
        "health_status": hsm.health_status,
        "last_health_check": hsm.last_health_check,
        "require_dual_auth": hsm.require_dual_auth,
        "max_key_size_bits": hsm.max_key_size_bits,
        "supported_algorithms": json.loads(hsm.supported_algorithms or "[]"),
        "created_at": hsm.created_at,
        "credentials_under": None if hsm.wrapping_key_ref is None else inventory.root_name(hsm.wrapping_key_ref),
    }


def _algorithm(algorithm: Algorithm) -> dict[str, Any]:
    return {
        "name": algorithm.name,
        "key_size_bits": algorithm.size_bits,
        "strength_bits": algorithm.strength_bits,
        "nist_quantum_category": algorithm.quantum_category,
    }


def _key(inventory: Inventory, key: Key, algorithm: Algorithm, versions: list[Described]) -> Mapping[str, Any]:
    names = inventory.head.names
    return {
        "id": key.id,
        **inventory.key_columns(key, algorithm),
        "status_reason": key.status_reason if names else None,
        "created_at": key.created_at,
        "activated_at": key.activated_at,
        "revoked_at": key.revoked_at,
        "parent": key.parent_key_id if names else None,
        "max_usage_count": key.max_usage_count,
        "security_level": key.security_level,
        "hsm_provider": key.hsm_provider,
        "encrypted_columns": key.columns if names else None,
        "versions": [_version(inventory, each) for each in versions],
    }


def _version(inventory: Inventory, described: Described) -> Mapping[str, Any]:
    chain = described.chain
    return {
        **inventory.columns(described),
        "wrapping_algorithm": described.version.wrapping_algorithm,
        "chain": {
            "keks": chain.depth,
            "root_key": None if chain.root is None else inventory.root_name(chain.root),
            "strength_bits": described.chain_strength_bits,
        },
    }
