#!/usr/bin/env python3
"""Rotate a key in use, re-encrypt what it encrypted, and destroy its old version, under load and under kills."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.moonshot.command import main

if __name__ == "__main__":
    main()
