"""Inventories of keys: a cryptography bill of materials (CycloneDX), JSON or CSV. See docs/inventory.md."""

from kms_schema.inventory.rows import InventoryError
from kms_schema.inventory.writing import FORMS, Form, WrittenInventory, write_inventory

__all__ = ["FORMS", "Form", "InventoryError", "WrittenInventory", "write_inventory"]
