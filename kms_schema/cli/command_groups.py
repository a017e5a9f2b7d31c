"""The commands of the program: those of the kernel, and the groups that entry points of installed distributions name.

`NAME = "MODULE:TABLE"` in the group `kms_schema.commands` adds the commands of a table. Their files are read as they
are: `importlib.metadata` takes 40 ms to import, half the time of `--help`. Other distributions than those whose names
begin as ours add nothing, and none replaces a command of the kernel.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from kms_schema.cli.lazy_group import Lazy, load

_SECTION = re.compile(
    r"""^\[(?:project\.entry-points\.")?kms_schema\.commands"?\]\n(.*?)(?=^\[|\Z)""", re.DOTALL | re.M
)
_ENTRY = re.compile(r"""^[\w-]+ *= *"?(kms_schema[\w.]*:\w+)""", re.M)


class Commands(Mapping[str, Lazy]):
    """Commands by name; the entry points are read when a command is none of the kernel's, and for a listing."""

    def __init__(self, kernel: Mapping[str, Lazy]) -> None:
        """Take the commands of the kernel."""
        self._kernel = kernel

    def __getitem__(self, name: str) -> Lazy:
        """Return a command. Raises `KeyError`."""
        return self._kernel[name] if name in self._kernel else self._all[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all commands."""
        return iter(self._all)

    def __len__(self) -> int:
        """Return how many commands there are."""
        return len(self._all)

    @cached_property
    def _all(self) -> dict[str, Lazy]:
        found: dict[str, Lazy] = {}
        for place in sorted(set(entries())):
            try:
                found |= load(place)
            except ModuleNotFoundError as error:  # a wheel that was built without the group
                if error.name is None or not place.startswith(error.name):
                    raise
        return found | dict(self._kernel)


def entries() -> Iterator[str]:
    """Yield the place of each table. An entry of a checkout and of its installation comes twice.

    assert "kms_schema.cli.keys:IN_PROGRAM" in entries()
    """
    checkout = Path(__file__).parents[2] / "pyproject.toml"
    installed = (file for each in sys.path for file in Path(each).glob("kms_schema*.dist-info/entry_points.txt"))
    for file in (checkout, *installed):
        with suppress(OSError):
            for section in _SECTION.findall(file.read_text(encoding="utf-8")):
                yield from _ENTRY.findall(section)
