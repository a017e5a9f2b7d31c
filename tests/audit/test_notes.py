"""Keys and signed notes: Go's published ones, and everything that is not one."""

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.keys import (
    SealKeyError,
    SigningKey,
    VerifierKey,
    read_signing_key,
    read_verifier_keys,
    write_signing_key,
)
from kms_schema.audit.formats.notes import Note, NoteError, Signature, sign
from kms_schema.audit.formats.texts import from_base64, to_base64

GO = json.loads((Path(__file__).parent / "published" / "notes.json").read_text(encoding="utf-8"))
TEXT = GO["text"]
SIGNING = GO["signing_key"]
PETER, ENOCH = (VerifierKey.parse(GO["verifier_keys"][name]) for name in ("peter", "enoch"))
BY_PETER, BY_ENOCH = (GO["signatures"][name] + "\n" for name in ("peter", "enoch"))
SECRET = SIGNING.split("+", 4)[4]
NOTE = TEXT + "\n" + BY_PETER


def manglings(text: str) -> list[str]:
    """Return every part of a text, and the text with each character replaced by the next, as Go's tests do."""
    parts = {text[a:b] for a in range(len(text)) for b in range(a, len(text) + 1)} - {text}
    return [*parts, *(text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text)))]


def test_published_keys_are_read_and_written() -> None:
    assert str(PETER) == GO["verifier_keys"]["peter"]
    assert (PETER.name, PETER.key_id.hex()) == ("PeterNeumann", "c74f20a3")
    key = SigningKey.parse(SIGNING)
    assert key.private_text() == SIGNING
    assert key.verifier == PETER


def test_a_published_note_is_signed_the_same() -> None:
    assert str(sign(TEXT, SigningKey.parse(SIGNING))) == NOTE


def test_a_published_note_is_trusted_for_those_who_signed_it() -> None:
    note = Note.parse(NOTE + BY_ENOCH)
    assert note.text == TEXT
    assert note.trusted([PETER]) == [PETER]
    assert note.trusted([ENOCH, PETER]) == [PETER, ENOCH]
    assert Note.parse(str(note)) == Note.parse(str(note).encode()) == note


def test_a_key_of_zeros_is_enochs() -> None:
    """Go's example makes it from a source of random numbers that gives zeros."""
    zeros = SigningKey("EnochRoot", bytes(32))
    assert zeros.verifier == ENOCH
    assert str(sign(TEXT, zeros)) == TEXT + "\n" + BY_ENOCH


@pytest.mark.parametrize(
    ("text", "parse"),
    [
        (GO["verifier_keys"]["peter"], VerifierKey.parse),
        (SIGNING, SigningKey.parse),
        (SIGNING, VerifierKey.parse),
    ],
    ids=["verifier", "signing", "signing for a verifier"],
)
def test_a_mangled_key_is_refused_and_never_shown(text: str, parse: Callable[[str], Any]) -> None:
    for mangled in manglings(text):
        with pytest.raises(SealKeyError) as caught:
            parse(mangled)
        shown = "".join(traceback.format_exception(caught.value))
        assert SECRET[:16] not in shown
        assert SECRET[-16:] not in shown


@pytest.mark.parametrize("text", [*GO["bad_verifier_keys"], SIGNING, "a b+c74f20a3+x", "+c74f20a3+x"])
def test_a_key_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(SealKeyError):
        VerifierKey.parse(text)


def test_a_signing_key_does_not_show_itself() -> None:
    key = SigningKey.parse(SIGNING)
    for shown in (repr(key), str(key), f"{key}", repr([key])):
        assert SECRET not in shown
        assert repr(from_base64(SECRET)[1:])[2:-1] not in shown
        assert "PeterNeumann" in shown


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\x01b", "\ud800"])
def test_a_key_has_a_name_that_a_line_can_hold(name: str) -> None:
    with pytest.raises(SealKeyError, match="the name of a key"):
        SigningKey.generate(name)


def test_generated_keys_differ_and_work() -> None:
    one, other = SigningKey.generate("kms.example/audit"), SigningKey.generate("kms.example/audit")
    assert one.private_text() != other.private_text()
    assert Note.parse(str(sign("x\n", one))).trusted([one.verifier, other.verifier]) == [one.verifier]


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        TEXT + "\n",
        NOTE[:-1],
        "\x01" + NOTE,
        b"\xff" + NOTE.encode(),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("PeterNeumann", "Bad Name"),
        NOTE + "Unexpected line.\n",
        NOTE + "\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", ""),
        NOTE.replace("PeterNeumann", "Peter+Neumann"),
        NOTE.replace("PeterNeumann", "Peter\u00a0Neumann"),
        NOTE.replace("— ", "—  "),
        TEXT + "\n— PeterNeumann x08goA==\n",
        TEXT + "\n" + BY_PETER * 101,
        TEXT.replace("\n", "\t") + "\n\n" + BY_PETER,
    ],
    ids=range(17),
)
def test_a_malformed_note_is_refused(note: str | bytes) -> None:
    with pytest.raises(NoteError):
        Note.parse(note)


def test_a_hundred_signatures_are_read() -> None:
    assert Note.parse(TEXT + "\n" + BY_PETER * 100).trusted([PETER]) == [PETER]


def test_a_text_may_have_empty_lines() -> None:
    note = sign("one\n\n\ntwo\n", SigningKey("EnochRoot", bytes(32)))
    assert Note.parse(str(note)) == note
    assert note.trusted([ENOCH]) == [ENOCH]


