"""The examples of docs/audit.md, made of the golden entries; `python -m tests.audit.examples` writes them."""

import re

from support.engines.programs import REPOSITORY
from tests.audit.proofs import KEY, consistency, inclusion, sealed

PAGE = REPOSITORY / "docs" / "audit.md"
EXAMPLE = re.compile(r"(<!-- example: (\w+) -->\n```\w*\n)(.*?)(```\n)", re.DOTALL)

EXAMPLES = {
    "key": f"{KEY.verifier}\n",
    "seal": str(sealed(7)),
    "inclusion": inclusion(0, 7),
    "consistency": consistency(4, 11),
}


def examples_of(page: str) -> dict[str, str]:
    """Return what stands on the page."""
    return {match[2]: match[3] for match in EXAMPLE.finditer(page)}


if __name__ == "__main__":
    written = EXAMPLE.sub(lambda match: match[1] + EXAMPLES[match[2]] + match[4], PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(written, encoding="utf-8")
