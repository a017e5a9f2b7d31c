"""Checkpoints that were kept outside the database, in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.notes import Note, NoteError, check_text


@dataclass(frozen=True)
class ExternalCheckpoint:
    """A checkpoint, and the note that it came in; an unsigned one has no signatures."""

    note: Note
    checkpoint: Checkpoint


def read_checkpoint(path: Path, keys: Sequence[VerifierKey] = ()) -> ExternalCheckpoint:
    """Return the checkpoint in a file, as `kms-schema audit seal` and `checkpoint` print it.

    Signatures by `keys` are checked; others, and none, are passed over: a checkpoint is worth what the place is worth
    where it was kept. Raises `NoteError` or `CheckpointError`, both `ValueError`, where it is none or such a signature
    is wrong, and `OSError` where the file cannot be read.
    """
    content = path.read_bytes()
    if b"\n\n" in content:
        note = Note.parse(content)
        claimed = {(each.name, each.key_id) for each in note.signatures}
        if known := [key for key in keys if (key.name, key.key_id) in claimed]:
            note.trusted(known)
    else:
        try:
            note = Note(content.decode(), ())
        except UnicodeDecodeError:
            raise NoteError("a checkpoint is UTF-8") from None
        check_text(note.text)
    return ExternalCheckpoint(note, Checkpoint.parse(note.text))
