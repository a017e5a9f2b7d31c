"""Downgrades that would destroy evidence: they refuse, unless they are told `-x allow-audit-loss=yes`."""

from dataclasses import dataclass

import sqlalchemy as sa
from alembic import context as environment
from alembic import op
from alembic.util import CommandError

from kms_schema.sql import verbatim

_ALLOWANCE = "allow-audit-loss"


@dataclass(frozen=True)
class Loss:
    """What a downgrade below `revision` destroys: `what`, as so many `unit`; `advice` says what to do before.

    `rows` is SQL from FROM on, with a gap for the table, and finds what must not be lost.
    """

    revision: str
    what: str
    unit: str
    rows: str
    advice: str

    def refuse(self, table: str) -> None:
        """Stop where there is something to lose; in a script, make the script stop there."""
        if environment.get_x_argument(as_dictionary=True).get(_ALLOWANCE) == "yes":
            return
        if not op.get_context().as_sql:
            count = op.get_bind().scalar(sa.text(f"SELECT count(*) {self.rows.format(table=table)}"))
            if count:
                raise CommandError(f"{self._would_destroy}: {count} {self.unit}; {self._advice}")
            return
        for statement in self._script(op.get_context().dialect.name, self.rows.format(table=table)):
            op.execute(statement)

    @property
    def _would_destroy(self) -> str:
        return f"downgrading below {self.revision} would destroy {self.what}"

    @property
    def _advice(self) -> str:
        return f"{self.advice}, then run again with -x {_ALLOWANCE}=yes"

    def _script(self, dialect: str, rows: str) -> list[str | sa.TextClause]:
        if dialect == "postgresql":
            block = f"""DO $$
DECLARE
    {self.unit} bigint := (SELECT count(*) {rows});
BEGIN
    IF {self.unit} > 0 THEN
        RAISE EXCEPTION '{self._would_destroy}: % {self.unit}; {self._advice}', {self.unit};
    END IF;
END
$$"""
            return [verbatim(block)]
        # SQLite raises only in triggers: the CHECK fails instead. Run the script with sqlite3 -bail.
        name = "downgrading_would_destroy_" + self.what.replace(" ", "_")
        return [
            f"-- run with sqlite3 -bail: {self._advice}",
            f"CREATE TEMP TABLE would_be_lost ({self.unit} INTEGER CONSTRAINT {name} CHECK ({self.unit} = 0))",
            verbatim(f"INSERT INTO temp.would_be_lost SELECT count(*) {rows}"),
            "DROP TABLE temp.would_be_lost",
        ]
