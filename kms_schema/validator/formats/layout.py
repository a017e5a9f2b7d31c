"""How a report is laid out."""

import re
from dataclasses import dataclass

from kms_schema.validator.rules import Severity

DOCS_URL = ""
"""The address where the site of this documentation is published: not decided yet, so reports have no links."""

_ADDRESS = re.compile(r"(https?://[^\s/@\"'<>\\]+|file://)(/[^\s@\"'<>\\]*)?", re.ASCII)


@dataclass(frozen=True)
class Layout:
    """The layout of a report: the severity that fails, and the abilities of the terminal; `width` is None without one.

    `docs_url` is the address of a copy of the documentation; with it a report links each code to its page. Raises
    `ValueError` for an address that is not http, https or file, or that contains a user name or a password.

        render(report, "sarif", Layout(docs_url="https://docs.example/kms-schema"))
    """

    fail_on: Severity = Severity.ERROR
    colour: bool = False
    width: int | None = None
    docs_url: str = DOCS_URL

    def __post_init__(self) -> None:
        """Check the address."""
        if self.docs_url and not _ADDRESS.fullmatch(self.docs_url):
            raise ValueError(
                "the address of the documentation must be http://…, https://… or file:///…, without a login"
            )

    def help_uri(self, code: str) -> str | None:
        """Return the address of the page of a code, or None if the address of the documentation is not known.

        Layout(docs_url="https://docs.example").help_uri("KMS401") == "https://docs.example/codes/KMS401.html"
        """
        return f"{self.docs_url.rstrip('/')}/codes/{code}.html" if self.docs_url else None


PLAIN = Layout()
"""No colour and no terminal; errors fail a check."""
