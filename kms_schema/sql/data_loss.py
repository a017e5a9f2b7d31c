"""Downgrades that would destroy evidence: they fail, unless the option `-x allow-audit-loss=yes` is given."""

from dataclasses import dataclass

import sqlalchemy as sa
from alembic import context as environment
from alembic import op
from alembic.util import CommandError

from kms_schema.sql import statement, text_of
from kms_schema.sql.declarations import NOTHING, Declaration, declaring
from kms_schema.sql.operations import engine_name, execute, locks, on_postgresql, schema, writes_script

_ALLOWANCE = "allow-audit-loss"


@dataclass(frozen=True)
class DataLoss:
    """The rows that a downgrade below a revision destroys."""

    revision: str
    """The revision, by its number."""
    what: str
    """A name for the rows, in words."""
    unit: str
    """The unit in which they are counted, as a plural without spaces."""
    table: str
    """The table that they are in."""
    counted_by: str
    """The SQL file that counts them."""
    advice: str
    """The action to take first."""

    def refuse(self) -> None:
        """Raise `CommandError` if there are rows to lose; in a script, write statements that make it fail there."""
        if environment.get_x_argument(as_dictionary=True).get(_ALLOWANCE) == "yes":
            return
        count = text_of(engine_name(), self.counted_by, schema())
        reading = Declaration(locks("ACCESS SHARE", (self.table,), f"counting {self.unit}", long=True))
        if writes_script():
            self._write_script(count, reading)
            return
        with declaring(reading):
            found = op.get_bind().scalar(sa.text(count))
        if found:
            unit = self._one if found == 1 else self.unit
            raise CommandError(f"{self._would_destroy}: {found} {unit}; {self._advice}")

    @property
    def _one(self) -> str:
        return "entry" if self.unit == "entries" else self.unit.removesuffix("s")

    @property
    def _would_destroy(self) -> str:
        return f"downgrading below {self.revision} would destroy {self.what}"

    @property
    def _advice(self) -> str:
        return f"{self.advice}, then run again with -x {_ALLOWANCE}=yes"

    def _write_script(self, count: str, reading: Declaration) -> None:
        if on_postgresql():
            values = {"unit": self.unit, "one": self._one, "would_destroy": self._would_destroy, "advice": self._advice}
            execute(statement("refuse_data_loss", count=count, **values), reading)
            return
        # SQLite raises only in triggers: the CHECK fails instead. Run the script with sqlite3 -bail.
        name = "downgrading_would_destroy_" + self.what.replace(" ", "_")
        execute(f"-- run with sqlite3 -bail: {self._advice}", NOTHING)
        checked = f"{self.unit} INTEGER CONSTRAINT {name} CHECK ({self.unit} = 0)"
        execute(f"CREATE TEMP TABLE would_be_lost ({checked})", NOTHING)
        execute(statement("count_into_would_be_lost", count=count), reading)
        execute("DROP TABLE temp.would_be_lost", NOTHING)
