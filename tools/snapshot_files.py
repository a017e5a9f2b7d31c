"""Writes the snapshots from the catalogs of servers of several versions."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from kms_schema.snapshots import Objects, body_of, encoded, load, seal

SUPPORTED_POSTGRESQL = range(13, 19)
_SCHEMA = "public"
# As part of a qualified name (also in a literal, 'public.t'::regclass), or as a separate literal.
_QUALIFIER = re.compile(rf"""(?<![\w$".]){_SCHEMA}(?=\.[\w"])""")
_ELEMENT = re.compile(rf"\b{_SCHEMA}\b")
# Attributes that explain differences and are not compared: an override need not repeat them.
_NOT_COMPARED = "needs"


def symbolic(objects: Objects, owner: str) -> Objects:
    """Replace the schema `public` and the role `owner` by `{schema}` and `{owner}`."""
    return {
        key: {name: _symbolic(name, value, owner) for name, value in attributes.items()}
        for key, attributes in objects.items()
    }


def bodies_in(folder: Path) -> dict[str, str]:
    """Return the names of SQL files by the body of their function; the newest of several files with the same body."""
    return {body: file.stem for file in sorted(folder.rglob("*.sql")) if (body := body_of(file)) is not None}


def snapshot_files(observed: Mapping[str, Mapping[int, Objects]], bodies: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each file for one engine, by name.

    - `observed`: symbolic objects by revision, oldest first, and by major version
    - `bodies`: the names of SQL files, from `bodies_in`
    """
    observed = {
        revision: {major: _referring(objects, bodies) for major, objects in by_major.items()}
        for revision, by_major in observed.items()
    }
    texts: dict[str, str] = {}
    base: Objects = {}
    overrides: dict[int, dict[str, Any]] = {}
    for revision, by_major in observed.items():
        below, base = base, by_major[max(by_major)]
        texts[f"{revision}.json"] = written(_override(below, base, ignored=frozenset()))
        changed = {}
        for major in sorted(by_major):
            before, after = overrides.get(major, {}), _override(base, by_major[major])
            keys = sorted(before.keys() | after.keys())
            changed[major] = {key: after.get(key, {}) for key in keys if before.get(key, {}) != after.get(key, {})}
            overrides[major] = after
        for first, last, override in _ranges(changed):
            texts[f"{revision}.{first}-{last}.json"] = written(override)
    return texts


def differing(engine: str, revision: str, version: str, observed: Objects) -> list[str]:
    """Return the keys of objects that differ between the packaged snapshot and `observed` (symbolic)."""
    packaged = load(engine, revision, version)
    return sorted(
        key for key in packaged.keys() | observed.keys() if _compared(packaged.get(key)) != _compared(observed.get(key))
    )


def written(objects: Mapping[str, Any]) -> str:
    """Return JSON with one attribute or one line of text a line, for readable differences."""
    blocks = [f"{_json(key)}: {_block(attributes)}" for key, attributes in sorted(objects.items())]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _block(attributes: Mapping[str, Any] | None) -> str:
    if not attributes:
        return _json(attributes)
    return "{\n" + ",\n".join(f"  {_json(name)}: {_value(value)}" for name, value in sorted(attributes.items())) + "\n}"


def _value(value: Any) -> str:
    kept = encoded(value)
    if isinstance(kept, dict) and "text" in kept:
        lines = ",\n".join(f"    {_json(line)}" for line in kept["text"])
        return '{"text": [\n' + lines + "\n  ]}"
    return _json(kept)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _symbolic(name: str, value: Any, owner: str) -> Any:
    if isinstance(value, list):
        return [_symbolic(name, item, owner) for item in value]
    if not isinstance(value, str):
        return value
    if name == "owner":
        return "{owner}" if value == owner else value
    if name == "grants":
        return value.replace(f" {owner}: ", " {owner}: ")
    if name == "settings":
        return _ELEMENT.sub("{schema}", value)
    return _QUALIFIER.sub("{schema}", value).replace(f"'{_SCHEMA}'", "'{schema}'")


def _referring(objects: Objects, bodies: Mapping[str, str]) -> Objects:
    """Return the objects with bodies replaced by the names of their files."""
    return {
        key: attributes | {"body": {"file": bodies[attributes["body"]], **seal(attributes["body"])}}
        if attributes.get("body") in bodies
        else attributes
        for key, attributes in objects.items()
    }


def _ranges(overrides: Mapping[int, dict[str, Any]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield the first and last of consecutive versions with the same override, and the override, if not empty."""
    for override, majors in groupby(sorted(overrides), key=overrides.__getitem__):
        first, *others = majors
        if override:
            yield first, [first, *others][-1], override


def _override(base: Objects, other: Objects, ignored: frozenset[str] = frozenset({_NOT_COMPARED})) -> dict[str, Any]:
    """Return the override that turns `base` into `other`, apart from `ignored` attributes."""
    override: dict[str, Any] = {}
    for key in base.keys() | other.keys():
        if key not in other:
            override[key] = None
            continue
        before, after = base.get(key, {}), other[key]
        names = (before.keys() | after.keys()) - (ignored if before else frozenset())
        changed = {name: after.get(name) for name in names if before.get(name) != after.get(name)}
        if changed or key not in base:
            override[key] = changed
    return override


def _compared(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if attributes is None else {name: value for name, value in attributes.items() if name != _NOT_COMPARED}
