"""External checkpoints: checkpoints in files outside the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.keys import VerifierKey
from kms_schema.audit.formats.notes import Note, NoteError, check_text
from kms_schema.files.inputs import read_whole


@dataclass(frozen=True)
class ExternalCheckpoint:
    """A checkpoint, and its note; the note of an unsigned checkpoint has no signatures."""

    note: Note
    checkpoint: Checkpoint


def read_checkpoint(path: Path, keys: Sequence[VerifierKey] = ()) -> ExternalCheckpoint:
    """Return the checkpoint in a file, as `kms-schema audit seal` and `checkpoint` print it.

    path: a file with a signed note, or with the text of a checkpoint alone.
    keys: verifier keys whose signatures are verified. Other signatures are ignored, and none is required: an external
    checkpoint is as trustworthy as its place.

    Raises `NoteError`, a `ValueError`, if the file is not a checkpoint or a signature by one of `keys` is wrong, and
    `OSError` if it cannot be read. Example::

        checkpoint = read_checkpoint(Path("checkpoint.txt"), read_verifier_keys(Path("keys.txt"))).checkpoint
    """
    content = read_whole(path)
    if not content.strip():
        raise NoteError("the file is empty; fetch the checkpoint again: kms-schema audit checkpoint > checkpoint.txt")
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
