"""The report as one HTML page without scripts, fonts, pictures or network, for the screen and for A4."""

import html
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from kms_schema.reports.document import Document, has_one_value, titled
from kms_schema.reports.outcomes import NOT_PROVABLE
from kms_schema.text.printable import counted, in_a_line, in_lines

# Nothing is loaded or run, whatever text is in the page.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SHOWN = 20
"""The rows of a table, and the entries of a claim, on the page; the JSON format has more, the files have all."""
_SIGNS = {"satisfied": "✓", "not satisfied": "✗", "for review": "?", "not applicable": "·"}


def render(document: Document) -> str:
    """Return the page in ASCII, so that it does not depend on an encoding."""
    style = files("kms_schema.reports.formats").joinpath("report.css").read_text(encoding="utf-8")
    title = f"{document['title']}: {document['period']['name']}"
    page = "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en" dir="ltr">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_line(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            *_header(document),
            *_summary(document),
            *_legend(document),
            *_claims(document),
            f"<footer>{_line(document['tool'])}, <code>kms-schema report</code></footer>\n</body>\n</html>\n",
        ]
    )
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _header(document: Document) -> Iterator[str]:
    period, snapshot = document["period"], document["snapshot"]
    yield f"<header>\n<h1>{_line(document['title'])}</h1>"
    yield f'<p class="period">Evidence from the key management database, {_line(period["name"])}</p>\n<dl>'
    pairs = [
        ("Period", f"{period['start']} up to, not including, {period['end']}"),
        ("Snapshot", snapshot["time"] + ("" if snapshot["period_is_over"] else " (the period is not over)")),
        ("Log begins", snapshot["log_begins"] or "it has no entries"),
        ("Database", f"{snapshot['database']}, schema {snapshot['schema']}"),
        ("Engine", f"{snapshot['engine']} {snapshot['version']}, revision {snapshot['revision']}"),
    ]
    checkpoint = document["checkpoint"]
    if checkpoint is None:
        pairs.append(("Checkpoint", f"none, so no entry has a proof: {document['without_proofs']}"))
    else:
        name = f"seal {checkpoint['seal']} of {checkpoint['origin']}, {checkpoint['size']} entries"
        pairs += [("Checkpoint", f"{name}, sealed at {checkpoint['sealed_at']}"), ("Root", checkpoint["root"])]
        pairs.append(("Verifier key", str(checkpoint["verifier_key"])))
    for name, value in pairs:
        yield f"<dt>{name}</dt><dd><bdi>{_line(value)}</bdi></dd>"
    yield "</dl>\n<ul>"
    yield from (f"<li>{_line(note)}</li>" for note in document["notes"])
    yield "</ul>\n</header>"


