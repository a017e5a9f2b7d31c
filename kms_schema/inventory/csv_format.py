"""An inventory as CSV: a row for each version, after rows for the document, root keys and HSMs."""

import csv
import io
from collections.abc import Mapping

from kms_schema.audit.formats.texts import to_base64
from kms_schema.inventory.document import Described, Inventory
from kms_schema.inventory.output import Output
from kms_schema.inventory.rows import Head, Key
from kms_schema.inventory.strengths import Algorithm
from kms_schema.text.printable import in_a_line

COLUMNS = (
    "record", "id", "name", "version", "type", "algorithm", "key_size_bits", "strength_bits", "chain_strength_bits",
    "state", "status", "created_at", "activated_at", "expires_at", "deactivated_at", "destroyed_at", "usage_count",
    "data_volume_bytes", "custody", "hsm", "wrapped_by", "root_key", "encrypted_columns", "note",
)  # fmt: skip
"""The columns; `record` is `document`, `root key`, `hsm`, `version`, or `key` for a key without versions."""

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001  (wide forms begin formulas, too)


def write(inventory: Inventory, output: Output) -> None:
    """Write the inventory. Raises what reading and writing raise."""
    _row(output, {column: column for column in COLUMNS})
    head = inventory.head
    document = {"record": "document", "name": "inventory", "note": _note(head)}
    _row(output, document | {"created_at": head.generated_at}, is_content=False)
    for reference in inventory.roots:
        _row(output, {"record": "root key", "name": inventory.root_name(reference), "custody": "outside"})
    for hsm in inventory.hsms:
        _row(output, {
            "record": "hsm", "id": hsm.id, "name": inventory.hsm_name(hsm), "type": hsm.provider,
            "status": "active" if hsm.is_active else "disabled", "state": hsm.health_status,
            "created_at": hsm.created_at, "note": hsm.endpoint_url if head.names else None,
            "root_key": None if hsm.wrapping_key_ref is None else inventory.root_name(hsm.wrapping_key_ref),
        })  # fmt: skip
    for key, algorithm, versions in inventory.read_keys():
        shared = _key(inventory, key, algorithm)
        if not versions:
            _row(output, shared | {"record": "key", "id": key.id, "created_at": key.created_at, "custody": "none"})
        for each in versions:
            _row(output, shared | _version(inventory, each))


def _note(head: Head) -> str:
    seen = head.checkpoint
    bound = (
        "no checkpoint: nothing is sealed"
        if seen is None
        else f"checkpoint {seen.origin}, seal {head.seal_number}, tree size {seen.size}, root {to_base64(seen.root)}"
    )
    recorded = "the audit log has an entry about it" if head.recorded else "no entry of the audit log is about it"
    return f"{bound}; {recorded}; {'with' if head.names else 'without'} names; not provable offline"


def _key(inventory: Inventory, key: Key, algorithm: Algorithm) -> dict[str, object]:
    names = inventory.head.names
    return {
        "record": "version",
        **inventory.key_columns(key, algorithm),
        "encrypted_columns": " ".join(key.columns) if names else None,
        "note": key.status_reason if names else None,
    }


def _version(inventory: Inventory, described: Described) -> dict[str, object]:
    root = described.chain.root
    return {
        **inventory.columns(described),
        "chain_strength_bits": described.chain_strength_bits,
        "root_key": None if root is None else inventory.root_name(root),
    }


def _row(output: Output, values: Mapping[str, object], *, is_content: bool = True) -> None:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(values.get(column)) for column in COLUMNS])
    output.write(line.getvalue(), is_content=is_content)


def _cell(value: object) -> object:
    """Return a text that a spreadsheet does not take for a formula; invisible characters are escaped."""
    if not isinstance(value, str):
        return value
    text = in_a_line(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
