#!/usr/bin/env python3
"""Measure the performance targets of the package on PostgreSQL or SQLite, and print targets and results."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import main

if __name__ == "__main__":
    main()
