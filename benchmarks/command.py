"""The command line of the benchmark."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.targets import TARGETS, Measured, Options, Scale, Target


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice([target.number for target in TARGETS]), help="Measure these; else all."
)
@click.option("--engine", default="postgresql-18", show_default=True, help="sqlite, or the PostgreSQL to start.")
@click.option(
    "--database-url", metavar="URL", help="A PostgreSQL server instead; the role must be allowed to create databases."
)
@click.option("--repetitions", type=click.IntRange(1), default=15, show_default=True, help="How often to run each.")
@click.option(
    "--foreign-tables", type=click.IntRange(0), default=0, show_default=True, help="Tables of a host's beside ours."
)
@click.option(
    "--scale", type=click.Choice(["small", "medium", "full"]), default="small", show_default=True,
    help="How much audit history there is: 100 thousand, a million, or ten million entries.",
)  # fmt: skip
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write all times to this file.")
def main(  # noqa: PLR0913, PLR0917  (click passes each option by name)
    only: tuple[str, ...],
    engine: str,
    database_url: str | None,
    repetitions: int,
    foreign_tables: int,
    scale: Scale,
    file: Path | None,
) -> None:
    """Measure what is promised about speed, in a database that is made for it and dropped. Exit status: 0 all targets
    are met, 1 not.

    \b
    Example:
        python scripts/benchmark.py --only P7 --engine postgresql-15
        python scripts/benchmark.py --only P4 --scale medium
    """
    options = Options(engine, database_url, repetitions, foreign_tables, scale)
    chosen = [target for target in TARGETS if not only or target.number in only]
    measured = [(target, each) for target in chosen for each in target.measure(options)]
    click.echo(table(measured))
    if file is not None:
        file.write_text(json.dumps(document(measured), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.exit(int(not all(result.met for _, result in measured)))


def table(measured: list[tuple[Target, Measured]]) -> str:
    """Return the results as Markdown: medians, and in brackets the least, in milliseconds."""
    lines = ["| # | what | engine | target | measured | median (least), ms |", "|---|---|---|---|---|---|"]
    for target, result in measured:
        times = ", ".join(f"{name} {each.median:.0f} ({each.least:.0f})" for name, each in result.times.items())
        number = f"{result.value:.2f}" if result.value < 100 else f"{result.value:.0f}"
        lines.append(
            f"| {target.number} | {result.what} | {result.engine} | {result.limit} | {number}{result.limit.unit} |"
            f" {times} |"
        )
    return "\n".join(lines)


def document(measured: list[tuple[Target, Measured]]) -> list[dict[str, Any]]:
    """Return the results as JSON has them, with every single time."""
    return [
        {
            "target": target.number,
            "what": result.what,
            "engine": result.engine,
            "limit": str(result.limit),
            "met": result.met,
            "measured": result.value,
            "milliseconds": {name: each.milliseconds for name, each in result.times.items()},
        }
        for target, result in measured
    ]
