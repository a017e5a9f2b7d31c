"""One reading of a catalog that can be believed, while migrations may be running.

PostgreSQL renders a definition as it is at that moment, and not as it was in the snapshot: a reading can be of two
revisions at once, or fail at an object that has gone. And a revision that builds indexes CONCURRENTLY is between two
revisions for as long as that takes. So what does not match is read again, and counts only if it is still the same and
nobody is migrating.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kms_schema import snapshots
from kms_schema.validator import on_demand
from kms_schema.validator.catalog.attributes import (
    Catalog,
    ChangedMeanwhileError,
    Names,
    Objects,
    Revisions,
    ValidationError,
    names_of,
)
from kms_schema.validator.catalog.connection import DatabaseConnection
from kms_schema.validator.catalog.expected_privileges import prefix_in, with_roles
from kms_schema.validator.catalog.version_table import VersionTable
from kms_schema.validator.diff.compare import Difference, compare, fill_in, usual_owner

if TYPE_CHECKING:
    from kms_schema.validator.on_demand import Reader

Result = TypeVar("Result")

READINGS = 5
"""How often a catalog that does not match is read, to see it twice as it is."""

PAUSE_SECONDS = 0.2
"""How long a migration is given to go on, before the third reading and each further one."""


@dataclass(frozen=True)
class Compared:
    """One reading of a catalog, and the revision that it was compared with."""

    catalog: Catalog
    closest: str
    expected: Objects
    differences: tuple[Difference, ...]
    names: Names
    owner: str
    version_table: VersionTable
    version_table_as_written: str
    chain: Sequence[str]

    @property
    def empty(self) -> bool:
        """Whether nothing of the schema is there."""
        table = f"table {self.version_table.name}"
        return not self.catalog.objects.keys() - {table} and not self.catalog.revisions.stamped

    @property
    def is_certain(self) -> bool:
        """Whether it is exactly what its stamp says; on SQLite every reading is of one moment."""
        stamped = self.catalog.revisions.stamped
        as_stamped = stamped is None or [each for each in self.chain if each in stamped] == [self.closest]
        return self.catalog.engine == "sqlite" or (as_stamped and not self.differences)

    @property
    def guarded(self) -> Objects:
        """What is expected, without what is about Alembic's table."""
        name = self.version_table.name
        return {key: attributes for key, attributes in self.expected.items() if attributes.get("table") != name}


def _compared(reader: "Reader", schema: str, version_table: str) -> Compared:
    chain = snapshots.chain()
    table = VersionTable.parse(version_table, schema)
    revisions = reader.revisions(table.schema, table.name)

    def expected_after(revision: str) -> Objects:
        snapshot = snapshots.load(reader.engine, revision, reader.version)
        return table.placed(snapshot, revisions, frozenset(chain))

    def filled_in(revision: str) -> Objects:
        return fill_in(expected_after(revision), reader.schema, owner, reader.identifier)

    candidates = _candidates(revisions, chain)
    names = names_of(*map(expected_after, candidates), expected_after(chain[-1]))
    objects = reader.objects(names)
    owner = usual_owner(objects)
    prefix = prefix_in(objects)

    def nearer(expected: Objects) -> tuple[Objects, tuple[Difference, ...]]:
        """Compare with the roles' rights and without, where such roles have any, and keep what differs less."""
        plain = expected, compare(expected, objects)
        if prefix is None:
            return plain
        roles = with_roles(expected, prefix)
        return min(plain, (roles, compare(roles, objects)), key=lambda each: len(each[1]))

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
            if not others:  # exactly of another revision than the stamped one
                closest, expected, differences = revision, other, ()
                break
    catalog = Catalog(reader.engine, reader.version, reader.schema, revisions, objects)
    return Compared(catalog, closest, expected, differences, names, owner, table, version_table, chain)


def _has_the_same(expected: Objects, objects: Objects) -> bool:
    """Whether there are the same objects, but for policies, which come with roles: else comparing them is in vain."""
    odd = expected.keys() ^ objects.keys()
    return all(key in objects and key.startswith("policy ") for key in odd)


def in_stable_read(
    connection: DatabaseConnection,
    schema: str,
    version_table: str,
    then: "Callable[[Reader, Compared], Result]",
) -> Result:
    """Return what `then` makes of a reading, called within its snapshot.

    Raises `ValidationError` where the catalog is different each time, or a migration keeps it between two revisions.
    """
    before: Catalog | None = None
    moved = "it was different each time"
    for reading in range(READINGS):
        time.sleep(PAUSE_SECONDS if reading > 1 else 0)
        try:
            with on_demand.reading(connection, schema) as reader:
                compared = _compared(reader, schema, version_table)
                if compared.is_certain:
                    return then(reader, compared)
                if compared.catalog == before:
                    _refuse_while_migrating(reader)
                    return then(reader, compared)
                before = compared.catalog
        except ChangedMeanwhileError as error:
            before, moved = None, str(error)
    raise ValidationError(
        f"the schema changed each time it was read ({moved}); run this again when the migration has ended"
    )


def _refuse_while_migrating(reader: "Reader") -> None:
    if migration := reader.migration():
        raise ValidationError(
            f"a migration is running ({migration}), and the schema is between two revisions;"
            " run this again when it has ended"
        )


def _candidates(revisions: Revisions, chain: Sequence[str]) -> list[str]:
    """Return the stamped revision; where that cannot be told, all of them, the newest first."""
    stamped = [revision for revision in chain if revision in (revisions.stamped or ())]
    return stamped[-1:] or list(reversed(chain))
