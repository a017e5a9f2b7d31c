"""The models in SQL; a test compares them with the newest files of the tables."""

import re

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

_DIALECTS: dict[str, sa.Dialect] = {
    "postgresql": sa.make_url("postgresql+psycopg://").get_dialect()(),
    "sqlite": sa.make_url("sqlite://").get_dialect()(),
}


def table_statement(table: sa.Table, dialect: str) -> str:
    """Return the CREATE TABLE of a model for `dialect`, as in its file under `kms_schema/sql`."""
    compiled = str(CreateTable(table).compile(dialect=_DIALECTS[dialect]))
    lines = (line.strip().replace("%%", "%") for line in compiled.strip().splitlines())
    statement = "\n".join(
        line if line.startswith(("CREATE", ")", "WITHOUT")) else f"    {line}" for line in lines if line
    )
    statement = statement.replace("\n)\nWITHOUT ROWID", "\n) WITHOUT ROWID")
    if dialect == "sqlite":
        # SQLAlchemy 2.0 adds a second pair of parentheses to an expression; a number needs none.
        statement = re.sub(r"DEFAULT \(\((.+)\)\)(?=( NOT NULL)?,?$)", r"DEFAULT (\1)", statement, flags=re.MULTILINE)
        return re.sub(r"DEFAULT \((\d+)\)", r"DEFAULT \1", statement)
    if storage := table.info.get("postgresql_with"):  # SQLAlchemy supports it from 2.1 on
        statement += f" WITH ({storage})"
    return re.sub(r"(CREATE TABLE |REFERENCES |DEFAULT (?=kms_))(?=\w)", r"\1{schema}.", statement)
