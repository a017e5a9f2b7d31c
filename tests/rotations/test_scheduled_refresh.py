"""docs/operations.md: pg_cron refreshes the views as the sealer, by the statements of the page.

The server is one of the tests' own, whatever engines were chosen: the extension is packed for few versions.
"""

import re
import time
from contextlib import closing

import pytest
import sqlalchemy as sa

from support.engines import EngineUnavailableError
from support.engines.pg_cron import start_with_pg_cron
from support.engines.programs import REPOSITORY
from support.login_roles import login
from support.rows.smallest import active_key_master, insert
from support.statements import execute

PAGE = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
(BLOCK,) = re.findall(r"^```sql\n(CREATE EXTENSION .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SECONDS = 60


def test_pg_cron_refreshes_the_views_as_documented() -> None:
    """But for the schedule, which would have the test wait for five minutes."""
    try:
        server = start_with_pg_cron()
    except EngineUnavailableError as error:
        pytest.fail(str(error), pytrace=False)
    with closing(server):
        database = server.create()
        database.alembic("upgrade", "head")
        with login(database, "EXECUTE ON FUNCTION refresh_key_views()") as sealer:
            names = {"kms": sa.make_url(database.url).database, "sealer": sa.make_url(sealer.url).username}
            with closing(server.administer()) as administrator:
                script = BLOCK.replace("'*/5 * * * *'", "'1 second'").replace("kms.refresh", "public.refresh")
                for word, name in names.items():
                    script = script.replace(f"'{word}'", f"'{name}'")
                for _ in range(2):  # a second time it changes nothing
                    administrator.execute(script.encode())
                with closing(database.connect()) as connection:
                    insert(connection, "key_masters", **active_key_master())
                    deadline = time.monotonic() + SECONDS
                    query = "SELECT sum(key_count) FROM key_management_dashboard"
                    while execute(connection, query).fetchone() != (1,):
                        runs = administrator.execute(
                            "SELECT status, return_message FROM cron.job_run_details"
                        ).fetchall()
                        assert time.monotonic() < deadline, runs
                        time.sleep(0.2)
                assert administrator.execute("SELECT count(*) FROM cron.job").fetchone() == (1,)
                # The job stays: a run that is ending counts as failed if it is removed meanwhile.
                statuses = "SELECT status FROM cron.job_run_details WHERE status NOT IN ('starting', 'running')"
                deadline = time.monotonic() + SECONDS
                while not (found := administrator.execute(statuses).fetchall()) and time.monotonic() < deadline:
                    time.sleep(0.2)
                assert set(found) == {("succeeded",)}
