"""Settings of a role or a database that limit or convert what clients do: none stops sealing or verification."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kms_schema.audit.retention.archive import sha256_of
from kms_schema.audit.standalone import check_audit
from support.client_settings import RENDERING
from support.statements import execute
from tests.audit.aged import age
from tests.audit.retaining import EXPIRED, YEARS, Retaining
from tests.audit.trails import KEY, seal_all, verified, write

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

LIMITS = {"idle_in_transaction_session_timeout": "100ms", "transaction_timeout": "200ms", "statement_timeout": "20ms"}
SLOW = 0.3
HASH_OF_ENTRY = """SELECT additional_metadata ->> 'archive_sha256' FROM key_audit_logs WHERE event_type = 'TRAIL_CUT'"""


@pytest.mark.parametrize("settings", [LIMITS, RENDERING], ids=["limits", "rendering"])
def test_what_is_set_for_clients_stops_no_seal_and_no_retention(
    place: Retaining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    """The check of an archive takes longer here than a snapshot may be idle."""
    with closing(place.database.connect()) as connection:
        write(connection, EXPIRED)
        age(place.database, YEARS)
        ((name,),) = execute(connection, "SELECT current_database()").fetchall()
        known = {setting for (setting,) in execute(connection, "SELECT name FROM pg_settings").fetchall()}
        for setting in settings.keys() & known:
            value = settings[setting]
            execute(connection, f"ALTER DATABASE {name} SET {setting} = " + (value if "," in value else f"'{value}'"))
    check = check_audit.check_archive

    def slow(*arguments: Any, **options: Any) -> check_audit.Archive:
        time.sleep(SLOW)
        return check(*arguments, **options)

    monkeypatch.setattr(check_audit, "check_archive", slow)
    try:
        with closing(place.retention.connect()) as connection:
            assert seal_all(connection)
            (done,) = place.retain(tmp_path)
            verdict = verified(connection, trusted=(KEY.verifier,))
    except psycopg.Error as error:
        pytest.fail(f"ended by a setting: {error}")
    assert done.removed >= EXPIRED
    assert done.archive is not None
    with closing(place.database.connect()) as connection:
        execute(connection, "SET statement_timeout = 0")
        assert execute(connection, HASH_OF_ENTRY).fetchall() == [(sha256_of(done.archive).hex(),)]
    assert (verdict.faults, verdict.removed) == ([], done.removed)
