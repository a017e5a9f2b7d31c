"""Draws a Mermaid `erDiagram` as SVG, in the colours of the page: the site requests no script that would.

Tables that others refer to are on the left, those with foreign keys on the right, and all others below. A foreign key
ends at its columns, with a crow's foot for many rows, and says what deleting the row that it refers to does. It begins
at the table that it refers to, with a circle if it may be null.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

WIDTH, ROW, TITLE = 222, 18, 24
"""The width of a table, and the heights of a column and of the name of a table, in pixels."""
LEFT, BETWEEN, BELOW = 104, 136, 26
"""The room before the tables on the left, between them and those on the right, and below each table."""
LANE, FIRST_LANE = 11, 66
"""The distance of two vertical lines, and of the first one from the table, which leaves room for the action."""

_TABLE = re.compile(r"^ +(\w+) \{\n(.*?)^ +\}$", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r'^ +(\w+) (\S+?)--\S+ (\w+) : "(.+?)<br>(.+?)"$', re.MULTILINE)


@dataclass
class _Table:
    name: str
    columns: list[str]
    x: float = 0
    y: float = 0

    @property
    def height(self) -> int:
        return TITLE + ROW * len(self.columns) + 6

    def port(self, column: str) -> float:
        """Return the height of a column's line."""
        names = [each.split()[1] for each in self.columns]
        return self.y + TITLE + ROW * (names.index(column) + 0.6)


@dataclass
class _Key:
    parent: _Table
    child: _Table
    columns: list[str]
    optional: bool
    action: str


def drawn(mermaid: str) -> str:
    """Return the SVG of a diagram. Raises `KeyError` if a foreign key names no table, `ValueError` if no column."""
    tables = {
        name: _Table(name, [line.strip() for line in text.splitlines()]) for name, text in _TABLE.findall(mermaid)
    }
    keys = [
        _Key(tables[parent], tables[child], columns.split(", "), end.endswith("o"), action)
        for parent, end, child, columns, action in _KEY.findall(mermaid)
    ]
    height = _place(list(tables.values()), keys)
    width = LEFT + 2 * WIDTH + BETWEEN + LEFT
    parts = [line for key, lane in _lanes(keys) for line in _line(key, lane)]
    parts += [line for table in tables.values() for line in _box(table)]
    body = "\n".join(parts)
    return (
        f'<svg class="diagram" role="img" aria-label="The tables and their foreign keys" width="{width}"'
        f' height="{height:.0f}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>'
    )


def _place(tables: list[_Table], keys: list[_Key]) -> float:
    """Give each table its place, and return the height of all."""
    children = [key.child for key in keys if key.child is not key.parent]
    right = [table for table in tables if table in children]
    left = [table for table in tables if table not in right and any(key.parent is table for key in keys)]
    others = [table for table in tables if table not in right and table not in left]
    heights = [2.0, 2.0]
    for side, group in enumerate((left, right)):
        for table in group:
            table.x, table.y = LEFT + side * (WIDTH + BETWEEN), heights[side]
            heights[side] += table.height + BELOW
    heights = [max(heights)] * 2
    for table in others:
        side = heights.index(min(heights))
        table.x, table.y = LEFT + side * (WIDTH + BETWEEN), heights[side]
        heights[side] += table.height + BELOW
    return max(heights) - BELOW + 2


def _lanes(keys: list[_Key]) -> Iterator[tuple[_Key, int]]:
    """Yield each key with the number of its vertical line among those of the same side."""
    used: dict[tuple[float, float], int] = {}
    for key in keys:
        side = (key.parent.x, key.child.x)
        yield key, used.setdefault(side, 0)
        used[side] += 1


def _line(key: _Key, lane: int) -> Iterator[str]:
    beside = key.parent.x == key.child.x  # both are on one side: the line is outside of the tables
    outwards = 1 if key.child.x > LEFT and beside else -1  # where the line leaves the child
    edge = key.child.x + (WIDTH if outwards > 0 else 0)
    x = edge + outwards * (FIRST_LANE + lane * LANE)
    start = key.parent.x + (WIDTH if outwards > 0 or not beside else 0)
    y, end = key.parent.y + 12 + lane * 10, key.child.port(key.columns[-1])
    mark = f'<circle cx="{start + (6 if start < x else -6)}" cy="{y}" r="4"/>'
    yield f'<path d="M{start} {y}H{x}V{end}H{edge}"/>' + (mark if key.optional else "")
    yield f'<path d="M{edge} {end - 5}l{outwards * 9} 5l{-outwards * 9} 5"/>'
    anchor = "start" if outwards > 0 else "end"
    place = f'text-anchor="{anchor}" x="{edge + outwards * 4}" y="{end - 6}"'
    yield f'<text class="action" {place}>{escape(key.action)}</text>'


def _box(table: _Table) -> Iterator[str]:
    yield f'<rect x="{table.x}" y="{table.y}" width="{WIDTH}" height="{table.height}" rx="3"/>'
    yield f'<text class="table" x="{table.x + 8}" y="{table.y + 17}">{escape(table.name)}</text>'
    for number, column in enumerate(table.columns, 1):
        kind, name, *rest = column.split(maxsplit=2)
        marks = " ".join(rest)  # PK, FK, UK, or the columns with which it is unique
        y = table.y + TITLE + ROW * number - 4
        yield f'<text x="{table.x + 8}" y="{y}">{escape(name)}<title>{escape(f"{kind} {marks}")}</title></text>'
        shown = kind if marks.startswith('"') else f"{marks} {kind}".strip()
        yield f'<text class="kind" text-anchor="end" x="{table.x + WIDTH - 8}" y="{y}">{escape(shown)}</text>'
