"""Make the snapshots out of what servers of several versions were seen to hold."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from kms_schema.snapshots import Objects, body_of, encoded, load, seal

SUPPORTED_POSTGRESQL = range(13, 19)
_SCHEMA = "public"
# As part of a qualified name (also inside a literal, 'public.t'::regclass), or as a literal of its own.
_QUALIFIER = re.compile(rf"""(?<![\w$".]){_SCHEMA}(?=\.[\w"])""")
_ELEMENT = re.compile(rf"\b{_SCHEMA}\b")
# Attributes that explain differences and are not compared: an override need not repeat them.
_NOT_COMPARED = "needs"


def symbolic(objects: Objects, owner: str) -> Objects:
    """Replace the schema `public` and the role `owner` by `{schema}` and `{owner}`."""
    return {
        key: {name: _symbolic(name, value, owner) for name, value in facts.items()} for key, facts in objects.items()
    }


def bodies_in(folder: Path) -> dict[str, str]:
    """Return the names of SQL files by the body of the function that each makes; of several the newest."""
    return {body: file.stem for file in sorted(folder.rglob("*.sql")) if (body := body_of(file)) is not None}


def snapshot_files(seen: Mapping[str, Mapping[int, Objects]], bodies: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each file for one engine, by name.

    `seen` holds symbolic objects by revision, oldest first, and major version; `bodies` the names of SQL files.
    """
    seen = {
        revision: {major: _referring(objects, bodies) for major, objects in by_major.items()}
        for revision, by_major in seen.items()
    }
    texts: dict[str, str] = {}
    base: Objects = {}
    overrides: dict[int, dict[str, Any]] = {}
    for revision, by_major in seen.items():
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


def differing(engine: str, revision: str, version: str, seen: Objects) -> list[str]:
    """Return the keys of objects that the packaged snapshot has otherwise than `seen` (symbolic) has."""
    packaged = load(engine, revision, version)
    return sorted(
        key for key in packaged.keys() | seen.keys() if _compared(packaged.get(key)) != _compared(seen.get(key))
    )


def written(objects: Mapping[str, Any]) -> str:
    """Return JSON with one fact on a line, and long text a line for a line, so that a change reads as one."""
    blocks = [f"{_json(key)}: {_block(facts)}" for key, facts in sorted(objects.items())]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _block(facts: Mapping[str, Any] | None) -> str:
    if not facts:
        return _json(facts)
    return "{\n" + ",\n".join(f"  {_json(name)}: {_value(value)}" for name, value in sorted(facts.items())) + "\n}"


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
    """Return the objects with the names of files in the place of bodies."""
    return {
        key: facts | {"body": {"file": bodies[facts["body"]], **seal(facts["body"])}}
        if facts.get("body") in bodies
        else facts
        for key, facts in objects.items()
    }


def _ranges(overrides: Mapping[int, dict[str, Any]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Yield the first and last of neighbouring versions with the same override, and that, where there is any."""
    for override, majors in groupby(sorted(overrides), key=overrides.__getitem__):
        first, *others = majors
        if override:
            yield first, [first, *others][-1], override


def _override(base: Objects, other: Objects, ignored: frozenset[str] = frozenset({_NOT_COMPARED})) -> dict[str, Any]:
    """Return what makes `other` of `base` when it is put over it; facts that are `ignored` need not be made."""
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


def _compared(facts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if facts is None else {name: value for name, value in facts.items() if name != _NOT_COMPARED}
