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
from kms_schema.database.url import redact

INTERRUPTED = 130


@dataclass(frozen=True)
class Files:
    """The files of the results, besides standard output."""

    json: Path | None
    markdown: Path | None
    chart: Path | None

    def refuse_missing_folders(self) -> None:
        """Check the folders before the measurements. Raises `UsageError` if one is missing."""
        for path in (self.json, self.markdown, self.chart):
            if path is not None and not path.resolve().parent.is_dir():
                raise click.UsageError(f"there is no folder {path.resolve().parent} to write {path.name} to")


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--only", multiple=True, metavar="NUMBER", type=click.Choice([target.number for target in TARGETS]),
    help="Measure this target, P1 to P21; repeatable.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice([*SCALES]), metavar="[small|medium|full]", default="small", show_default=True,
    help="0.1, 1 or 10 million audit entries.",
)  # fmt: skip
@click.option("--engine", default="postgresql-18", show_default=True, help="sqlite, or a PostgreSQL to start.")
@click.option("--database-url", metavar="URL", help="A PostgreSQL server; needs CREATEDB.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the rows.")
@click.option("--repetitions", type=click.IntRange(1), default=11, show_default=True, help="Runs of each operation.")
@click.option("--foreign-tables", type=click.IntRange(0), default=0, show_default=True,
    help="Additional tables of a host, for P7.")  # fmt: skip
@click.option("--json", "json_file", type=_FILE, help="Write times and machine to a file.")
@click.option("--markdown", "markdown_file", type=_FILE, help="Write the table to a page.")
@click.option("--chart", "chart_file", type=_FILE, help="Write the cost curves as SVG.")
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
    """Measure the performance targets, in databases that are created for it and dropped.

    Without a URL, a PostgreSQL server is started whose commits reach the disk. With a URL, databases named
    kms_benchmark_… are created on that server; a URL whose database contains keys or audit entries is refused.

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
            listed = ", ".join(f"{name}={value}" for name, value in settings().items())
            _report(f"started {opened.name} with {listed}")
        places = Places(opened, options, _report)
        cleanup.places = places
        with closing(places):
            run = {**places.described(described), **_options_of(options)}
            try:
                for target in chosen:
                    _report(f"{target.number}: {target.what}")
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


def _options_of(options: Options) -> dict[str, Any]:
    """Return the command, date and options of a run."""
    return {
        "command": _command(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "scale": options.scale.name,
        "seed": options.seed,
        "repetitions": options.repetitions,
        "seconds": {},
    }


def _report(what: str) -> None:
    """Report on standard error the step that runs: one line for steps of seconds to minutes."""
    clear()
    click.echo(what, err=True)


def _command() -> str:
    """Return the command line, without passwords."""
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
    """Return the path of the chart relative to the page."""
    if picture is None or not curves:
        return None
    return os.path.relpath(picture.resolve(), page.resolve().parent).replace(os.sep, "/")


class _interruptible:  # noqa: N801  (a context manager, used like a function)
    """Turn Ctrl-C and SIGTERM into one line about the dropped databases, and exit status 130."""

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
