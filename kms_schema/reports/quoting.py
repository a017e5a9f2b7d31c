"""The entries that a report quotes: read in one pass over the period, each with its proof, into files of proofs."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

from kms_schema.audit.proofs.many import Prover
from kms_schema.files.outputs import recorded_file
from kms_schema.reports.claims import Claim
from kms_schema.reports.outcomes import LISTED, Quoted
from kms_schema.reports.reading import Reading, plain
from kms_schema.reports.scope import Selection

_COLUMNS = (
    "sequence", "id", "timestamp", "event_type", "security_level", "risk_score", "recorded_by", "user_id",
    "event_description", "leaf_index",
)  # fmt: skip
_QUOTED = [name for name in _COLUMNS if name not in {"id", "leaf_index"}]
"""The columns that a proof has in the same form."""
_COMPRESSION = 3


class Attachments:
    """Files of proofs beside a report: compressed JSON lines, each line a proof that check_audit.py reads."""

    def __init__(self, report: Path | None, files: ExitStack, *, replace: bool = False) -> None:
        """Name them after `report`; they get their names when `files` ends, and none does if it ends by an error."""
        self._report, self._files, self._replace = report, files, replace
        self._open: dict[str, tuple[_Hashing, gzip.GzipFile]] = {}

    @property
    def possible(self) -> bool:
        """True if the report is a file, which others can be beside."""
        return self._report is not None

    def path(self, name: str) -> Path:
        """Return the path of an attachment."""
        assert self._report is not None  # noqa: S101  (nothing is written without it)
        return self._report.with_name(f"{self._report.name}.{name}")

    def write(self, claim: str, line: bytes) -> None:
        """Add a proof to the file of a claim."""
        if claim not in self._open:
            file = recorded_file(self.path(_file_of(claim)), replace=self._replace)
            hashing = _Hashing(self._files.enter_context(file))
            self._open[claim] = hashing, gzip.GzipFile("", "wb", _COMPRESSION, hashing, mtime=0)
        self._open[claim][1].write(line)

    def close(self) -> dict[str, tuple[str, str]]:
        """End the files, and return the name and SHA-256 of each, by claim."""
        found = {}
        for claim, (hashing, compressed) in self._open.items():
            compressed.close()
            found[claim] = self.path(_file_of(claim)).name, hashing.sha256.hexdigest()
        return found


class _Hashing:
    """A file that hashes what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _file_of(claim: str) -> str:
    return f"{claim}.jsonl.gz"


def quote(reading: Reading, claims: Iterable[Claim], attachments: Attachments) -> Mapping[str, Quoted]:
    """Return the quoted entries of each claim that has a selection, and write their proofs.

    The memory does not grow with the entries: a report has the first of them, and the files have all.
    """
    chosen = {claim.name: claim.selection for claim in claims if claim.selection is not None}
    quoted = {name: Quoted(_query(reading, selection)) for name, selection in chosen.items()}
    if chosen:
        every = " OR ".join(selection.condition for selection in chosen.values())
        prover = None if reading.seal is None else Prover(reading.snapshot, reading.seal)
        with closing(reading.snapshot.stream(reading.scope.render("selected", condition=every))) as batches:
            for batch in batches:
                _add(batch, chosen, quoted, prover, attachments)
    for name, (file, sha256) in attachments.close().items():
        quoted[name].attachment, quoted[name].sha256 = file, sha256
    return quoted


def _query(reading: Reading, selection: Selection) -> str:
    return reading.scope.render("selected", condition=selection.condition)


def _add(
    batch: Sequence[tuple[Any, ...]],
    chosen: Mapping[str, Selection],
    quoted: Mapping[str, Quoted],
    prover: Prover | None,
    attachments: Attachments,
) -> None:
    rows = [dict(zip(_COLUMNS, map(plain, row), strict=True)) for row in batch]
    places = [(row["sequence"], row["leaf_index"]) for row in rows]
    proofs = prover.prove(places) if prover else ()
    lines = {proven.sequence: proven for proven in proofs}
    for row in rows:
        proven = lines.get(row["sequence"])
        for name, selection in chosen.items():
            if not selection.has(row["event_type"], row["security_level"], row["risk_score"]):
                continue
            of = quoted[name]
            of.count += 1
            fault = "no signed seal" if proven is None else proven.fault
            line = None if proven is None else proven.line
            if line is not None and not attachments.possible:
                line, fault = None, "standard output has no file of proofs beside it"
            if line is not None and len(of.rows) < LISTED and not _is_about(line, row):
                line, fault = None, "key_audit_trail shows other values than key_audit_logs: run kms-schema validate"
            if line is None:
                of.unproven += 1
            else:
                attachments.write(name, line)
            if len(of.rows) < LISTED:
                of.rows.append({**row, **({"without_proof": fault} if fault else {})})


def _is_about(line: bytes, row: Mapping[str, Any]) -> bool:
    """Return whether a proof is about the entry as it is quoted: a view that was replaced may show another one."""
    entry = json.loads(line)["entry"]
    same_id = entry["id"].replace("-", "") == row["id"].replace("-", "")  # SQLite has 32 digits
    return same_id and all(entry[name] == row[name] for name in _QUOTED)
