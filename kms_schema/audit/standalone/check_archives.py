#!/usr/bin/env python3
"""Check all archives of an audit trail of kms-schema together, without the database.

Each must hold, as check_archive.py checks it. They must follow each other in one tree from its first entry on, so that
no archive is missing and none begins later than the one before ended: a tombstone states how far entries were removed,
and the hash of one file. Each --tombstone must name one of the files, and each file needs one if there are any. One
checkpoint that you kept is enough for all: give it to check_archive.py, with the archive that it is about.

Copies of this file, check_archive.py and check_proof.py work alone in one folder: they need Python 3.11 and the package
`cryptography`, and nothing of kms-schema. The page "retention" of its documentation has the format.

exit status: 0 the archives hold, 1 they do not, 2 wrong usage, or a file that cannot be read or written
"""

import base64
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__:
    from kms_schema.audit.standalone import check_archive, check_proof
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent))  # the files beside it, not an installed package
    import check_archive  # type: ignore[import-not-found,no-redef]
    import check_proof  # type: ignore[import-not-found,no-redef]

Refused = check_proof.Refused


def check(
    paths: Sequence[Path],
    keys: list[check_proof.Key],
    tombstones: Sequence[str] = (),
    *,
    origin: str | None = None,
    announced: Sequence[str] = (),
) -> list[check_archive.Archive]:
    """Return the statements of the archives at `paths`, in the order of their leaves.

    keys: the verifier keys that are trusted. tombstones: the texts of checkpoints, each of which must name one of the
    files; with some, each file must have one. origin: the trail that they must be from. announced: checkpoints that
    announce successors of keys.

    Raises `Refused` if an archive does not hold, if one is missing, or if they are not of one tree, and `OSError`.
    """
    left = list(tombstones)
    found = []
    for path in paths:
        named = f" {_sha256(path)}\n"
        tombstone = next((each for each in left if named in each), None)
        if tombstone is not None:
            left.remove(tombstone)
        elif tombstones:
            raise Refused(f"{path}: no tombstone is about this file")
        try:
            found.append(check_archive.check(path, keys, tombstone, origin, announced=announced))
        except Refused as error:
            raise Refused(f"{path}: {error}") from None
    if left:
        raise Refused("a tombstone is about none of these files: an archive is missing")
    found.sort(key=lambda archive: archive.first_leaf)
    _refuse_gaps(found)
    return found


def _refuse_gaps(archives: Sequence[check_archive.Archive]) -> None:
    end, root, origin = 0, hashlib.sha256(b"").digest(), archives[0].origin
    for archive in archives:
        if archive.first_leaf != end:
            raise Refused(
                f"an archive begins with leaf {archive.first_leaf}, and the one before ends before leaf {end}:"
                f" {'entries are missing' if archive.first_leaf > end else 'they overlap'}"
            )
        if archive.origin != origin or archive.roots[end] != root:
            raise Refused(f"the archives before and after leaf {end} are of two trails")
        end, root = archive.end_leaf, archive.roots[archive.end_leaf]


def _sha256(path: Path) -> str:
    with check_proof.open_file(path) as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = check_proof.Parser(description=__doc__.rpartition("\n\n")[0], epilog=__doc__.rpartition("\n\n")[2])
    parser.add_argument("archives", type=Path, nargs="+", help="the files with compressed JSON lines, in any order")
    check_proof.add_options(parser, "archives")
    parser.add_argument(
        "--tombstone", type=Path, action="append", default=[], metavar="FILE",
        help="the checkpoint of a seal with a tombstone; repeatable",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    try:
        keys, announced = check_proof.keys_of(parser, options)
        tombstones = [check_proof.read_file(each).decode() for each in options.tombstone]
    except (OSError, UnicodeError, Refused) as error:
        parser.error(str(error))
    try:
        archives = check(options.archives, keys, tombstones, origin=options.origin, announced=announced)
    except OSError as error:
        parser.error(str(error))
    except Refused as error:
        print(f"REFUSED: {error}")
        return 1
    for archive in archives:
        print(f"leaves {archive.first_leaf} to {archive.end_leaf - 1}, SHA-256 {archive.sha256.hex()}")
    print(f"origin {json.dumps(archives[0].origin)}: all entries of leaves 0 to {archives[-1].end_leaf - 1}")
    print("the archives hold")
    return 0


if __name__ == "__main__":
    sys.exit(check_proof.run(main))
