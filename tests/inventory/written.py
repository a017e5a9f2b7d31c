"""Writes inventories for the tests."""

import csv
import io
import json
from contextlib import closing
from typing import Any

from kms_schema.inventory import Form, WrittenInventory, write_inventory
from support.engines import Database


def write(database: Database, form: Form, **options: Any) -> tuple[str, WrittenInventory]:
    """Return the text of an inventory, and what the function returns."""
    file = io.BytesIO()
    with closing(database.connect()) as connection:
        written = write_inventory(connection, file, form, **{"record": False, **options})
    return file.getvalue().decode(), written


def write_json(database: Database, form: Form, **options: Any) -> Any:
    return json.loads(write(database, form, **options)[0])


def write_csv(database: Database, **options: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(write(database, "csv", **options)[0], newline="")))
