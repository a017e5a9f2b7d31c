"""The command line of the checks; `scripts/test_migrations.py` is its thin face."""

import sys
from pathlib import Path

import click
from alembic.config import Config
from alembic.script import ScriptDirectory

from tools.migration_checks import check_history
from tools.migration_checks.checksums import ChecksumChangeError, update_checksums


@click.command()
@click.option(
    "--config",
    "alembic_ini",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default="alembic.ini",
    help="The alembic.ini of the history to check.",
)
@click.option(
    "--update-checksums",
    "updating",
    is_flag=True,
    help="Write down the checksums of revisions and SQL files as they are now, then check.",
)
def main(alembic_ini: Path, *, updating: bool) -> None:
    """Check the migration history without a database server. Exit status: 0 in order, 1 not.

    \b
    Example:
        python scripts/test_migrations.py
    """
    if updating:
        try:
            changed = update_checksums(ScriptDirectory.from_config(Config(str(alembic_ini))))
        except ChecksumChangeError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"checksums written; new, changed or gone: {', '.join(changed) or 'none'}")
    failed = 0
    for result in check_history(alembic_ini):
        click.echo(str(result))
        failed += bool(result.problems)
    click.echo("the history is in order" if not failed else f"{failed} of these checks failed")
    sys.exit(1 if failed else 0)
