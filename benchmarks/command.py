"""The command line of the benchmark."""

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from benchmarks.chart import chart
from benchmarks.machine import described
from benchmarks.places import Options, Places
from benchmarks.report import Result, document, plans, section, table, write_page
from benchmarks.scales import SCALES
from benchmarks.servers import open_engine, settings
from benchmarks.targets import TARGETS, Curve, Target
from kms_schema.cli.progress import clear
from kms_schema.database_url import redact

INTERRUPTED = 130


@dataclass(frozen=True)
class Files:
    """Where results go besides standard output."""

    json: Path | None
    markdown: Path | None
    chart: Path | None

    def refuse_missing_folders(self) -> None:
        """Find out before hours have gone by. Raises `UsageError`."""
        for path in (self.json, self.markdown, self.chart):
            if path is not None and not path.resolve().parent.is_dir():
                raise click.UsageError(f"there is no folder {path.resolve().parent} to write {path.name} to")


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--only", multiple=True, metavar="NUMBER", type=click.Choice([target.number for target in TARGETS]),
    help="Measure this target, P1 to P12; can be given several times. Without it, all.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice([*SCALES]), metavar="[small|medium|full]", default="small", show_default=True,
    help="Up to 100 thousand, a million, or ten million audit entries; 10 or 100 thousand keys.",
)  # fmt: skip
@click.option("--engine", default="postgresql-18", show_default=True, help="sqlite, or the PostgreSQL to start.")
@click.option("--database-url", metavar="URL", help="A PostgreSQL server instead. The role has to have CREATEDB.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed and scale make the same rows.")
@click.option("--repetitions", type=click.IntRange(1), default=11, show_default=True, help="How often to run each.")
@click.option("--foreign-tables", type=click.IntRange(0), default=0, show_default=True,
    help="Tables of a host's beside ours, for P7.")  # fmt: skip
@click.option(
    "--json", "json_file", type=_FILE, help="Write every single time, and on what it was measured, to a file."
)
@click.option("--markdown", "markdown_file", type=_FILE, help="Write the table as a page, or into its place in one.")
@click.option("--chart", "chart_file", type=_FILE, help="Write the curves of cost to an SVG file.")
def main(  # noqa: PLR0913, PLR0917  (click passes each option by name)
    only: tuple[str, ...],
    scale: str,
    engine: str,
    database_url: str | None,
    seed: int,
    repetitions: int,
    foreign_tables: int,
    json_file: Path | None,
    markdown_file: Path | None,
    chart_file: Path | None,
) -> None:
    """Measure what is promised about speed, in databases that are made for it and dropped.

    Without a URL, a PostgreSQL is started whose commits go to the disk. With one, databases named kms_benchmark_… are
    made on that server; a URL whose own database holds keys or audit entries is refused.

    Exit status: 0 all targets are met, 1 not, 2 usage, or refused, 3 cannot connect, 130 interrupted.

    \b
    Examples:
        python scripts/benchmark.py
        python scripts/benchmark.py --only P4 --only P5 --scale medium --json result.json
        python scripts/benchmark.py --database-url postgresql://bench@db.example.com/postgres
    """
    files = Files(json_file, markdown_file, chart_file)
    files.refuse_missing_folders()
    options = Options(SCALES[scale], repetitions, seed, foreign_tables)
    chosen = _chosen(only, on_sqlite=database_url is None and engine.startswith("sqlite"))
    began = time.monotonic()
    results: list[Result] = []
    with _interruptible() as cleanup, closing(open_engine(engine, database_url)) as opened:
        if database_url is None and not opened.name.startswith("sqlite"):
            said = ", ".join(f"{name}={value}" for name, value in settings().items())
            _tell(f"started {opened.name} with {said}")
        places = Places(opened, options, _tell)
        cleanup.places = places
        with closing(places):
            run = {**places.described(described), **_said_of(options)}
            try:
                for target in chosen:
                    _tell(f"{target.number}: {target.what}")
                    since = time.monotonic()
                    results += [(target, each) for each in target.measure(places)]
                    run["seconds"][target.number] = round(time.monotonic() - since, 1)
            finally:  # whatever happens later: what was measured took its time
                if results:
                    _write(files, results, run | {"minutes": (time.monotonic() - began) / 60})
                    click.echo("\n\n".join(filter(None, (table(results), plans(results)))))
    sys.exit(int(any(result.met is False for _, result in results)))


def _chosen(only: Sequence[str], *, on_sqlite: bool) -> list[Target]:
    chosen = [target for target in TARGETS if not only or target.number in only]
    if not on_sqlite:
        return chosen
    postgresql = [target.number for target in chosen if not target.on_sqlite]
    if only and postgresql:
        raise click.UsageError(
            f"{', '.join(postgresql)}: only on PostgreSQL; --engine postgresql-18, or --database-url"
        )
    return [target for target in chosen if target.on_sqlite]


def _said_of(options: Options) -> dict[str, Any]:
    """Return how a run was started, and when."""
    return {
        "command": _command(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "scale": options.scale.name,
        "seed": options.seed,
        "repetitions": options.repetitions,
        "seconds": {},
    }


def _tell(what: str) -> None:
    """Say on standard error what goes on: a line for what takes seconds to minutes."""
    clear()
    click.echo(what, err=True)


def _command() -> str:
    """Return how this was started, as somebody else would start it."""
    words = [word if "://" not in word else redact(word) for word in sys.argv[1:]]
    return shlex.join(["python", "scripts/benchmark.py", *words])


def _write(files: Files, results: Sequence[Result], run: dict[str, Any]) -> None:
    curves = [result.curve for _, result in results if result.curve is not None]
    if files.json is not None:
        files.json.write_text(json.dumps(document(results, run), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if files.chart is not None:
        files.chart.write_text(chart(curves), encoding="utf-8")
    if files.markdown is not None:
        text = section(results, run, _from(files.markdown, files.chart, curves))
        write_page(files.markdown, text, run["server"]["name"])


def _from(page: Path, picture: Path | None, curves: Sequence[Curve]) -> str | None:
    """Return where the chart is, as the page names it."""
    if picture is None or not curves:
        return None
    return os.path.relpath(picture.resolve(), page.resolve().parent).replace(os.sep, "/")


class _interruptible:  # noqa: N801  (a context manager, used like a function)
    """Turn Ctrl-C, and SIGTERM, into one line about what was dropped, and exit status 130."""

    def __init__(self) -> None:
        self.places: Places | None = None

    def __enter__(self) -> "_interruptible":
        signal.signal(signal.SIGTERM, _stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _traceback: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            clear()
            left = [] if self.places is None else self.places.made
            dropped = 0 if self.places is None else self.places.count - len(left)
            click.echo(f"Interrupted: all {dropped} databases that this run had made are dropped", err=True)
            sys.exit(INTERRUPTED)


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
