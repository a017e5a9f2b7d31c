"""The stable read: one consistent read of a catalog, even while a migration runs.

PostgreSQL renders the current definition, not that of the snapshot: a read can have parts of two revisions, or fail at
a dropped object. A revision that builds indexes CONCURRENTLY is between two revisions for that time. So a catalog that
differs is read again, and counts only if the second read is the same and no migration runs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from kms_schema import snapshots
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.validator import on_demand
from kms_schema.validator.catalog.attributes import (
    Catalog,
    Names,
    Objects,
    Revisions,
    ValidationError,
    names_of,
)
from kms_schema.validator.catalog.expected_privileges import AppliedRoles, has_policies, prefix_in, with_roles
from kms_schema.validator.catalog.version_table import VersionTable
from kms_schema.validator.diff.compare import Difference, compare, fill_in, usual_owner

if TYPE_CHECKING:
    from kms_schema.validator.on_demand import Reader

Result = TypeVar("Result")

READS = 5
"""The maximum number of reads of a catalog that differs."""

PAUSE_SECONDS = 0.2
"""The pause before the third read and each further one."""


@dataclass(frozen=True)
class Compared:
    """One read of a catalog, and the revision that it was compared with."""

    catalog: Catalog
    closest: str
    expected: Objects
    differences: tuple[Difference, ...]
    names: Names
    owner: str
    version_table: VersionTable
    version_table_as_written: str
    chain: Sequence[str]
    roles: AppliedRoles | None
    """The group roles, if there are any; the expected objects have their privileges unless they fit better without."""

    @property
    def empty(self) -> bool:
        """True if no object of the schema exists."""
        table = f"table {self.version_table.name}"
        return not self.catalog.objects.keys() - {table} and not self.catalog.revisions.stamped

    @property
    def is_certain(self) -> bool:
        """True if it has exactly the stamped revision; on SQLite every read is consistent."""
        stamped = self.catalog.revisions.stamped
        as_stamped = stamped is None or [each for each in self.chain if each in stamped] == [self.closest]
        return self.catalog.engine == "sqlite" or (as_stamped and not self.differences)

    @property
    def guarded(self) -> Objects:
        """The expected objects without Alembic's table."""
        name = self.version_table.name
        return {key: attributes for key, attributes in self.expected.items() if attributes.get("table") != name}


def compared_once(
    connection: DatabaseConnection, schema: str, version_table: str, *, with_all: bool = False
) -> Compared:
    """Read the catalog once, and compare it with its stamped revision, or `with_all` with the closest of all.

    For the time before a migration: an upgrade that runs meanwhile may give differences that disappear soon.
    """
    with on_demand.reading(connection, schema) as reader:
        return _compared(reader, schema, version_table, with_all=with_all)


def _compared(reader: "Reader", schema: str, version_table: str, *, with_all: bool = False) -> Compared:
    chain = snapshots.chain()
    table = VersionTable.parse(version_table, schema)
    revisions = reader.revisions(table.schema, table.name)

    def expected_after(revision: str) -> Objects:
        snapshot = snapshots.load(reader.engine, revision, reader.version)
        return table.placed(snapshot, revisions, frozenset(chain))

    def filled_in(revision: str) -> Objects:
        return fill_in(expected_after(revision), reader.schema, owner, reader.identifier)

    candidates = list(reversed(chain)) if with_all else _candidates(revisions, chain)
    names = names_of(*map(expected_after, candidates), expected_after(chain[-1]))
    objects = reader.objects(names)
    owner = usual_owner(objects)
    prefix = prefix_in(objects)
    applied = has_policies(objects)

    def nearer(expected: Objects) -> tuple[Objects, tuple[Difference, ...]]:
        """Compare with and without the privileges of the group roles, and return the smaller difference.

        If a policy of theirs exists, they were applied, and some objects may have been created since.
        """
        if prefix is None:
            return expected, compare(expected, objects)
        roles = with_roles(expected, prefix)
        found = roles, compare(roles, objects)
        return found if applied else min((expected, compare(expected, objects)), found, key=lambda each: len(each[1]))

    compared = {revision: nearer(filled_in(revision)) for revision in candidates}
    filled = {revision: expected for revision, (expected, _) in compared.items()}
    found = {revision: differences for revision, (_, differences) in compared.items()}
    closest = min(found, key=lambda revision: len(found[revision]))
    expected, differences = filled[closest], found[closest]
    if len(found) == 1 and differences:
        for revision in reversed(chain):
            if not _has_the_same(expected_after(revision), objects):
                continue
            other, others = nearer(filled_in(revision))
            if not others:  # exactly another revision than the stamped one
                closest, expected, differences = revision, other, ()
                break
    catalog = Catalog(reader.engine, reader.version, reader.schema, revisions, objects)
    roles = None if prefix is None else AppliedRoles(prefix, filled_in(closest))
    return Compared(catalog, closest, expected, differences, names, owner, table, version_table, chain, roles)


def _has_the_same(expected: Objects, objects: Objects) -> bool:
    """Return whether the objects are the same except policies, which the roles add: else they differ anyway."""
    odd = expected.keys() ^ objects.keys()
    return all(key in objects and key.startswith("policy ") for key in odd)


class Read(Protocol):
    """One read of a database, which may be compared with the next one."""

    @property
    def catalog(self) -> object:
        """The objects that were read: equal to that of another read if nothing changed between them."""

    @property
    def is_certain(self) -> bool:
        """True if no second read is needed."""


ReadOnce = TypeVar("ReadOnce", bound=Read)


def in_stable_read(
    connection: DatabaseConnection, schema: str, version_table: str, then: "Callable[[Reader, Compared], Result]"
) -> Result:
    """Return the result of `then`, which is called in the snapshot of the read; raises as `read_until_stable` does."""
    return read_until_stable(connection, schema, lambda reader: _compared(reader, schema, version_table), then)


def read_until_stable(
    connection: DatabaseConnection,
    schema: str,
    compared_by: "Callable[[Reader], ReadOnce]",
    then: "Callable[[Reader, ReadOnce], Result]",
) -> Result:
    """Return the result of `then`, which is called in the snapshot of a read that is certain, or was read twice.

    Raises `ValidationError` if every read differs from the one before, or fails, or a migration is running.
    """
    before: object = None
    moved, failures = "every read was different", list[str]()
    for read in range(READS):
        time.sleep(PAUSE_SECONDS if read > 1 else 0)
        try:
            with on_demand.reading(connection, schema) as reader:
                compared = compared_by(reader)
                if compared.is_certain:
                    return then(reader, compared)
                if compared.catalog == before:
                    _refuse_while_migrating(reader)
                    return then(reader, compared)
                before = compared.catalog
        except ValidationError as error:
            if error.reason != "changed_meanwhile":
                raise
            before, moved = None, str(error)
            failures.append(moved)
    if len(failures) == READS and len(set(failures)) == 1:
        raise ValidationError(
            f"every read failed at the same place ({moved}): if no migration runs, the catalog is damaged"
        )
    raise ValidationError(f"the schema changed during every read ({moved}); run this again after the migration")


def _refuse_while_migrating(reader: "Reader") -> None:
    if migration := reader.migration():
        raise ValidationError(
            f"a migration is running ({migration}), and the schema is between two revisions; run this again after it"
        )


def _candidates(revisions: Revisions, chain: Sequence[str]) -> list[str]:
    """Return the stamped revision; if it is unknown, all revisions, the newest first."""
    stamped = [revision for revision in chain if revision in (revisions.stamped or ())]
    return stamped[-1:] or list(reversed(chain))
