"""Writes an inventory of keys from one snapshot, and the entry about it."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO, Literal

from kms_schema.audit.documents import Document, record_document
from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.encoding import Value
from kms_schema.audit.storage.open import open_trail
from kms_schema.audit.storage.transactions import Snapshot
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.inventory import csv_format, cyclonedx_format, json_format
from kms_schema.inventory.chains import Chains
from kms_schema.inventory.document import Inventory
from kms_schema.inventory.output import Output
from kms_schema.inventory.reading import Reader
from kms_schema.inventory.rows import Head

Form = Literal["cyclonedx-1.6", "cyclonedx-1.7", "json", "csv"]
FORMS: tuple[Form, ...] = ("cyclonedx-1.6", "cyclonedx-1.7", "json", "csv")
SCOPE = "all keys"


@dataclass(frozen=True)
class WrittenInventory:
    """An inventory that was written."""

    sha256: str
    """Of the whole file, in hexadecimal."""
    totals: Mapping[str, int]
    """`keys`, `versions`, and `versions STATE` for each state that occurs."""
    checkpoint: Checkpoint | None
    """The value of the last seal in the snapshot; None if nothing is sealed."""
    entry: Mapping[str, Value] | None
    """The entry `DOCUMENT_WRITTEN` with its columns; None without `record`."""


def write_inventory(  # noqa: PLR0913  (keyword-only, but for what is written where)
    connection: DatabaseConnection,
    file: BinaryIO,
    form: Form = "cyclonedx-1.6",
    *,
    schema: str = "public",
    names: bool = True,
    record: bool = True,
    user_id: str | None = None,
) -> WrittenInventory:
    """Write an inventory of all keys and versions to a file, and add an entry with its SHA-256 to the audit log.

    - `connection`: of psycopg or sqlite3, and idle; on PostgreSQL as a member of `kms_auditor`
    - `file`: open for writing bytes; at most `BATCH` rows, and the versions of one key, are in memory at a time
    - `form`: one of `FORMS`. `schema`: the PostgreSQL schema of the tables
    - `names`: without them, ids and numbers stand for the names of keys, root keys and HSMs, and columns are left out
    - `record`: False to write no entry, which the document then says. `user_id`: the acting user in the entry

    The entry is committed after the last byte: do not publish the file if this raises. Raises `InventoryError` if row
    security hides keys from this role, `TrailError` without revision 006, `ValueError` for another form, errors of the
    driver, and errors of the file. Example::

        with Path("keys.cdx.json").open("wb") as file:
            print(write_inventory(connection, file).sha256)
    """
    if form not in FORMS:
        raise ValueError(f"the form of an inventory is one of {', '.join(FORMS)}, not {form!r}")
    trail = open_trail(connection, schema)
    output = Output(file)
    with trail.reading() as snapshot, closing(Reader(connection, schema, names=names)) as reader:
        head = _head(snapshot, names=names, record=record)
        reader.require_every_row()
        inventory = Inventory(head, reader, reader.hsms(), reader.roots(), Chains(reader.wrappers()))
        if form == "json":
            json_format.write(inventory, output)
        elif form == "csv":
            csv_format.write(inventory, output)
        else:
            cyclonedx_format.write(inventory, output, form.removeprefix("cyclonedx-"))
    file.flush()
    entry = None
    if record:
        document = Document("inventory", form, output.sha256, SCOPE, head.checkpoint)
        try:
            entry = record_document(trail, document, user_id=user_id)
        except Exception as error:
            error.add_note("the inventory was complete, and its entry could not be written")
            raise
    return WrittenInventory(output.sha256, MappingProxyType(dict(inventory.totals)), head.checkpoint, entry)


def _head(snapshot: Snapshot, *, names: bool, record: bool) -> Head:
    now, last = snapshot.now(), snapshot.seals.last()
    if last is None:
        return Head(now, None, None, None, seals_signed=False, names=names, recorded=record)
    seen = Checkpoint(last.origin, last.tree_size, last.root_hash)
    signed = last.verifier_key is not None
    return Head(now, seen, last.number, last.sealed_at, seals_signed=signed, names=names, recorded=record)
