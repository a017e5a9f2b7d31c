"""Derive the probe's attempts at what tables declare, and list who refuses each attempt at the head.

    python -m tools.declared_attempts

Writes `kms_schema/validator/probe/declared.json`: for NULL, length, type and CHECK of each column, values that must be
refused and, next to them, values that must be accepted. Then writes `tests/schema/refusals.ENGINE.json`: for each
protection of the head, what it refuses, and in which words. `tools/refresh` runs this, `tools/without-rule` never does:
a rule that is removed leaves its attempts in both lists.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kms_schema import snapshots
from kms_schema.validator.catalog.attributes import Objects
from kms_schema.validator.diff.compare import fill_in
from kms_schema.validator.probe.attempt import Attempt, Engine, Promise
from kms_schema.validator.probe.declared import TABLES
from kms_schema.validator.probe.every_attempt import attempts, attempts_in_python
from kms_schema.validator.probe.protections import resolved

ROOT = Path(__file__).resolve().parents[1]
DECLARED = ROOT / "kms_schema" / "validator" / "probe" / "declared.json"
ENGINES: tuple[Engine, ...] = ("postgresql", "sqlite")
NEWEST = {"postgresql": 18, "sqlite": 3}
_LENGTH = re.compile(r"character varying\((\d+)\)")
_SHORT, _LONG = {"hex": "5e" * 31}, {"hex": "5e" * 33}

OF_TYPE = (
    ("GLOB '[0-9]", "2999-01-01"),
    ("date(", "2999-02-30"),
    ("GLOB '*[^0-9a-f]*'", "NOT AN ID"),
    ("json_valid", "{"),
    ("= 'blob'", "\x01" + "x" * 60),
    ("= 'real'", "much"),
    ("= 'integer'", 1.5),
    ("IN (0, 1)", 2),
    ("", "NUL\0inside"),
)
"""For the text of a CHECK of a type on SQLite, a value that it refuses."""
ALONE: dict[str, Any] = {
    "ck_key_audit_seals_root_hash_type": "x" * 32,
    "ck_key_audit_seals_previous_seal_hash_type": "x" * 32,
    "ck_key_audit_seals_signature_type": "x" * 68,
    "ck_key_audit_seals_compact_range_type": "x" * 32,
    "ck_key_audit_seals_last_sequence_type": "many",
    "ck_key_audit_leaves_hashes_type": "x" * 32,
    "ck_key_audit_subtrees_level_type": 48.5,
    "ck_key_audit_subtrees_hash_type": "x" * 32,
}
"""Values that pass every other rule of their column."""
_BLANK = " \t\n\r"
_NO_TIMES = ("24:00", "12:60", "9:00", "12", "12-30", "noon", "", "-1:00", "1:000", "12:3", "12:3\n")
FORMS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (r"trim\({0}, char\(9, 10, 13, 32\)\) <> ''", (_BLANK, "")),
    (r"CASE WHEN json_valid\({0}\) THEN json_type\({0}\) = 'object' .*", ([],)),
    (r"CASE WHEN json_valid\({0}\) THEN json_type\({0}\) = 'array' .*", ({},)),
    (r"CASE WHEN json_valid\({0}\) THEN json_type\({0}\) IN .*", ({"sql": "'5'"},)),
    (r"length\({0}\) = 64 AND {0} NOT GLOB '\*\[\^0-9a-f\]\*'", ("", "a" * 63, "A" * 64, "a" * 63 + "g")),
    (r"length\({0}\) = 32", (_SHORT, _LONG)),
    (r"{0} GLOB '\[01\]\[0-9\]:.*", _NO_TIMES),
)
"""For the text of a CHECK of one column on SQLite, values that it refuses."""
RANGES = (
    (r"{0} BETWEEN (-?\d+) AND (\d+)", 0),
    (r"{0} >= (-?\d+)", 0),
    (r"{0} > (-?\d+)", 1),
)
"""Texts of ranges, and how far the least value is above the number of the text."""

FILLED = {
    ("key_audit_logs", "retention_period_days"), ("key_audit_seals", "origin"), ("rotation_policies", "timezone"),
}  # fmt: skip
"""Columns of which a trigger accepts few values."""
RANGES_FIRST = {"key_audit_retention_policies"}
"""Tables whose guard trigger on SQLite refuses NULL and other types as out of their range."""


def head(engine: Engine) -> Objects:
    """Return what is expected at the head."""
    objects = snapshots.load(engine, snapshots.chain()[-1], f"{NEWEST[engine]}.0")
    return fill_in(objects, "public" if engine == "postgresql" else "main", "postgres")


def outside(definition: str, column: str) -> Iterator[tuple[Any, Any]]:
    """Yield values that the CHECK of one column refuses, each with the nearest accepted one or None."""
    text, name = definition.removeprefix("CHECK (").removesuffix(")"), f'"?{column}"?'
    for form, values in FORMS:
        if re.fullmatch(form.format(name), text):
            yield from ((value, None) for value in values)
    if words := re.fullmatch(rf"{name} IN \('(\w+)'.*'\)", text):
        yield from ((value, None) for value in ("no such word", "", words[1].swapcase()))
    for form, above in RANGES:
        if match := re.fullmatch(form.format(name), text):
            least, *most = map(int, match.groups())
            yield least + above - 1, least + above
            yield from ((number + 1, number) for number in most)


def is_unique(table: str, column: str, expected: Objects) -> bool:
    """Return whether a row of the database may have each number of a column already."""
    return any(
        key.startswith((f"constraint {table}.", f"index {table}."))
        and re.search(rf'(UNIQUE|PRIMARY KEY|UNIQUE INDEX .*) ?\("?{column}"?\)', str(of.get("definition", "")))
        for key, of in expected.items()
    )


def rows() -> Iterator[dict[str, Any]]:
    """Yield the rows of the list, of each column in the order of the snapshots."""
    sqlite, postgresql = head("sqlite"), head("postgresql")
    for key in {key: None for of in (sqlite, postgresql) for key in of if key.startswith("column ")}:
        table, _, column = key.removeprefix("column ").partition(".")
        if table not in TABLES:
            continue
        place = {"table": table, "column": column}
        if table not in RANGES_FIRST and not all(of.get(key, {}).get("nullable", True) for of in (sqlite, postgresql)):
            yield {**place, "refused": None}
        checks = {
            name.partition(".")[2]: str(of["definition"])
            for name, of in sqlite.items()
            if name.startswith(f"constraint {table}.ck_") and re.search(rf"\b{column}\b", str(of["definition"]))
        }
        yield from _lengths(place, postgresql.get(key, {}), checks, sqlite)
        for rule, definition in checks.items():
            if rule.endswith("_type") and table in RANGES_FIRST:
                continue
            if rule == f"ck_{table}_{column}_type":
                usual = next(value for says, value in OF_TYPE if says in definition)
                alone = {"alone": True} if rule in ALONE else {}
                yield {**place, "rule": rule, "refused": ALONE.get(rule, usual), "engine": "sqlite", **alone}
                continue
            on_both = {} if f"constraint {table}.{rule}" in postgresql else {"engine": "sqlite"}
            for refused, accepted in outside(definition, column):
                taken = accepted is None or (table, column) in FILLED or is_unique(table, column, sqlite)
                nearest = {} if taken else {"accepted": accepted}
                yield {**place, "rule": rule, "refused": refused, **nearest, **on_both}
        if f"constraint {table}.ck_{table}_{column}_type" in postgresql:
            infinity = {"sql": "'-infinity'" if column == "created_at" else "'infinity'"}
            yield {**place, "rule": f"ck_{table}_{column}_type", "refused": infinity, "engine": "postgresql"}


def _lengths(
    place: dict[str, Any], attributes: dict[str, Any], checks: dict[str, str], sqlite: Objects
) -> Iterator[dict[str, Any]]:
    match = _LENGTH.fullmatch(str(attributes.get("type")))
    if match is None or place["table"] in RANGES_FIRST:
        return
    length, column = int(match[1]), place["column"]
    refers = any(
        key.startswith(f"constraint {place['table']}.fk_") and re.search(rf"\b{column}\b", str(of["definition"]))
        for key, of in sqlite.items()
    )
    free = (
        not refers
        and (place["table"], column) not in FILLED
        and all(rule.endswith((f"_{column}_type", "_not_blank", "_together")) for rule in checks)
    )
    character = "é" if free else "x"
    accepted = {"accepted": {character: length}} if free else {}
    yield {**place, "refused": {character: length + 1}, **accepted, "length": length}


def rules_of_others() -> set[str]:
    """Return the rules that attempts written in Python are at."""
    return {each.rule for each in attempts_in_python(NEWEST["postgresql"]) if not isinstance(each, Promise)}


def words_of(attempt: Attempt | Promise) -> str:
    """Return an attempt in words, with its statement and table."""
    if isinstance(attempt, Promise):
        return attempt.keeps
    off = " without foreign keys" if attempt.foreign_keys is False else ""
    return f"{attempt.forbidden.text.split()[0]} {attempt.table}: {attempt.tries}{off}"


def refusals(engine: Engine) -> dict[str, dict[str, list[str]]]:
    """Return what each protection of the head refuses or completes, by what the refusal says."""
    found: dict[str, dict[str, list[str]]] = {}
    expected = head(engine)
    for attempt, protection in resolved(attempts(engine, NEWEST[engine], expected), engine, expected):
        tried = found.setdefault(protection.object, {}).setdefault(protection.says, [])
        if words_of(attempt) not in tried:
            tried.append(words_of(attempt))
    return found


def texts() -> Iterator[tuple[Path, str]]:
    """Yield the files, each with its text; the second list needs the first."""
    others = rules_of_others()
    lines = [json.dumps(row, ensure_ascii=False) for row in rows() if row.get("rule") not in others]
    yield DECLARED, "[\n" + ",\n".join(lines) + "\n]\n"
    for engine in ENGINES:
        lines = [f"{json.dumps(key)}: {json.dumps(of, ensure_ascii=False)}" for key, of in refusals(engine).items()]
        file = ROOT / "tests" / "schema" / f"refusals.{engine}.json"
        yield file, "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write the lists."""
    for file, text in texts():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
