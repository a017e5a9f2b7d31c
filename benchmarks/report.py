"""The results of a run: a table for people, a document for programs."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.claims import CLAIMS, count
from benchmarks.targets import Measured, Sizes, Target

Result = tuple[Target, Measured]

HEAD = ("#", "what", "target", "measured", "met")
_GENERATED = r"(<!-- measured on {engine} -->\n).*?(<!-- end -->)"


def table(results: Sequence[Result]) -> str:
    """Return the results as Markdown that is readable as plain text."""
    rows = [HEAD, *(_row(target, measured) for target, measured in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(target: Target, measured: Measured) -> tuple[str, ...]:
    limit = "" if measured.limit is None else str(measured.limit)
    met = {None: "", True: "yes", False: "**no**"}[measured.met]
    return target.number, measured.what, limit, figure(measured), met


def plans(results: Sequence[Result]) -> str:
    """Return details that the table omits, as a Markdown list: indexes of queries, and stalls."""
    return "\n".join(
        f"- {target.number}, {measured.what}: {'' if measured.as_planned else '**not as planned:** '}{measured.plan}"
        for target, measured in results
        if measured.plan
    )


def claims(results: Sequence[Result], run: dict[str, Any]) -> str:
    """Return claims and measurements, as a Markdown table."""
    lines = ["| claimed | measured | on | again with |", "| --- | --- | --- | --- |"]
    for claim in CLAIMS:
        if of_it := [measured for target, measured in results if target.number == claim.target]:
            engine = f"{run['server']['name']} {run['server']['version']}"
            on = " --engine sqlite" if run["server"]["name"] == "SQLite" else ""
            command = f"`python scripts/benchmark.py{on} --only {claim.target} --scale {run['scale']}`"
            lines.append(f"| {claim.words} | {claim.found(of_it)} | {engine} | {command} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def sizes(results: Sequence[Result]) -> str:
    """Return the sizes of rows, as a Markdown table: bytes each, and megabytes a million."""
    found = [measured.sizes for _, measured in results if measured.sizes is not None]
    lines = ["| a row of | bytes | in its indexes | of these | rows measured |", "| --- | --: | --: | --- | --: |"]
    for each in found:
        largest = sorted(each.in_indexes.items(), key=lambda index: (-index[1], index[0]))
        listed = ", ".join(f"`{name}` {size:.{0 if size >= 10 else 1}f}" for name, size in largest)
        in_indexes = each.each - each.in_table
        lines.append(f"| `{each.table}` | {each.in_table:.0f} | {in_indexes:.0f} | {listed} | {count(each.rows)} |")
    return "\n".join([*lines, "", *_a_year(found)]) if found else ""


def _a_year(found: Sequence[Sizes]) -> Iterator[str]:
    """Yield the sizes of a million entries, with the leaves that seal them."""
    tables = {each.table: each for each in found}
    if {"key_audit_logs", "key_audit_leaves"} <= tables.keys():
        entries, leaves = tables["key_audit_logs"], tables["key_audit_leaves"]
        megabytes = (entries.each + leaves.each * leaves.rows / entries.rows) * 1_000_000 / 2**20
        yield f"A million entries a year take {megabytes:.0f} MB a year, sealed and with all their indexes."


def figure(measured: Measured) -> str:
    """Return the number of a result for the table."""
    unit = measured.unit or (measured.limit.unit if measured.limit is not None else "")
    # A ratio is compared with a limit that may lie next to it.
    digits = 3 if measured.value < 1 and not unit else 2 if measured.value < 100 else 0
    return f"{measured.value:.{digits}f}{unit}"


def document(results: Sequence[Result], run: dict[str, Any]) -> dict[str, Any]:
    """Return the results for JSON, with every measured time and the description of the run."""
    return {
        **run,
        "results": [
            {
                "target": target.number,
                "what": result.what,
                "limit": None if result.limit is None else str(result.limit),
                "met": result.met,
                "measured": result.value,
                "unit": result.unit or (result.limit.unit.strip() if result.limit is not None else ""),
                "plan": result.plan or None,
                "as_planned": result.as_planned,
                "bytes": None if result.sizes is None else asdict(result.sizes),
                "milliseconds": {name: each.milliseconds for name, each in result.times.items()},
                "curve": None
                if result.curve is None
                else {"name": result.curve.name, "milliseconds": dict(result.curve.milliseconds)},
            }
            for target, result in results
        ],
    }


def section(results: Sequence[Result], run: dict[str, Any], chart: str | None) -> str:
    """Return a section of a page: the machine and the table; `chart` is the path of the picture from there."""
    lines = [*conditions(run), "", table(results)]
    if listed := plans(results):
        lines += ["", listed]
    if claimed := claims(results, run):
        lines += ["", "### Claims", "", claimed]
    if planned := sizes(results):
        lines += ["", "### Size of rows", "", planned]
    if chart is not None:
        lines += ["", f"![What each operation costs over histories of different lengths]({chart})"]
    return "\n".join(lines)


def conditions(run: dict[str, Any]) -> list[str]:
    """Return the machine of a run, as a Markdown list."""
    server, machine = run["server"], run["machine"]
    settings = ", ".join(f"`{name}={value}`" for name, value in server["settings"].items())
    return [
        f"- `{run['command']}`, {run['date']}, commit {run['commit'] or 'unknown'}, {run['minutes']:.1f} minutes",
        f"- {server['name']} {server['version']}, Python {run['python']}, {machine['cores']} cores of"
        f" {machine['processor']}, {machine['memory_mb'] / 1024:.0f} GB, {machine['system']}",
        f"- {settings}",
    ]


def write_page(path: Path, text: str, engine: str) -> None:
    """Write a page, or the part between `<!-- measured on ENGINE -->` and `<!-- end -->` of a page that has these."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    place = re.compile(_GENERATED.format(engine=re.escape(engine)), re.DOTALL)
    if place.search(before):
        path.write_text(place.sub(lambda match: f"{match[1]}{text}\n{match[2]}", before), encoding="utf-8")
    else:
        path.write_text(f"# Measurements\n\n{text}\n", encoding="utf-8")
