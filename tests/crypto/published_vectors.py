"""The vectors of the folder `published`."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("published")


def read(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return vectors
