"""What rewrapping costs the database."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from kms_schema.crypto import KeyWrapping, rewrap
from tests.crypto.wrapped_trees import Tree


def test_the_number_of_statements_of_a_batch_does_not_grow(
    sql_engine: sa.Engine, session: Session, wrapping: KeyWrapping
) -> None:
    def statements(rows: int) -> int:
        tree, seen = Tree(session, wrapping, deks=rows), []
        with counted(sql_engine, seen):
            rewrap(sql_engine, wrapping, tree.first, tree.second, batch=1000, actor="alice")
        return len(seen)

    assert statements(2) == statements(40) < 30


@pytest.mark.only_on("postgresql")
def test_no_row_is_read_once_for_each_other(sql_engine: sa.Engine, session: Session, wrapping: KeyWrapping) -> None:
    """Where all are under one wrapper, the planner takes any row for one that wraps others, and looks for these."""

    def read_in_sequence() -> int:
        sql_engine.dispose()  # who leaves says what it read
        with sql_engine.connect() as asking:
            return int(asking.scalar(sa.text(READ)) or 0)

    rows = 300
    tree = Tree(session, wrapping, deks=rows)
    session.execute(sa.text("ANALYZE key_versions"))
    session.commit()
    session.close()
    before = read_in_sequence()
    assert rewrap(sql_engine, wrapping, tree.first, tree.second, batch=100).versions == rows
    assert read_in_sequence() - before < 20 * rows


READ = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'key_versions'"


class counted:  # noqa: N801
    """The statements that are sent meanwhile; those of executemany are one."""

    def __init__(self, sql_engine: sa.Engine, seen: list[str]) -> None:
        self._where = (sql_engine, "before_cursor_execute", lambda *given: seen.append(given[2]))

    def __enter__(self) -> None:
        sa.event.listen(*self._where)

    def __exit__(self, *_: object) -> None:
        sa.event.remove(*self._where)
