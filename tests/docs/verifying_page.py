"""docs/verifying.md: its blocks of commands."""

import re

from support.engines.programs import REPOSITORY

PAGE = (REPOSITORY / "docs" / "verifying.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n((?:(?!```)[^\n]*\n)*)```\n\n```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
LET_IN = 'export KMS_DATABASE_URL="$AUDIT_URL"'
