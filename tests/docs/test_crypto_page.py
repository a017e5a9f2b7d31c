"""docs/crypto.md: its commands and its example, run as written, and what it says of the bytes."""

import json
import re
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kms_schema.crypto import EnvelopeFormat, RootKeys, bindings
from support.engines import Database
from support.engines.programs import REPOSITORY
from support.statements import execute

PAGE = (REPOSITORY / "docs" / "crypto.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_example_works(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["sh", "-c", block("sh")], check=True)
    assert stat.S_IMODE(Path("root-2026.key").stat().st_mode) == 0o600
    code = block("python")
    assert code.count('"sqlite:///kms.db"') == 1
    done: dict[str, Any] = {}
    exec(compile(code.replace("sqlite:///kms.db", database.url), "crypto.md", "exec"), done)  # noqa: S102
    done["engine"].dispose()
    assert done["pin"] == "0000-1234"
    assert len(done["ciphertext"]) == len(b"an order") + 16
    assert repr(done["material"]) == "<Secret, wiped>"
    with closing(database.connect()) as connection:
        wrapped = execute(
            connection, "SELECT count(wrapping_key_ref), count(wrapped_by_version_id) FROM key_versions"
        ).fetchone()
        assert tuple(wrapped) == (1, 1)


def test_the_metadata_is_as_the_page_has_it() -> None:
    assert json.loads(block("json")) == bindings.metadata(EnvelopeFormat.AES_256_GCM)


def test_a_root_key_is_the_output_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["sh", "-c", block("sh")], check=True)
    with RootKeys.from_files({"kms://root-2026": "root-2026.key"}) as keys:
        assert "kms://root-2026" in keys


def test_models_and_validator_load_no_encryption() -> None:
    loaded = (
        "import sys, kms_schema.validator, kms_schema.models, kms_schema.envelope_format;"
        "print([name for name in sys.modules if name.startswith(('cryptography', 'kms_schema.crypto'))])"
    )
    done = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
