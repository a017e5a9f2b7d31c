#!/usr/bin/env python3
"""Check an archive of the audit trail without the database; see kms_schema/audit/standalone/check_archive.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kms_schema.audit.standalone.check_archive import main
from kms_schema.audit.standalone.check_proof import run

if __name__ == "__main__":
    sys.exit(run(main))
