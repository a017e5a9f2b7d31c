"""The requests to the network that reading a page of the site causes: no page may make one."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

_ADDRESS = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
_IN_SCRIPTS = re.compile(
    r"""(?:fetch|import|importScripts|open|WebSocket|EventSource|sendBeacon)\s*\(?\s*["'`]((?:https?:|wss?:)?//[^"'`]+)"""
    r"""|\.(?:src|href)\s*=\s*["'`]((?:https?:)?//[^"'`]+)""",
)
_LOADING = {"src", "srcset", "poster", "data", "action", "background", "xlink:href"}
_LOADED_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}


class _Page(HTMLParser):
    """Collects the addresses that a browser requests for a page; those of links that a reader follows do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        names = _LOADING & values.keys()
        if tag in ("use", "image") or (tag == "link" and _LOADED_LINKS & set(values.get("rel", "").lower().split())):
            names |= {"href"}
        self.addresses += [values[name] for name in names if _ADDRESS.search(values.get(name, "")[:8])]
        self.addresses += _IN_STYLES.findall(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style":
            self.addresses += _IN_STYLES.findall(data)
        elif self.lasttag == "script":
            self.addresses += _of_script(data)


def _of_script(text: str) -> list[str]:
    return [first or second for first, second in _IN_SCRIPTS.findall(text)]


def requested_by(name: str, text: str) -> list[str]:
    """Return the addresses of other hosts that a file requests.

    Parameters:
        name: the name of the file, whose ending says what it is.
        text: its content.

    Raises nothing of its own.

        requested_by("a.html", '<script src="https://example.com/a.js"></script>') == ["https://example.com/a.js"]
    """
    if name.endswith(".css"):
        return _IN_STYLES.findall(text)
    if name.endswith(".js"):
        return _of_script(text)
    page = _Page()
    page.feed(text)
    page.close()
    return page.addresses


def requests_of(site: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of a site with each address of another host that it requests."""
    for file in sorted(site.rglob("*")):
        if file.suffix in {".html", ".css", ".js", ".svg"}:
            for address in requested_by(file.name, file.read_text("utf-8")):
                yield file, address