def _summary(document: Document) -> Iterator[str]:
    yield "<h2>Controls</h2>"
    states = [each["state"] for each in document["controls"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in _SIGNS if state in states)
    yield f"<p>{counts}.</p>"
    yield '<table class="controls"><thead><tr><th>control</th><th>asks, in our words</th><th>state</th>'
    yield "<th>claims</th><th>not answered here</th></tr></thead><tbody>"
    claims = {each["name"]: each for each in document["claims"]}
    for control in document["controls"]:
        links = ", ".join(
            f'<a href="#{name}">{name}</a>\u00a0<span class="{_class(claims[name]["state"])}">'
            f"{_SIGNS[claims[name]['state']]}</span>"
            for name in control["claims"]
        )
        yield f"<tr><td><b>{_line(control['number'])}</b></td><td>{_line(control['asks'])}</td>"
        yield f'<td>{_state(control["state"])}</td><td>{links}</td><td class="left">{_line(control["left"])}</td></tr>'
    yield "</tbody></table>"


def _legend(document: Document) -> Iterator[str]:
    yield '<h2>Words</h2>\n<dl class="words">'
    for word, meaning in document["legend"].items():
        shown = _state(word) if word in _SIGNS else _line(word)
        yield f"<dt>{shown}</dt><dd>{_line(meaning)}</dd>"
    yield "</dl>"


def _claims(document: Document) -> Iterator[str]:
    yield "<h2>Claims</h2>"
    numbers: dict[str, list[str]] = {}
    for control in document["controls"]:
        for name in control["claims"]:
            numbers.setdefault(name, []).append(control["number"])
    for claim in document["claims"]:
        yield f'<section id="{claim["name"]}">\n<h3>{claim["name"]}: {_state(claim["state"])}</h3>'
        yield f"<p>{_line(claim['claim'])}</p>"
        if claim["reason"]:
            yield f"<p>{_line(_sentence(claim['reason']))}</p>"
        yield f'<p class="proof">For {_line(", ".join(numbers[claim["name"]]))}.</p>'
        if claim["violations"] is not None:
            yield from _table(claim["violations"])
        for table in claim["figures"]:
            yield from _table(table)
        if claim["entries"] is not None:
            yield from _entries(claim["entries"])
        if claim["violations"] or claim["figures"] or claim["entries"]:
            yield f'<p class="proof">{_line(_checking(claim))}</p>'
        yield "</section>"


def _checking(claim: Document) -> str:
    """Return how a reader checks a claim, after what it rests on."""
    if claim["proof"] != NOT_PROVABLE:
        return f"To check: this claim is {claim['proof']}."
    again = "run its queries again on the database, or on a copy of the time of the snapshot"
    if claim["entries"] is None or claim["entries"]["attachment"] is None:
        return f"To check: {again}. This claim is {NOT_PROVABLE}."
    return f"To check: the proofs of the quoted entries need no database. The claim is {NOT_PROVABLE}: {again}."


def _table(table: Document) -> Iterator[str]:
    yield f"<h4>{_line(titled(table))}</h4>"
    if table["rows"] and not has_one_value(table):
        yield from _rows(table["columns"], table["rows"], table["row_count"])
    yield f"<pre>{_lines(table['query'])}</pre>"


def _rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], count: int) -> Iterator[str]:
    classes = [_kind([row[at] for row in rows if row[at] is not None]) for at in range(len(columns))]
    names = [_line(name).replace("_", "_<wbr>") for name in columns]
    head = "".join(f"<th{kind}>{name}</th>" for name, kind in zip(names, classes, strict=True))
    yield f"<table><thead><tr>{head}</tr></thead><tbody>"
    for row in rows[:_SHOWN]:
        cells = (f"<td{kind}><bdi>{_value(value)}</bdi></td>" for value, kind in zip(row, classes, strict=True))
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"
    if count > _SHOWN:
        yield f'<p class="more">{count - _SHOWN} more: --format json lists up to 1,000, and the query all.</p>'


def _kind(values: Sequence[Any]) -> str:
    """Return the class of a column, as an attribute: numbers, times and words such as KEY_REVOKED do not wrap."""
    if values and all(isinstance(each, int | float) for each in values):
        return ' class="number"'
    return ' class="word"' if values and all(_WORD.fullmatch(str(each)) for each in values) else ""


_WORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z|[A-Z_]{1,32}")
_OF_ENTRY = ("sequence", "timestamp", "event_type", "recorded_by", "user_id", "event_description", "leaf_index")


def _entries(entries: Document) -> Iterator[str]:
    yield f"<h4>Entries: {entries['count']}</h4>"
    rows = [[row[name] for name in _OF_ENTRY] for row in entries["rows"]]
    if rows:
        yield from _rows(_OF_ENTRY, rows, entries["count"])
    if entries["attachment"]:
        yield f"<p>Proofs: <code>{_line(entries['attachment'])}</code>, SHA-256 <code>{entries['sha256']}</code></p>"
    if entries["unproven"]:
        faults = sorted({row["without_proof"] for row in entries["rows"] if "without_proof" in row})
        yield f"<p>Without a proof: {counted(entries['unproven'], 'entry')}: {_line('; '.join(faults))}.</p>"
    yield f"<pre>{_lines(entries['query'])}</pre>"


def _state(state: str) -> str:
    return f'<span class="state {_class(state)}">{_SIGNS[state]} {state}</span>'


def _class(state: str) -> str:
    return state.replace(" ", "-")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10000 else _line(str(value))


def _line(text: str) -> str:
    return html.escape(in_a_line(text))


def _lines(text: str) -> str:
    return html.escape(in_lines(text))
