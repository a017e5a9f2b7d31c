"""docs/schema.md: its examples, run as written."""

import re
from contextlib import closing

from support.engines import Database
from support.pages import Page
from support.statements import execute

PAGE = Page("schema.md")


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.text, re.DOTALL)
    return str(found)


def test_the_python_example_works(database: Database) -> None:
    code = example("python")
    assert code.count('"sqlite:///kms.db"') == 1
    exec(compile(code.replace("sqlite:///kms.db", database.url), PAGE.name, "exec"), {})  # noqa: S102
    with closing(database.connect()) as connection:
        row = execute(connection, "SELECT status, activated_at IS NOT NULL FROM key_masters").fetchone()
        assert row == ("active", 1)


def test_the_sql_example_works(database: Database) -> None:
    with closing(database.connect()) as connection:
        connection.execute(example("sql"))
        assert execute(
            connection, "SELECT sequence FROM key_audit_logs WHERE event_type = 'BREAK_GLASS'"
        ).fetchone() == (2,)
