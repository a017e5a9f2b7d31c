"""`kms-schema refresh`: refresh the views and the use of keys."""

from collections.abc import Iterator

import click

from kms_schema.cli import messages
from kms_schema.cli.openers import as_connection, opened
from kms_schema.cli.options import Common, lock_wait_option, style_option, where, with_common
from kms_schema.cli.results import print_json
from kms_schema.rotations.refresh import Refreshed, refresh
from kms_schema.text.printable import in_a_line


@click.command(
    "refresh",
    epilog="\b\nExamples:\n  kms-schema refresh\n  */5 * * * *  kms-schema refresh -q --database-url postgresql+psycopg://…",
)
@with_common(lock_wait_option, where, style_option)
def refresh_command(common: Common) -> None:
    """Refresh the dashboard, the health monitor, and the lifetime use of keys; readers and writers do not wait.

    Run this from cron, on any number of hosts: one session refreshes, the others wait for it and do nothing. On
    PostgreSQL the login needs a role that may call refresh_key_views(), such as kms_sealer. The views of SQLite are
    never stale. With --quiet only errors are printed, so that cron sends no mail.

    Exit status: 0 done, or done by another session meanwhile; 2 usage, 3 no connection, missing privilege, or a lock
    that another session did not release in time.
    """
    with opened(as_connection(), common, writing=True) as connection:
        done = refresh(connection, common.schema, common.lock_wait)
    if common.style == "json":
        print_json(_document(done))
    else:
        messages.note_result("\n".join(map(in_a_line, _lines(done))))


def _document(done: Refreshed) -> dict[str, object]:
    views = [
        {"view": view.name, "as_of": view.as_of.isoformat(), "milliseconds": view.milliseconds} for view in done.views
    ]
    return {"views": views, "keys_counted": done.keys, "left_to_another_session": done.left_to_another}


def _lines(done: Refreshed) -> Iterator[str]:
    if done.left_to_another:
        yield "another session has refreshed the views: nothing to do"
    if done.keys is not None:
        keys = "1 key" if done.keys == 1 else f"{done.keys} keys"
        yield f"the views of SQLite are never stale; the use of {keys} was updated"
    for view in done.views:
        yield f"{view.name}: as of {view.as_of:%Y-%m-%d %H:%M:%S %Z}, refreshed in {view.milliseconds / 1000:.2f} s"
