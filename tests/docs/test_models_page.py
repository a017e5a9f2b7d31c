"""docs/models.md: its example, run as written, and its table."""

import base64
import re
import secrets
from typing import Any

from kms_schema import models
from kms_schema.crypto import RootKeys
from kms_schema.keyring import KeyRing
from support.engines import Database
from support.pages import Page
from tests.keyring.rings import ROOT

PAGE = Page("models.md")


def test_the_example_works(database: Database, tmp_path: Any) -> None:
    root = tmp_path / "root.key"
    root.touch(0o600)
    root.write_bytes(base64.b64encode(secrets.token_bytes(32)))
    with KeyRing(database.engine(), RootKeys.from_files({ROOT: root})) as ring:
        ring.create("orders", under=ROOT)
        ring.rotate("orders")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.text, re.DOTALL)
    done: dict[str, Any] = {}
    exec(compile(code.replace("sqlite:///kms.db", database.url), PAGE.name, "exec"), done)  # noqa: S102
    done["engine"].dispose()
    assert [tuple(row) for row in done["live"]] == [("orders", 2)]
    assert sorted(map(tuple, done["states"])) == [("ended", 1), ("live", 1)]
    assert done["planned"] == []


def test_the_attributes_exist() -> None:
    named = re.findall(r"^\| `(\w+)\.(\w+)` \|", PAGE.text, re.MULTILINE)
    assert len(named) == 8
    assert all(hasattr(getattr(models, model), name) for model, name in named)
