#!/usr/bin/env python3
"""Check the migration history without a database server: chain, one head, imports, checksums, SQL of both engines."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.migration_checks.command import main

if __name__ == "__main__":
    main(default_map={"alembic_ini": str(Path(__file__).resolve().parent.parent / "alembic.ini")})
