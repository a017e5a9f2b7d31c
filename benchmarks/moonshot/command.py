"""The command line of the run under load."""

import json
import shlex
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.machine import described
from benchmarks.moonshot.clients import Load
from benchmarks.moonshot.journey import MOVED_TIMES, HarnessError, Journey
from benchmarks.places import Options, Places
from benchmarks.scales import SCALES
from benchmarks.servers import open_engine
from kms_schema.database.url import redact


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--rows", type=click.IntRange(100), default=10_000, show_default=True, help="Rows of the application.")
@click.option("--readers", type=click.IntRange(1, 100), default=2, show_default=True, help="Processes that read.")
@click.option("--writers", type=click.IntRange(0, 100), default=1, show_default=True, help="Processes that write.")
@click.option("--pause", type=click.FloatRange(0), default=0.005, show_default=True, metavar="SECONDS",
    help="Between two statements of a client.")  # fmt: skip
@click.option("--kills", type=click.IntRange(0, 1000), default=10, show_default=True, help="Of each command.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=500, show_default=True, help="Rows in a transaction.")
@click.option("--engine", default="postgresql-18", show_default=True, help="sqlite, or a PostgreSQL to start.")
@click.option("--database-url", metavar="URL", help="A PostgreSQL server; needs CREATEDB.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which rows clients choose.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write figures to a file.")
def main(  # noqa: PLR0913, PLR0917  (click passes each option by name)
    rows: int,
    readers: int,
    writers: int,
    pause: float,
    kills: int,
    batch: int,
    engine: str,
    database_url: str | None,
    seed: int,
    json_file: Path | None,
) -> None:
    """Rotate a key that is due, re-encrypt its values and destroy its old version, while clients read and write.

    Readers are processes with rings of their own that try nothing again. The worker and reencrypt are killed with
    SIGKILL on their way. Before the run a version is destroyed too early: if no read fails then, nothing is counted,
    and that is an error. Works in a database that is created for it and dropped.

    Exit status: 0 no decryption failed and no row is left, 1 otherwise, 2 usage, or refused, 3 cannot connect.

    \b
    Examples:
        python scripts/moonshot.py --rows 100000
        python scripts/moonshot.py --rows 10000 --engine sqlite --json result.json
    """
    began = datetime.now(UTC)
    with (
        closing(open_engine(engine, database_url)) as opened,
        closing(Places(opened, Options(SCALES["tiny"], 1, seed), _report)) as places,
        TemporaryDirectory() as folder,
    ):
        run = places.described(described)
        _report(f"two times are moved: {MOVED_TIMES}")
        with places.empty() as database:
            try:
                journey = Journey(
                    database, Path(folder), rows, Load(readers, writers, pause, seed), kills, batch=batch,
                    report=_report,
                )  # fmt: skip
                done = journey.run()
            except HarnessError as error:
                raise click.ClickException(str(error)) from None
    if json_file is not None:
        words = [word if "://" not in word else redact(word) for word in sys.argv[1:]]
        more = {**run, "command": shlex.join(["python", "scripts/moonshot.py", *words]), "moved_times": MOVED_TIMES}
        document = done.document({**more, "date": began.strftime("%Y-%m-%d")})
        json_file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(str(done))
    click.echo(", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.seconds.items()))
    sys.exit(0 if done.met else 1)


def _report(sentence: str) -> None:
    click.echo(sentence, err=True)
