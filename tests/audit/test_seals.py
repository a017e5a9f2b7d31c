"""Checkpoints and seals: one text for each, and nothing else taken for it."""

import datetime as dt
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms_schema.audit.formats.checkpoints import Checkpoint
from kms_schema.audit.formats.encoding import EncodingError
from kms_schema.audit.formats.keys import SigningKey
from kms_schema.audit.formats.notes import Note, NoteError, sign
from kms_schema.audit.formats.seals import NO_SEAL, Bookkeeping, Seal
from support.errors import raises

KEY = SigningKey("EnochRoot", bytes(32))
FIRST = Seal(
    "kms.example/audit",
    3,
    bytes(range(32)),
    dt.datetime(2026, 11, 25, 12, 34, 56, 789012, dt.UTC),
    1,
    NO_SEAL,
    Bookkeeping([], 3).state(),
)
SECOND = Seal("kms.example/audit", 9, bytes(32), FIRST.time, 2, FIRST.hash(), bytes(32), KEY.verifier)
TEXT = (
    "kms.example/audit\n"
    "3\n"
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    "time 2026-11-25T12:34:56.789012Z\n"
    "seal 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    "state kp16Nn/xtKUqm5Z85DRfqxC6W8Bpv1ccPto49ZiIPy4=\n"
)

HASHES = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(0, 2**63 - 1)
LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)


def seals(draw: st.DrawFn) -> Seal:
    number = draw(st.integers(1, 2**63 - 1))
    return Seal(
        draw(LINES),
        draw(NUMBERS),
        draw(HASHES),
        draw(st.datetimes(timezones=st.just(dt.UTC))),
        number,
        NO_SEAL if number == 1 else draw(HASHES.filter(lambda each: each != NO_SEAL)),
        draw(HASHES),
        draw(st.sampled_from([None, KEY.verifier])),
    )


SEALS = st.composite(seals)()


def test_a_seal_is_written_as_the_page_says() -> None:
    assert FIRST.text() == TEXT
    assert FIRST.hash() == hashlib.sha256(TEXT.encode()).digest()
    assert SECOND.text().endswith(f"next-key {KEY.verifier}\n")


@settings(deadline=None)
@given(SEALS)
def test_a_seal_is_a_checkpoint_and_comes_back_from_its_text(seal: Seal) -> None:
    assert Seal.parse(seal.text()) == seal
    checkpoint = Checkpoint.parse(seal.text())
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (seal.origin, seal.size, seal.root)
    assert Note.parse(str(sign(seal.text(), KEY))).text == seal.text()


@settings(deadline=None)
@given(SEALS, SEALS)
def test_other_seals_have_other_texts(one: Seal, other: Seal) -> None:
    assert (one.text() == other.text()) == (one == other)


@settings(deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.characters(exclude_categories=["Cs"]))
def test_a_changed_text_is_another_seal_or_none(at: int, character: str) -> None:
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    try:
        seal = Seal.parse(changed)
    except EncodingError:
        return
    assert seal.text() == changed
    assert (seal == FIRST) == (changed == TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("time ", "witness me\ntime "),
        (TEXT, TEXT + "colour red\n"),
        (TEXT, TEXT + f"next-key {KEY.verifier}\n" * 2),
        ("state ", "State "),
        ("seal 1 ", "seal 01 "),
        ("seal 1 ", "seal 2 "),
        ("seal 1 ", "seal 1  "),
        ("\n3\n", "\n03\n"),
        ("\n3\n", "\n-3\n"),
        ("\n3\n", "\n\u0663\n"),
        ("\n3\n", "\n9223372036854775808\n"),
        ("\n3\n", "\n" + "9" * 5000 + "\n"),
        ("789012Z", "789Z"),
        ("789012Z", "789012+00:00"),
        ("dHh8=", "dHh9="),
        ("dHh8=", "dHg="),
        ("kms.example/audit\n", "\n"),
        ("kms.example/audit\n", ""),
        (TEXT, ""),
        (TEXT, TEXT[:-1]),
        (TEXT, TEXT + "\n"),
        (TEXT, TEXT.replace("\n", "\r\n")),
        (TEXT, TEXT + f"next-key {str(KEY.verifier)[:-1]}\n"),
    ],
    ids=range(23),
)
def test_what_is_not_exactly_a_seal_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with raises(EncodingError, "seal"):
        Seal.parse(TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": FIRST.time.replace(tzinfo=None)},
        {"number": 0},
        {"number": 2},
        {"previous": bytes([1]) * 32},
        {"state": b""},
        {"root": b""},
        {"size": -1},
        {"size": 2**63},
        {"origin": ""},
        {"origin": "two\nlines"},
        {"origin": "tab\t"},
    ],
    ids=str,
)
def test_there_is_no_such_seal(wrong: dict[str, Any]) -> None:
    with raises(EncodingError, "seal"):
        Seal(**(vars(FIRST) | wrong))


def test_a_time_in_another_zone_is_the_same_seal() -> None:
    elsewhere = FIRST.time.astimezone(dt.timezone(dt.timedelta(hours=5)))
    assert Seal(**(vars(FIRST) | {"time": elsewhere})).text() == TEXT


def test_a_checkpoint_keeps_lines_that_it_does_not_know() -> None:
    text = "other.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\ncolour red\n"
    assert Checkpoint.parse(text).extensions == ("colour red",)
    assert Checkpoint.parse(text).text() == text
    with pytest.raises(NoteError):
        Checkpoint.parse(text + "\n")


@pytest.mark.parametrize("size", ["03", "-3", "+3", "3 ", "", "\u0663", "²", "9223372036854775808", "9" * 5000])
def test_a_size_is_a_decimal_number_in_one_way(size: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(TEXT.replace("\n3\n", f"\n{size}\n"))


@pytest.mark.parametrize("root", ["", "AAECAwQ=", "x", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9="])
def test_a_root_is_a_hash_in_base64(root: str) -> None:
    with pytest.raises(NoteError, match="not a hash in base64"):
        Checkpoint.parse(TEXT.replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", root))


def test_the_bookkeeping_is_written_as_the_page_says() -> None:
    full = Bookkeeping([(100, 101, 7451), (102, 102, 7460)], 103, 7462, "7301234567890123456")
    assert full.text() == (
        "kms-schema/audit-seal-state/v1\n"
        "gaps 100..101:7451 102..102:7460\n"
        "last-sequence 103\n"
        "snapshot-xmax 7462\n"
        "system-identifier 7301234567890123456\n"
    )
    assert Bookkeeping([], None).text().splitlines()[1:] == [
        "gaps none",
        "last-sequence none",
        "snapshot-xmax none",
        "system-identifier none",
    ]
    assert full.state() == hashlib.sha256(full.text().encode()).digest()


@pytest.mark.parametrize(
    "wrong",
    [
        {"gaps": [(2, 1, 7)]},
        {"gaps": [(5, 6, 7), (1, 2, 7)]},
        {"gaps": [(1, 5, 7), (5, 6, 8)]},
        {"gaps": [(1, 5, 7), (6, 6, 7)]},
        {"system_identifier": "none"},
        {"system_identifier": "07"},
        {"system_identifier": "1\nx"},
    ],
    ids=str,
)
def test_there_is_no_such_bookkeeping(wrong: dict[str, Any]) -> None:
    with raises(EncodingError, "seal"):
        Bookkeeping(**({"gaps": [], "last_sequence": 9} | wrong))
