"""What the server sends need not come an entry a piece, and may be cut or damaged on the way."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, islice

import pytest

from kms_schema.audit.formats.encoding import PREFIX, Bytes, EncodingError
from kms_schema.audit.storage.postgresql.entries import PostgresqlEntries
from kms_schema.audit.verification.result import VerificationResult
from kms_schema.audit.verification.verifier import verify
from support.engines import Database
from tests.audit.trails import open_trail, seal_all, write

pytestmark = pytest.mark.only_on("postgresql")
SEALED = 300
Pieces = Iterator[Bytes]


def verified(
    database: Database, monkeypatch: pytest.MonkeyPatch, sent: Callable[[Pieces], Pieces]
) -> VerificationResult:
    """Verify a sealed trail, and one entry after it, whose pieces pass through `sent` on their way."""
    pieces = PostgresqlEntries.pieces
    with closing(database.connect()) as connection:
        write(connection, SEALED)
        seal_all(connection)
        write(connection, 1)
        monkeypatch.setattr(PostgresqlEntries, "pieces", lambda *arguments: sent(pieces(*arguments)))
        with open_trail(connection).reading() as trail:
            return verify(trail)


def in_other_pieces(pieces: Pieces) -> Pieces:
    """Yield the same bytes, two and a half entries a piece."""
    data = b"".join(map(bytes, pieces))
    yield from (data[at : at + 500] for at in range(0, len(data), 500))


@pytest.mark.parametrize("sent", [in_other_pieces, iter], ids=["in other pieces", "as it comes"])
def test_entries_are_verified_in_pieces_of_any_size(
    database: Database, monkeypatch: pytest.MonkeyPatch, sent: Callable[[Pieces], Pieces]
) -> None:
    verdict = verified(database, monkeypatch, sent)
    assert (verdict.sound, verdict.entries, verdict.unsealed) == (True, SEALED + 1, 1)


def with_a_length_changed(pieces: Pieces, number: int) -> Pieces:
    """Make a piece end within its last field: what its second field says is one byte longer than it is."""
    begun = list(islice(pieces, number + 1))
    if len(begun) > number and len(begun[-1]) > len(PREFIX):
        damaged = bytearray(begun.pop())
        damaged[len(PREFIX) + 3] += 1
        begun.append(bytes(damaged))
    return chain(begun, pieces)


@pytest.mark.parametrize("number", [0, 200, SEALED + 1], ids=["first", "in a later page", "not sealed"])
def test_an_entry_with_a_length_that_is_not_its_own_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    begun = 0

    def damaged(pieces: Pieces) -> Pieces:
        nonlocal begun
        begun += 1  # the sealed entries come by one COPY, and what is not sealed by the next
        return with_a_length_changed(pieces, number if begun == 1 else number - SEALED - 1)

    with pytest.raises(EncodingError):
        verified(database, monkeypatch, damaged)


@pytest.mark.parametrize("which", [1, 2], ids=["sealed entries", "what is not sealed"])
def test_what_ends_too_early_is_not_taken_for_the_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    """The trailer alone is lost: every entry came, and another could have come after them."""
    begun = 0

    def cut(pieces: Pieces) -> Pieces:
        nonlocal begun
        begun += 1
        return iter(list(pieces)[:-1]) if begun == which else pieces

    with pytest.raises(EncodingError, match="ends too early"):
        verified(database, monkeypatch, cut)
