#!/usr/bin/env python3
"""Check files of proofs from an audit trail of kms-schema, one proof a line, without the database.

`kms-schema report` writes such files beside a report. They may be compressed with gzip. Each line is checked as
check_proof.py checks a file. All proofs must be about one checkpoint: with --checkpoint the one that you kept.

Copies of this file and check_proof.py work alone in one folder: they need Python 3.11 and the package `cryptography`,
and nothing of kms-schema. The page "reports" of its documentation describes the files.

exit status: 0 all proofs hold, 1 one does not, 2 wrong usage, or a file that cannot be read or written
"""

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

if __package__:
    from kms_schema.audit.standalone import check_proof
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # the file beside it, not an installed package
    import check_proof  # type: ignore[import-not-found,no-redef]

Refused = check_proof.Refused


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file. Raises `Refused` for one that is too long or not compressed properly."""
    try:
        with check_proof.open_file(path) as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            lines: IO[bytes] = gzip.GzipFile(fileobj=file) if compressed else file  # type: ignore[assignment]
            while line := lines.readline(check_proof.LONGEST + 1):
                if len(line) > check_proof.LONGEST:
                    raise Refused(f"a line has more than {check_proof.LONGEST} bytes")
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused(f"it is no whole gzip file: {error}") from None


def check(
    path: Path,
    keys: list[check_proof.Key],
    origin: str | None = None,
    kept: str | None = None,
    announced: Sequence[str] = (),
) -> tuple[int, str]:
    """Return the number of proofs of a file, and the statement about their checkpoint.

    path: the file. Further arguments: as of `check_proof.check`. Raises `Refused`, with the line, and `OSError`.
    """
    about, count, before = "", 0, 0
    for count, line in enumerate(lines_of(path), 1):
        try:
            *statements, entry = check_proof.check(line, keys, origin, kept, tuple(announced))
            statement = "; ".join(statements)
        except (Refused, ValueError) as error:
            raise Refused(f"line {count}: {error}") from None
        if about not in ("", statement):
            raise Refused(f"line {count}: it is about another checkpoint than the lines before")
        sequence = re.search(r", sequence (\d+), is leaf \d+ of this tree$", entry)
        if not sequence or int(sequence[1]) <= before:
            raise Refused(f"line {count}: the entries do not ascend by sequence, so one could be counted twice")
        about, before = statement, int(sequence[1])
    if not count:
        raise Refused("it has no proofs")
    return count, about


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = check_proof.Parser(description=__doc__.rpartition("\n\n")[0], epilog=__doc__.rpartition("\n\n")[2])
    parser.add_argument("files", type=Path, nargs="+", help="files of proofs, one a line")
    check_proof.add_options(parser, "proofs")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="your checkpoint that they must be about")
    options = parser.parse_args(arguments)
    try:
        keys, announced = check_proof.keys_of(parser, options)
        kept = check_proof.read_file(options.checkpoint).decode() if options.checkpoint else None
    except (OSError, UnicodeError, Refused) as error:
        parser.error(str(error))
    abouts = set()
    for path in options.files:
        try:
            count, about = check(path, keys, options.origin, kept, announced)
        except OSError as error:
            parser.error(str(error))
        except Refused as error:
            print(f"REFUSED: {json.dumps(str(path))}: {error}")
            return 1
        abouts.add(about)
        print(f"{json.dumps(str(path))}: {count} proof{'' if count == 1 else 's'}")
    if len(abouts) > 1:
        print("REFUSED: the files are about several checkpoints")
        return 1
    print("\n".join([*abouts, "all proofs hold"]))
    return 0


if __name__ == "__main__":
    sys.exit(check_proof.run(main))
