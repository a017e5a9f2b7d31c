"""docs/retention.md: each block of commands, run by a shell as it is written, prints what the page shows below it."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms_schema.audit.formats.keys import write_signing_key
from kms_schema.models import KeyAuditRetentionPolicy
from support.engines import Database
from support.engines.postgresql import psycopg_url
from support.engines.programs import REPOSITORY
from support.login_roles import drop_roles
from support.pages import Page
from support.statements import execute
from tests.audit.retaining import Retaining, retaining
from tests.audit.trails import KEY, open_trail
from tests.docs.shell_blocks import run, url_of

PAGE = (REPOSITORY / "docs" / "retention.md").read_text(encoding="utf-8")
_LINES = r"((?:(?!```).*\n)*)```"
BLOCKS = re.findall(rf"^```sh\n{_LINES}\n\n```text\n{_LINES}", PAGE, re.MULTILINE)
(POLICIES,) = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
(ROLES,) = re.findall(r"^```sh\n(kms-schema roles.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def alike(text: str) -> str:
    """Return text with hashes, ids, times and numbers as one: they differ from run to run."""
    text = re.sub(r"^database: .*$", "database: URL", text, flags=re.MULTILINE)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"\b[0-9a-f]{64}\b|[A-Za-z0-9+/]{43}=", "HASH", text)
    return re.sub(r"\d+", "N", re.sub(r"\+[0-9a-f]{8}\b", "+KEY", text))


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Iterator[Retaining]:
    """The preconditions of the page: an audit trail with expired entries, its key, and a folder for archives."""
    (tmp_path / "archive").mkdir()
    write_signing_key(tmp_path / "seal.key", KEY)
    (tmp_path / "keys.txt").write_text(f"{KEY.verifier}\n", encoding="utf-8")
    with retaining(database) as made:
        made.write()
        with closing(database.connect()) as connection, open_trail(connection).reading() as trail:
            first = trail.seals.get(1)
            assert first is not None
            (tmp_path / "kept.txt").write_text(str(first.note()), encoding="utf-8")
        yield made


def url(place: Retaining) -> str:
    return place.retention.url if place.database.dialect == "sqlite" else psycopg_url(sa.make_url(place.retention.url))


def test_no_block_of_the_page_is_left_out() -> None:
    assert PAGE.count("```sh") == len(BLOCKS) + 2, "but the roles, and the benchmark"
    assert PAGE.count("```text") == len(BLOCKS) + 1, "but the line for cron"


def test_the_blocks_print_the_output_on_the_page(place: Retaining, tmp_path: Path) -> None:
    for block, shown in BLOCKS:
        said = run(block, tmp_path, KMS_DATABASE_URL=url(place), SOURCE=str(REPOSITORY))
        assert alike(said) == alike(shown), block


def test_the_policies_of_the_page(database: Database) -> None:
    with closing(database.connect()) as connection:
        for statement in POLICIES.split(";")[:-1]:
            execute(connection, statement)
    engine = database.engine()
    with sa.orm.Session(engine) as session:
        (policy,) = session.scalars(sa.select(KeyAuditRetentionPolicy))
        assert (policy.event_category, policy.retention_period_days) == ("SECURITY", 3650)
    engine.dispose()


@pytest.mark.only_on("postgresql")
def test_the_roles_of_the_page(database: Database, tmp_path: Path) -> None:
    with closing(database.connect()) as connection:
        execute(connection, "CREATE ROLE retention_job")
        try:
            run(ROLES, tmp_path, ADMIN_URL=url_of(database))
            query = "SELECT pg_has_role('retention_job', 'kms_retention', 'MEMBER')"
            assert execute(connection, query).fetchone() == (True,)
        finally:
            rows = execute(connection, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'kms\\_%'").fetchall()
            drop_roles(connection, "retention_job", *(name for (name,) in rows if not name.startswith("kms_test")))


def test_rules_of_the_page_are_there() -> None:
    assert Page("retention.md").unknown_rules() == []
