"""The entry that says that a report or an inventory was written, so that who receives one can look it up."""

import json
import re
from dataclasses import dataclass

from kms_schema._version import __version__
from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.encoding import Value, columns
from kms_schema.audit.formats.texts import to_base64
from kms_schema.audit.storage.append import insert_entry
from kms_schema.audit.storage.transactions import OpenTrail
from kms_schema.text.storable import check_texts
from kms_schema.vocabulary import DocumentEvent

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 200


@dataclass(frozen=True)
class Document:
    """A document about the database, as its entry names it.

    `kind` is `inventory` or `report`, and `form` its format, such as `cyclonedx-1.6`. `sha256` has 64 lower-case
    hexadecimal digits: of the whole file. `scope` says what the document is about: a period such as `2026-Q3`, a
    standard, or all keys. `checkpoint` is the checkpoint of the snapshot from which the document was made; None if
    nothing was sealed.

    Raises `ValueError` for another SHA-256, and for a text that is empty, has over 200 characters, or that no database
    stores.
    """

    kind: str
    form: str
    sha256: str
    scope: str
    checkpoint: Checkpoint | None

    def __post_init__(self) -> None:
        """Check the values."""
        if _SHA256.fullmatch(self.sha256) is None:
            raise ValueError("the SHA-256 of a document has 64 lower-case hexadecimal digits")
        check_texts(kind=self.kind, form=self.form, scope=self.scope)
        for name in ("kind", "form", "scope"):
            if not 0 < len(getattr(self, name)) <= _LONGEST:
                raise ValueError(f"the {name} of a document is a text of 1 to {_LONGEST} characters")

    def metadata(self) -> dict[str, object]:
        """Return the metadata of the entry, as JSON."""
        seen = self.checkpoint
        return {
            "document": self.kind,
            "format": self.form,
            "sha256": self.sha256,
            "scope": self.scope,
            "checkpoint": None
            if seen is None
            else {"origin": seen.origin, "tree_size": seen.size, "root": to_base64(seen.root)},
            "program": f"kms-schema {__version__}",
        }


def record_document(trail: OpenTrail, document: Document, *, user_id: str | None = None) -> dict[str, Value]:
    """Append the entry `DOCUMENT_WRITTEN` about a document, commit it, and return its columns as in a proof.

    trail: that of `open_trail`. On PostgreSQL the owner of the tables, `kms_auditor`, and the roles that write other
    entries may do so; `recorded_by` has the login. user_id: the person behind it, as claimed, up to 100 characters.

    Raises `TrailError` without the tables or for an entry that a rule of the database does not allow (`entry_refused`),
    and `ValueError` for a text that no database stores. Example::

        content = Path("inventory.json").read_bytes()
        document = Document("inventory", "json", hashlib.sha256(content).hexdigest(), "all keys", checkpoint)
        print(record_document(open_trail(connection), document)["id"])
    """
    check_texts(user_id=user_id)
    event = DocumentEvent.DOCUMENT_WRITTEN
    # The columns that kms_auditor may write, and no other: the database gives the level LOW.
    values: dict[str, object] = {
        "event_type": event.value,
        "event_category": event.category.value,
        "event_description": f"{document.kind} written: {document.form}, {document.scope}, SHA-256 {document.sha256}",
        "additional_metadata": json.dumps(document.metadata()),
    }
    if user_id is not None:
        values["user_id"] = user_id
    with trail.writing() as transaction:
        sequence = insert_entry(transaction.entries, values)
        (entry,) = transaction.entries.read(sequence, sequence)
        return columns(entry)
