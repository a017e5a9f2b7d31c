"""Create triggers on tables in use: rows are checked before the triggers exist, and again once they are committed.

A trigger never checks a row that exists. The second check sees what was written since the first one; what is written
later the triggers check. So no client waits for a check, however long it takes. Where the second check finds rows, the
run drops what it has made, but for the indexes. Objects that were there when the run began, since an earlier run was
interrupted before its second check, stay: they may be those of a database in use whose revision status is wrong.

On SQLite the whole upgrade is one transaction with the file's write lock, so one check is enough.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

from kms_schema.sql import statement
from kms_schema.sql.declarations import NOTHING, Declaration, declaring
from kms_schema.sql.operations import (
    PerEngine,
    commit,
    engine_name,
    execute,
    locks,
    on_postgresql,
    only_planned,
    qualified,
    schema,
    writes_script,
)
from kms_schema.sql.violations import TABLES, ViolatedRule, find_violations, refusal, script_checks

STAY = "Until then the triggers stay"

log: logging.Logger = logging.getLogger("alembic.runtime.migration")


@dataclass(frozen=True)
class CheckedTriggers:
    """The rules of a revision's triggers, and how to recognize a run that was interrupted."""

    revision: str
    down_revision: str
    violations: PerEngine[Sequence[str]]
    """Files that find the rows which violate a rule, as `kms_schema.sql.violations` describes them."""
    last_trigger: str
    """The trigger that is created last; once it exists, all of the revision does."""
    table: str
    """The table of the trigger."""
    later: str
    """A table that the next revision creates: where it exists, the database is at a later revision."""

    def check_first(self) -> None:
        """Raise `CommandError` for rows that violate a rule, before any revision of the upgrade has changed anything.

        A revision calls this in `before_upgrade`.
        """
        if writes_script():
            return  # `upgrade` writes the checks: the tables are new, so what a script does before changes no row
        if self._is_committed() and not only_planned():
            return  # `upgrade` checks again
        violated = self._violated()
        if violated:
            raise CommandError(refusal(self.revision, violated))

    def upgrade(self, create: Callable[[], None], drop: Callable[[], None]) -> None:
        """Check the rows, make everything with `create`, commit, and check the rows again.

        `create` ends with the triggers. `drop` drops what it has made, but for indexes. Raises `CommandError` for rows
        that violate a rule, and where another upgrade is at the same revision.
        """
        interrupted = self._is_committed()
        if not interrupted:
            self._check_before()
            create()
        if on_postgresql() and not only_planned():
            committed = commit()
            self._hold_version()
            self._check_again(drop, interrupted=interrupted, committed=committed)

    def _is_committed(self) -> bool:
        """Return whether an interrupted run has made everything, and was to check again; never so on SQLite."""
        if writes_script() or not on_postgresql():
            return False
        values = {"trigger": self.last_trigger, "table": qualified(self.table), "later": qualified(self.later)}
        return bool(op.get_bind().scalar(sa.text(statement("trigger_is_committed")), values))

    def _check_before(self) -> None:
        if not only_planned():
            self.check_first()  # an environment of the host's may not have called `before_upgrade`
        elif writes_script():
            for each in script_checks(engine_name(), self.revision, self.violations[engine_name()], schema()):
                execute(each, NOTHING)

    def _violated(self) -> list[ViolatedRule]:
        with declaring(Declaration(locks("ACCESS SHARE", TABLES, "checking its rows", long=True))):
            return find_violations(op.get_bind(), self.violations[engine_name()], schema())

    def _hold_version(self) -> None:
        """Lock the row of the version table until the end.

        An upgrade without this package's lock could be at the same revision, and drop everything again.
        """
        context = op.get_context()
        stamp = sa.table(context.version_table, sa.column("version_num"), schema=context.version_table_schema)
        held = sa.select(stamp.c.version_num).where(stamp.c.version_num == self.down_revision).with_for_update()
        if op.get_bind().execute(held).first() is None or not self._is_committed():
            raise CommandError(f"another upgrade is at {self.revision}, too: run this again")

    def _check_again(self, drop: Callable[[], None], *, interrupted: bool, committed: bool) -> None:
        """Raise `CommandError` for rows written between the first check and the triggers.

        In a transaction that the caller holds open the triggers are rolled back with the rest of it. Where that
        transaction sees no more than others had committed when it began, the check finds nothing new, and warns.
        """
        if not committed:
            isolation = op.get_bind().scalar(sa.text("SHOW transaction_isolation"))
            if isolation != "read committed":
                log.warning(
                    "rows written during the upgrade cannot be seen in a %s transaction: they may violate rules",
                    isolation,
                )
        violated = self._violated()
        if not violated:
            return
        message = refusal(self.revision, violated, "written during the upgrade")
        if interrupted:
            raise CommandError(f"{message}\n{STAY}: they were there before this upgrade.")
        if committed:
            try:
                drop()
                commit()
            except sa.exc.DBAPIError as error:
                why = " ".join(str(error.orig).split())
                raise CommandError(f"{message}\n{STAY}, since they could not be dropped: {why}") from error
        raise CommandError(message)
