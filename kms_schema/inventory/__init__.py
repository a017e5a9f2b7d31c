"""Inventories of keys: a cryptography bill of materials (CycloneDX), JSON or CSV.

See the page "inventory" of the documentation.
"""

from kms_schema.inventory.rows import InventoryError
from kms_schema.inventory.writing import FORMS, Form, WrittenInventory, write_inventory

__all__ = ["FORMS", "Form", "InventoryError", "WrittenInventory", "write_inventory"]
