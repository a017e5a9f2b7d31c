#!/usr/bin/env python3
"""Rotate a key in use, re-encrypt what it encrypted, and destroy its old version, under load and under kills."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from benchmarks.moonshot.command import main
except ModuleNotFoundError as error:
    sys.exit(f"{Path(__file__).name} needs the test requirements ({error}): pip install -e '.[test]'")

if __name__ == "__main__":
    main()
