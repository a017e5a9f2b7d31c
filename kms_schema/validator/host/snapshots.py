"""The expected objects of a host: read from a database, written to a file, and read from it.

A file is JSON, and is reviewed like a lock file: sorted, one attribute a line. It has no passwords, no rows, and no
facts of one server, such as a locale or a minor version. The role that owns most objects is written `{owner}`, and is
the usual owner of the database that is compared. A file holds one entry for an engine and a major version, since
each renders expressions in its way.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kms_schema import snapshots
from kms_schema.errors import KmsSchemaError
from kms_schema.files.inputs import read_whole
from kms_schema.text.identifiers import quoted
from kms_schema.validator.catalog.attributes import Names, Objects
from kms_schema.validator.diff.compare import usual_owner
from kms_schema.validator.host.scope import Scope, without_ours

if TYPE_CHECKING:
    from kms_schema.validator.on_demand import Reader

FORMAT = "kms-schema snapshot 1"
LONGEST = 32 * 1024 * 1024
"""The most bytes of a file. A schema of 1,000 objects takes about 1 MB."""
OWNER = "{owner}"
_ANY = Names((), (), ())


class SnapshotError(KmsSchemaError, ValueError):
    """A file of expected objects is invalid, or has nothing for a server; the message says what to do."""


@dataclass(frozen=True)
class Snapshot:
    """The expected objects by schema, as an engine of one major version renders them.

    `source` is a file or a database, as a report names it.
    """

    engine: str
    major: int
    schemas: Mapping[str, Objects]
    source: str = ""

    @property
    def rendered_by(self) -> str:
        """The engine, and the major version of PostgreSQL."""
        return self.engine if self.engine == "sqlite" else f"{self.engine} {self.major}"


def major_of(engine: str, version: str) -> int:
    """Return the major version of a server; SQLite keeps the text of its statements, and has only one."""
    return 0 if engine == "sqlite" else int(version.partition(".")[0])


@dataclass(frozen=True)
class Observed:
    """One schema as it is: `objects` are those in scope; `has_ours` if there are tables of this package as well."""

    schema: str
    objects: Objects
    has_ours: bool
    not_compared: tuple[str, ...]


def observed(reader: "Reader", scope: Scope) -> tuple[Observed, ...]:
    """Return what is there, by schema; raises `ValidationError` for a schema that does not exist."""
    return tuple(
        _observed(reader.of_schema(schema), schema, scope)
        for schema in (("main",) if reader.engine == "sqlite" else scope.schemas)
    )


def _observed(reader: "Reader", schema: str, scope: Scope) -> Observed:
    every = reader.objects(None)
    objects, has_ours = without_ours(reader.engine, reader.version, every)
    not_compared = () if reader.engine == "sqlite" else reader.unmanaged_objects(_ANY)
    return Observed(schema, scope.within(schema, objects), has_ours, tuple(not_compared))


def taken(reader: "Reader", scope: Scope) -> Snapshot:
    """Return a snapshot of an open reader; raises as `observed` does."""
    schemas = {
        each.schema: with_owner(each.objects, usual_owner(each.objects), OWNER) for each in observed(reader, scope)
    }
    return Snapshot(reader.engine, major_of(reader.engine, reader.version), schemas, reader.database)


def with_owner(objects: Objects, role: str, other: str) -> Objects:
    """Return the objects with another role in place of one: as owner, in privileges, and in policies.

    Lists write a role with quotes where it needs them, and `{owner}` without.
    """
    old, new = (each if each == OWNER else quoted(each) for each in (role, other))

    def changed(name: str, value: Any) -> Any:
        if name == "owner":
            return other if value == role else value
        if name == "grants":
            return [_line_with(line, old, new) for line in value]
        if name == "roles":
            return sorted(new if each == old else each for each in value)
        return value

    return {
        key: {name: changed(name, value) for name, value in attributes.items()} for key, attributes in objects.items()
    }


def _line_with(line: str, old: str, new: str) -> str:
    """Return a line of privileges with another role, as it is written there."""
    sign, rest = line[:2], line[2:]
    return f"{sign}{new}{rest.removeprefix(old)}" if rest.startswith(f"{old}: ") else line


def written(each: Iterable[Snapshot]) -> str:
    """Return the text of a file with these snapshots."""
    servers = [
        {
            "engine": snapshot.engine,
            "major": snapshot.major or None,
            "schemas": {
                schema: {key: _encoded(attributes) for key, attributes in objects.items()}
                for schema, objects in snapshot.schemas.items()
            },
        }
        for snapshot in sorted(each, key=lambda snapshot: (snapshot.engine, snapshot.major))
    ]
    return json.dumps({"format": FORMAT, "servers": servers}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_snapshots(path: str | Path) -> tuple[Snapshot, ...]:
    """Return the snapshots of a file.

    Raises `SnapshotError` for a file that is no snapshot, and `OSError` if it cannot be read.

        [snapshot] = read_snapshots("schema.json")
    """
    try:
        document = json.loads(read_whole(path, LONGEST))
    except ValueError as error:
        raise SnapshotError(f"{path} is no JSON: {error}") from None
    except RecursionError:
        raise SnapshotError(f"{path} is no snapshot: it is nested too deeply") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SnapshotError(f"{path} is no snapshot of this version; kms-schema snapshot writes one")
    try:
        found = tuple(_snapshot(each, str(path)) for each in document["servers"])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise SnapshotError(f"{path} is damaged; write it again with kms-schema snapshot") from None
    if not found:
        raise SnapshotError(f"{path} has no objects; write it again with kms-schema snapshot")
    return found


def _snapshot(entry: Mapping[str, Any], source: str) -> Snapshot:
    schemas = {
        str(schema): {str(key): dict(snapshots.decoded(attributes)) for key, attributes in objects.items()}
        for schema, objects in entry["schemas"].items()
    }
    if entry["engine"] not in ("postgresql", "sqlite"):
        raise ValueError(entry["engine"])
    return Snapshot(entry["engine"], int(entry["major"] or 0), schemas, source)


def _encoded(attributes: Mapping[str, Any]) -> Any:
    return snapshots.encoded(dict(attributes))


def chosen(available: Iterable[Snapshot], engine: str, version: str) -> Snapshot:
    """Return the snapshot for a server: of its major version, else the nearest one of its engine.

    Raises `SnapshotError` if none is of the engine.
    """
    all_of_them = list(available)
    of_engine = [each for each in all_of_them if each.engine == engine]
    if not of_engine:
        there = ", ".join(each.rendered_by for each in all_of_them)
        raise SnapshotError(f"the database is on {engine}, and {all_of_them[0].source} has {there} only")
    major = major_of(engine, version)
    return min(of_engine, key=lambda each: (abs(each.major - major), -each.major))


def added(available: Iterable[Snapshot], new: Snapshot) -> tuple[Snapshot, ...]:
    """Return the snapshots with a new one in place of that for its engine and major version."""
    others = [each for each in available if (each.engine, each.major) != (new.engine, new.major)]
    return (*others, replace(new, source=""))
