"""Claims about this schema from before any measurement, compared with the results of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.targets import Measured


@dataclass(frozen=True)
class Claim:
    """A claim, and the target whose measurements test it."""

    words: str
    target: str
    found: Callable[[Sequence[Measured]], str]
    """Describes the measurements of the target."""


def count(number: float) -> str:
    """Return a number with separated thousands."""
    return f"{number:,.0f}".replace(",", " ")


def _dashboard(results: Sequence[Measured]) -> str:
    dashboard, *pages = (each.value for each in results if each.limit is not None)
    page = f"of the slower page of the health monitor in {max(pages):.1f} ms"
    return f"95 of 100 reads of the dashboard in {dashboard:.1f} ms, {page}"


def _handled(results: Sequence[Measured]) -> str:
    costs = [cost for each in results if each.curve is not None for cost in sorted(each.curve.milliseconds.items())]
    return f"to seal a thousand more takes {', '.join(f'{cost:.1f} ms among {count(many)}' for many, cost in costs)}"


def _faster(results: Sequence[Measured]) -> str:
    times = sorted(each.value for each in results if each.limit is not None and each.limit.value > 1)
    return (
        f"{sum(each >= 3 for each in times)} of the {len(times)} queries whose index came after 004: 3 times and more;"
        f" half of them {count(median(times))} times and more; the least {times[0]:.1f} times"
    )


def _saved(results: Sequence[Measured]) -> str:
    saved = sorted(100 * (1 - each.value) for each in results if each.limit is not None)
    return f"{median(saved):.0f} % by half of the {len(saved)} and more; the least {saved[0]:.0f} %"


def _share(results: Sequence[Measured]) -> str:
    return ", ".join(f"{100 * each.value:.0f} % of `{each.sizes.table}`" for each in results if each.sizes is not None)


CLAIMS = (
    Claim("Dashboards in less than 50 ms", "P1", _dashboard),
    Claim("100 000 audit events and more, 1 million a year planned for", "P5", _handled),
    Claim("Covering and partial indexes make queries 3 to 5 times faster", "P8", _faster),
    Claim("Partial indexes save 60 to 80 % of the storage", "P9", _saved),
    Claim("Indexes take 20 to 30 % of the size of the table", "P9", _share),
)
"""From the description of the original system."""
