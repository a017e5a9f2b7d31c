"""The messages of the page on troubleshooting are those of the code."""

import ast
import re

import pytest

from support.engines.programs import REPOSITORY
from support.programs.commands import kms_schema

PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text("utf-8")
MESSAGES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def texts() -> str:
    """All texts of the modules that raise errors; a value in one is an ellipsis."""
    package = REPOSITORY / "kms_schema"
    files = [
        file
        for part in ("cli", "crypto", "database", "files", "keyring", "migrate", "pkcs11", "sql")
        for file in (package / part).rglob("*.py")
    ]
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 8


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_in_the_code(message: str, texts: str) -> None:
    """Up to its last value, which the code may add in another place."""
    fixed = message.removesuffix("…").strip()
    assert fixed in texts


@pytest.mark.parametrize("command", ["upgrade", "validate", "audit status", "keys list", "keys show orders"])
def test_a_connection_that_fails_has_one_wording(command: str) -> None:
    url = "postgresql://alice@127.0.0.1:1/kms"
    said = kms_schema(*command.split(), url=url)
    assert (said.status, said.error.startswith(f"Error: cannot connect to {url}: connection failed")) == (3, True)
