"""Make the copy with the later revisions; see the package's description."""

import argparse
from pathlib import Path

from support.later.copies import lay_over, write_snapshots

parser = argparse.ArgumentParser(prog="python -m support.later")
parser.add_argument("folder", type=Path)
parser.add_argument("--snapshots", nargs="+", metavar="POSTGRESQL_URL")
given = parser.parse_args()
copy = lay_over(given.folder.resolve())
if given.snapshots:
    write_snapshots(copy, given.snapshots)
