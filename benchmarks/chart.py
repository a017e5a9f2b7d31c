"""The cost of each operation over histories of increasing length, as an SVG in light and dark colours.

Both axes are logarithmic, since costs range from tenths of a millisecond to seconds. A flat line is a cost that does
not depend on the history; a line that rises a decade with each decade of entries reads all of it.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

from benchmarks.targets import Curve

WIDTH, HEIGHT = 820, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 540, 50, 390
COLOURS = (
    ("#0b62c4", "#6cb2ff"),
    ("#b3261e", "#ff8a80"),
    ("#1b7f3b", "#6fd38c"),
    ("#8a4fbf", "#cfa2ff"),
    ("#a15c00", "#ffb95c"),
)
"""The colours of the curves on white and on black; markers distinguish them, too."""
MARKERS = ("circle", "square", "triangle", "diamond", "cross")
LEAST_BETWEEN = 17
"""Pixels between the labels of two curves."""


def chart(curves: Sequence[Curve]) -> str:
    """Return the SVG; without curves, one that says so."""
    drawn = [curve for curve in curves if curve.milliseconds]
    parts = [
        _head(),
        f'<text class="title" x="{LEFT}" y="28">Cost of one operation by the length of the history</text>',
    ]
    if drawn:
        axes = _Axes(drawn)
        parts += axes.drawn()
        labels = _spread([axes.y([*curve.milliseconds.values()][-1]) for curve in drawn])
        for number, (curve, label) in enumerate(zip(drawn, labels, strict=True)):
            parts += _curve(axes, curve, number, label)
    else:
        parts.append(f'<text x="{LEFT}" y="{TOP + 30}">None of the targets that were measured has a curve.</text>')
    return "\n".join([*parts, "</svg>", ""])


class _Axes:
    """Both axes, over whole decades."""

    def __init__(self, curves: Sequence[Curve]) -> None:
        entries = [count for curve in curves for count in curve.milliseconds]
        costs = [cost for curve in curves for cost in curve.milliseconds.values()]
        self.from_x, self.to_x = (
            floor(log10(min(entries))),
            max(ceil(log10(max(entries))), floor(log10(min(entries))) + 1),
        )
        self.from_y, self.to_y = floor(log10(min(costs))), ceil(log10(max(costs)) + 1e-9)

    def x(self, entries: float) -> float:
        return LEFT + (log10(entries) - self.from_x) / (self.to_x - self.from_x) * (RIGHT - LEFT)

    def y(self, milliseconds: float) -> float:
        share = (log10(milliseconds) - self.from_y) / max(self.to_y - self.from_y, 1)
        return BOTTOM - share * (BOTTOM - TOP)

    def drawn(self) -> list[str]:
        parts = []
        for decade in range(self.from_y, self.to_y + 1):
            y = self.y(10**decade)
            parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_duration(decade)}</text>'
            )
        for decade in range(self.from_x, self.to_x + 1):
            x = self.x(10**decade)
            parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{BOTTOM}"/>')
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{_count(decade)}</text>'
            )
        middle = (LEFT + RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{BOTTOM + 38}" text-anchor="middle">audit entries in the database</text>')
        return parts


def _curve(axes: _Axes, curve: Curve, number: int, label: float) -> list[str]:
    points = [(axes.x(entries), axes.y(cost)) for entries, cost in curve.milliseconds.items()]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    shape = MARKERS[number % len(MARKERS)]
    x, y = points[-1]
    last = [*curve.milliseconds.values()][-1]
    return [
        f'<g class="curve c{number % len(COLOURS)}">',
        f'<polyline points="{path}"/>',
        *(_marker(shape, *point) for point in points),
        f'<line class="leader" x1="{x + 6:.1f}" y1="{y:.1f}" x2="{RIGHT + 16}" y2="{label:.1f}"/>',
        f'<text x="{RIGHT + 20}" y="{label + 4:.1f}">{escape(curve.name)}, {_spelled(last)}</text>',
        "</g>",
    ]


def _marker(shape: str, x: float, y: float) -> str:
    outlines: dict[str, list[tuple[float, float]]] = {
        "square": [(-4, -4), (4, -4), (4, 4), (-4, 4)],
        "triangle": [(0, -5), (5, 4), (-5, 4)],
        "diamond": [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)],
        "cross": [
            (-5, -2), (-2, -2), (-2, -5), (2, -5), (2, -2), (5, -2),
            (5, 2), (2, 2), (2, 5), (-2, 5), (-2, 2), (-5, 2),
        ],
    }  # fmt: skip
    if shape not in outlines:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    corners = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in outlines[shape])
    return f'<polygon points="{corners}"/>'


def _spread(places: Sequence[float]) -> list[float]:
    """Move the labels of curves that end close together apart, in their order."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + LEAST_BETWEEN)
    beyond = max(0.0, max(moved) - (BOTTOM + 10))
    return [place - beyond for place in moved]


def _duration(decade: int) -> str:
    return f"{10 ** (decade - 3):g} s" if decade >= 3 else f"{10.0**decade:g} ms"


def _count(decade: int) -> str:
    return f"{10 ** (decade % 3)}{('', ' k', ' M', ' G')[decade // 3]}"


def _spelled(milliseconds: float) -> str:
    if milliseconds >= 1_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2f} ms"


def _head() -> str:
    by_day = "\n".join(f".c{number} {{ --ink: {day}; }}" for number, (day, _) in enumerate(COLOURS))
    by_night = "\n".join(f".c{number} {{ --ink: {night}; }}" for number, (_, night) in enumerate(COLOURS))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">
<style>
svg {{ background: #ffffff; font: 13px system-ui, sans-serif; }}
text {{ fill: #1f2328; }}
.title {{ font-size: 16px; font-weight: 600; }}
.tick {{ fill: #59636e; font-size: 12px; }}
.grid {{ stroke: #d1d9e0; stroke-width: 1; }}
{by_day}
.curve polyline {{ fill: none; stroke: var(--ink); stroke-width: 2.5; }}
.curve circle, .curve polygon, .curve text {{ fill: var(--ink); }}
.leader {{ stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 3; }}
@media (prefers-color-scheme: dark) {{
svg {{ background: #0d1117; }}
text {{ fill: #f0f6fc; }}
.tick {{ fill: #9198a1; }}
.grid {{ stroke: #3d444d; }}
{by_night}
}}
</style>"""
