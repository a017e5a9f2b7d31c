"""The entry that says that a document was written."""

import json
from contextlib import closing
from typing import Any

import pytest

from kms_schema.audit import Document, open_trail, record_document, verify
from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.texts import to_base64
from support.engines import Database
from tests.audit.trails import seal_all

HASH = "0f" * 32


def test_the_entry_names_the_document_and_its_checkpoint(database: Database) -> None:
    with closing(database.connect()) as connection:
        (made,) = seal_all(connection)
        trail = open_trail(connection)
        checkpoint = Checkpoint(made.origin, made.tree_size, made.root_hash)
        entry = record_document(trail, Document("inventory", "csv", HASH, "all keys", checkpoint), user_id="alice")
        seal_all(connection)
        with trail.reading() as snapshot:
            assert verify(snapshot).sound
    assert (entry["event_type"], entry["event_category"]) == ("DOCUMENT_WRITTEN", "COMPLIANCE")
    assert entry["event_description"] == f"inventory written: csv, all keys, SHA-256 {HASH}"
    said: dict[str, Any] = json.loads(str(entry["additional_metadata"]))
    assert said.pop("program").startswith("kms-schema ")
    assert said == {
        "document": "inventory",
        "format": "csv",
        "sha256": HASH,
        "scope": "all keys",
        "checkpoint": {"origin": made.origin, "tree_size": made.tree_size, "root": to_base64(made.root_hash)},
    }


@pytest.mark.parametrize(
    ("changed", "value", "message"),
    [("sha256", HASH.upper(), "64 lower-case"), ("scope", "", "the scope of"), ("kind", "x" * 201, "the kind of")],
)
def test_a_document_that_cannot_be_looked_up_is_refused(changed: str, value: str, message: str) -> None:
    given: dict[str, Any] = {"kind": "report", "form": "html", "sha256": HASH, "scope": "sox", "checkpoint": None}
    with pytest.raises(ValueError, match=message):
        Document(**given | {changed: value})
