"""The report as OSCAL 1.2.1 assessment results.

A claim is an observation. A control that is satisfied or not is a finding with its observations. One that is for
review, or not applicable, has observations only: OSCAL knows no other states of a finding. Ids are of version 5: the
same report always has the same ones.
"""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from kms_schema.reports.document import Document, titled

OSCAL_VERSION = "1.2.1"
NAMESPACE = "https://kms-schema.invalid/ns/report"
"""Of the properties that OSCAL does not have."""
_IDS = uuid.UUID("6f1d1c3e-6f2b-5d0a-9a53-0d6f5a1c8b11")
_FINDINGS = {"satisfied": ("satisfied", "pass"), "not satisfied": ("not-satisfied", "fail")}


def render(document: Document) -> str:
    """Return the document as JSON."""
    return json.dumps({"assessment-results": _results(document)}, ensure_ascii=False, indent=1) + "\n"


def _results(document: Document) -> Document:
    ids = _Ids(f"{document['standard']} {document['period']['name']} {document['snapshot']['time']}")
    snapshot = document["snapshot"]
    resources = [
        {
            "uuid": ids("plan"),
            "title": "No assessment plan",
            "description": "kms-schema report selects the controls and the claims; "
            'the page "reports" of the documentation lists them.',
        },
        *_resources(document, ids),
    ]
    return {
        "uuid": ids("report"),
        "metadata": {
            "title": f"{document['title']}: evidence of {document['period']['name']}",
            "last-modified": snapshot["time"],
            "version": document["period"]["name"],
            "oscal-version": OSCAL_VERSION,
            "props": _props({"tool": document["tool"], "recorded": "yes" if document["recorded"] else "no"}),
            "remarks": "\n\n".join(document["notes"]),
        },
        "import-ap": {"href": f"#{ids('plan')}"},
        "results": [_result(document, ids)],
        "back-matter": {"resources": resources},
    }


def _result(document: Document, ids: "_Ids") -> Document:
    period, snapshot = document["period"], document["snapshot"]
    controls = [{"control-id": _control_id(document, each)} for each in document["controls"]]
    properties = {
        "database": snapshot["database"], "engine": f"{snapshot['engine']} {snapshot['version']}",
        "revision": snapshot["revision"], "snapshot": snapshot["time"],
    }  # fmt: skip
    if document["checkpoint"]:
        names = ("seal", "origin", "size", "root")
        properties |= {f"checkpoint-{name}": document["checkpoint"][name] for name in names}
    result: Document = {
        "uuid": ids("result"),
        "title": f"{document['title']}, {period['name']}",
        "description": "Claims about the database of a key-management system, with their queries and figures.",
        "start": period["start"],
        "end": period["end"],
        "props": _props(properties),
        "reviewed-controls": {"control-selections": [{"include-controls": controls}]},
        "observations": [_observation(document, each, ids) for each in document["claims"]],
    }
    if findings := [_finding(document, each, ids) for each in document["controls"] if each["state"] in _FINDINGS]:
        result["findings"] = findings
    return result


def _finding(document: Document, control: Document, ids: "_Ids") -> Document:
    state, reason = _FINDINGS[control["state"]]
    return {
        "uuid": ids(f"finding {control['number']}"),
        "title": f"{control['number']}: {control['state']}",
        "description": control["asks"],
        "target": {
            "type": "objective-id",
            "target-id": _control_id(document, control),
            "status": {"state": state, "reason": reason},
            "remarks": f"Not answered here: {control['left']}",
        },
        "related-observations": [{"observation-uuid": ids(f"claim {name}")} for name in control["claims"]],
    }


def _observation(document: Document, claim: Document, ids: "_Ids") -> Document:
    evidence = [_of_table(table) for table in (claim["violations"], *claim["figures"]) if table is not None]
    entries = claim["entries"]
    if entries:
        found: Document = {
            "description": f"{entries['count']} entries, {entries['unproven']} of them without a proof.",
            "props": _props({"query": entries["query"], "entries": entries["count"]}),
        }
        if entries["attachment"]:
            found["href"] = f"#{ids(entries['attachment'])}"
        evidence.append(found)
    properties = {"claim": claim["name"], "state": claim["state"], "proof": claim["proof"]}
    observation: Document = {
        "uuid": ids(f"claim {claim['name']}"),
        "title": claim["name"],
        "description": claim["claim"],
        "props": _props(properties),
        "methods": ["TEST" if claim["violations"] is not None else "EXAMINE"],
        "types": ["control-objective"],
        "collected": document["snapshot"]["time"],
    }
    if evidence:
        observation["relevant-evidence"] = evidence
    if claim["reason"]:
        observation["remarks"] = claim["reason"]
    return observation


def _of_table(table: Document) -> Document:
    rows = json.dumps({"columns": table["columns"], "rows": table["rows"][:20]})
    # Remarks are Markdown, in which a value could otherwise be a link or HTML: it stays JSON with these escaped.
    for sign in "<>&`":
        rows = rows.replace(sign, f"\\u{ord(sign):04x}")
    return {
        "description": titled(table),
        "props": _props({"query": table["query"], "rows": table["row_count"]}),
        "remarks": f"The first rows:\n\n```json\n{rows}\n```",
    }


def _resources(document: Document, ids: "_Ids") -> Iterable[Document]:
    for claim in document["claims"]:
        entries = claim["entries"]
        if entries and entries["attachment"]:
            yield {
                "uuid": ids(entries["attachment"]),
                "title": f"Proofs of the entries of {claim['name']}",
                "rlinks": [
                    {
                        "href": entries["attachment"],
                        "media-type": "application/gzip",
                        "hashes": [{"algorithm": "SHA-256", "value": entries["sha256"]}],
                    }
                ],
            }


def _props(values: Document) -> list[Document]:
    # A value of a property is one line that begins and ends with a letter, a digit or a sign.
    return [
        {"name": name, "ns": NAMESPACE, "value": " ".join(str(value).split()) or "none"}
        for name, value in values.items()
    ]


def _control_id(document: Document, control: Document) -> str:
    number = control["number"].replace("(", "-").replace(")", "")
    return f"{document['standard']}_{number}"


class _Ids:
    """Gives each part of a report the same id each time."""

    def __init__(self, report: str) -> None:
        self._space = uuid.uuid5(_IDS, report)

    def __call__(self, part: Any) -> str:
        return str(uuid.uuid5(self._space, part))