@pytest.mark.parametrize("text", ["no newline", "", "tab\t\n", "\ud800\n"])
def test_what_no_note_can_have_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign(text, SigningKey("EnochRoot", bytes(32)))


def test_a_note_without_a_trusted_signature_is_not_trusted() -> None:
    for keys in ([], [ENOCH], [VerifierKey("PeterNeumann", bytes(32))], [VerifierKey("Peter", PETER.public_key)]):
        with pytest.raises(NoteError, match="no trusted key"):
            Note.parse(NOTE).trusted(keys)


def test_a_wrong_signature_by_a_trusted_key_spoils_the_note() -> None:
    wrong = Signature.parse(BY_PETER[:-1])
    bad = Signature(wrong.name, wrong.key_id, wrong.signature[::-1]).line() + "\n"
    long = Signature(wrong.name, wrong.key_id, wrong.signature + b"\0").line() + "\n"
    for lines in (bad, long, bad + BY_PETER, BY_PETER + bad, BY_PETER + long, bad + BY_ENOCH, BY_ENOCH + bad):
        with pytest.raises(NoteError, match="not one of this text"):
            Note.parse(TEXT + "\n" + lines).trusted([PETER, ENOCH])
    assert Note.parse(TEXT + "\n" + bad + BY_ENOCH).trusted([ENOCH]) == [ENOCH]


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    class Twin(VerifierKey):
        @property
        def key_id(self) -> bytes:
            return PETER.key_id

    with pytest.raises(NoteError, match="two different keys"):
        Note.parse(NOTE).trusted([PETER, Twin("PeterNeumann", bytes(32))])


@settings(deadline=None)
@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_note_with_any_character_changed_is_not_trusted(at: int, character: str) -> None:
    changed = NOTE[:at] + character + NOTE[at + 1 :]
    if changed != NOTE:
        with pytest.raises(NoteError):
            Note.parse(changed).trusted([PETER])


@settings(deadline=None)
@given(st.binary())
def test_bytes_have_one_base64_text(data: bytes) -> None:
    text = to_base64(data)
    assert from_base64(text) == data
    for other in (text + "\n", text + "=", " " + text, text.replace("=", ""), text + "\u0663"):
        if other != text:
            with pytest.raises(ValueError, match="not standard base64"):
                from_base64(other)


def test_bits_that_are_left_over_are_not_overlooked() -> None:
    assert from_base64("AA==") == b"\0"
    with pytest.raises(ValueError, match="not standard base64"):
        from_base64("AB==")


def test_a_key_file_is_its_owners_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    file, key = tmp_path / "seal.key", SigningKey.generate("kms")
    write_signing_key(file, key)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_signing_key(file) == key
    for other in (file, tmp_path / "link"):
        if other != file:
            other.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(SealKeyError, match="never overwritten"):
            write_signing_key(other, SigningKey.generate("kms"))
    assert read_signing_key(file) == key
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib; from kms_schema.audit.formats.keys import SigningKey, write_signing_key;"
        " os.umask(int(sys.argv[1], 8)); change = os.fchmod;"
        " os.fchmod = lambda descriptor, mode: os.fstat(descriptor).st_mode & 0o077 or change(descriptor, mode);"
        " write_signing_key(pathlib.Path(sys.argv[2]), SigningKey.generate('kms'))"
    )
    for umask in ("000", "777"):
        file = tmp_path / umask
        subprocess.run([sys.executable, "-c", program, umask, file], check=True)
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_that_could_not_be_written_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_signing_key(tmp_path / "seal.key", SigningKey.generate("kms"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o601])
def test_a_key_that_others_can_read_or_a_group_can_change_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "seal.key"
    write_signing_key(file, SigningKey.generate("kms"))
    file.chmod(0o640)
    read_signing_key(file)
    file.chmod(mode)
    with pytest.raises(SealKeyError, match="chmod 600"):
        read_signing_key(file)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, SIGNING.encode()[:-1], SIGNING.encode() * 2])
def test_a_file_that_holds_no_key_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "seal.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(SealKeyError, match=r"seal\.key") as caught:
        read_signing_key(file)
    assert SECRET[:16] not in "".join(traceback.format_exception(caught.value))


def test_a_file_of_trusted_keys_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "trusted"
    file.write_text(f"# ours\n\n{PETER}\n  {ENOCH}  \n{PETER}\n", encoding="utf-8")
    assert read_verifier_keys(file) == [PETER, ENOCH]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("# nothing\n", "no verifier keys"),
        (f"{PETER}\n{SIGNING}\n", "line 2: a private key"),
        (f"{PETER}\n\n{str(PETER)[:-1]}\n", "line 3: not an Ed25519 verifier key"),
    ],
    ids=["empty", "private", "mangled"],
)
def test_a_file_of_trusted_keys_that_is_none_says_where(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "trusted"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SealKeyError, match=says) as caught:
        read_verifier_keys(file)
    assert SECRET[:16] not in str(caught.value)


def test_nothing_heavy_is_imported_before_a_signature_is_made_or_checked() -> None:
    program = (
        "import sys; from kms_schema.audit.formats import merkle, notes, proof_documents, seals;"
        " from kms_schema.audit.storage.postgresql import encoded_entries;"
        " from kms_schema.audit.storage.sqlite import encoded_entries;"
        f" notes.Note.parse({NOTE!r});"
        " print(*{'cryptography', 'sqlalchemy', 'alembic', 'psycopg', 'sqlite3'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
