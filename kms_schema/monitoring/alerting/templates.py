"""The files for Prometheus, Alertmanager and Grafana, as the package has them."""

import re
from pathlib import Path

_COMMENTS = re.compile(r"^ *## .*\n", re.MULTILINE)
"""Comments about a file that are not written into it."""


def template(name: str) -> str:
    """Return the text of a file of this folder, without the comments that begin with `##`.

    assert template("alertmanager.yml").startswith("# Example for Alertmanager")
    """
    return _COMMENTS.sub("", Path(__file__).with_name(name).read_text(encoding="utf-8"))
