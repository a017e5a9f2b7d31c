#!/usr/bin/env python3
"""Check that a database has the schema of this package; the same program as `kms-schema validate`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kms_schema.cli import main

if __name__ == "__main__":
    main(["validate", *sys.argv[1:]], name=Path(__file__).name)
