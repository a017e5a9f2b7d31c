"""Writes a report: the snapshot, the document, its attachments, and the entry that records it."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from kms_schema import audit
from kms_schema.audit.formats.encoding import Value
from kms_schema.audit.formats.texts import from_base64
from kms_schema.audit.storage.open import snapshot_within
from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.files.outputs import FOR_OTHERS, recorded_file
from kms_schema.reports.claims import CLAIMS
from kms_schema.reports.document import Document, document_of
from kms_schema.reports.errors import ReportError
from kms_schema.reports.evaluating import outcomes
from kms_schema.reports.formats import html, oscal
from kms_schema.reports.periods import Period
from kms_schema.reports.quoting import Attachments, quote
from kms_schema.reports.reading import Progress, Reading, no_progress
from kms_schema.reports.scope import Scope
from kms_schema.reports.standards import STANDARDS
from kms_schema.reports.standards.control import Standard
from kms_schema.validator import in_snapshot
from kms_schema.validator.report import Report

if TYPE_CHECKING:
    from kms_schema.validator.waivers import Waiver


def _json(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


FORMATS: dict[str, Callable[[Document], str]] = {"html": html.render, "json": _json, "oscal": oscal.render}
"""The functions that render a document, by the names of `kms-schema report --format`."""

SUFFIXES = {"html": "html", "json": "json", "oscal": "oscal.json"}


@dataclass(frozen=True)
class Written:
    """A report that was written."""

    document: Document
    path: Path | None
    """The file; None for a report that was only returned."""
    content: bytes
    sha256: str
    """Of `content`, in hexadecimal."""
    attachments: tuple[Path, ...]
    """The checkpoint, and the files of proofs."""
    entry: Mapping[str, Value] | None = None
    """The entry `DOCUMENT_WRITTEN` with its columns; None without `record`."""

    @property
    def not_satisfied(self) -> tuple[str, ...]:
        """The numbers of the controls that are not satisfied."""
        return tuple(each["number"] for each in self.document["controls"] if each["state"] == "not satisfied")


def write_report(
    connection: DatabaseConnection,
    standard: str,
    period: str,
    path: Path | None,
    *,
    style: str = "html",
    schema: str = "public",
    record: bool = True,
    user_id: str | None = None,
    replace: bool = False,
    waivers: "Sequence[Waiver]" = (),
    progress: Progress = no_progress,
) -> Written:
    """Write the report of a standard about a period, from one read-only snapshot.

    Parameters:
        connection: of psycopg or sqlite3, in no transaction; a member of kms_auditor is enough.
        standard: one of `STANDARDS`.
        period: such as `2026-Q3`; see `Period.parse`.
        path: the new file of the report. Its checkpoint and its files of proofs get names beside it that begin with
            its whole name: reports of other formats have files of their own. With None the report is only returned,
            and no quoted entry has a proof.
        style: `html`, `json` or `oscal`.
        schema: the PostgreSQL schema of the tables; ignored on SQLite.
        record: write an entry with the SHA-256 of the file before any file gets its name; the document says if not.
        user_id: the person behind the login in that entry, as claimed.
        replace: replace files that are there, although the audit log may have their hashes.
        waivers: accepted findings of the validator, from `kms_schema.read_waivers`: the report lists them, and a
            claim that they are about is for review.
        progress: called while entries are hashed, with `hashed`, the entries so far, and all.

    Returns what was written. Raises `ReportError` for an unknown standard or period, for a path that is a device or a
    folder, and for a database that is not at the newest revision. Raises `kms_schema.ValidationError` if there is no
    consistent read, `OSError` (`OutputFileError` for a file that is there), and errors of the driver.

    Example:
        with psycopg.connect("dbname=kms", autocommit=True) as connection:
            write_report(connection, "pci-dss-4.0.1", "2026-Q3", Path("q3.html"))
    """
    if standard not in STANDARDS:
        raise ReportError(f"there is no standard {standard!r}; the standards are {', '.join(STANDARDS)}")
    if style not in FORMATS:
        raise ReportError(f"there is no format {style!r}; the formats are {', '.join(FORMATS)}")
    if path is not None and path.exists() and not path.is_file():
        raise ReportError(f"{path} is no regular file, and a report has other files beside it: name a file")
    chosen, span = STANDARDS[standard], Period.parse(period)
    with ExitStack() as files:
        # The report has its name last, after its attachments.
        output = BytesIO() if path is None else files.enter_context(recorded_file(path, replace=replace))
        proofs = Attachments(path, files, replace=replace)
        document = _read(connection, chosen, span, proofs, schema, progress=progress, recorded=record, waivers=waivers)
        content = FORMATS[style](document).encode()
        attachments = [] if path is None else [path.with_name(name) for name in _attached(document)]
        if path is not None and document["checkpoint"] is not None:
            attachments.insert(0, path.with_name(f"{path.name}.checkpoint.txt"))
            note = files.enter_context(recorded_file(attachments[0], replace=replace, mode=FOR_OTHERS))
            note.write(document["checkpoint"]["note"].encode())
        output.write(content)
        digest, written = sha256(content).hexdigest(), None
        if record:
            scope = f"{standard}, {span.name}"
            entry = audit.Document("report", style, digest, scope, _checkpoint(document))
            written = audit.record_document(audit.open_trail(connection, schema), entry, user_id=user_id)
    return Written(document, path, content, digest, tuple(attachments), written)


def _checkpoint(document: Document) -> audit.Checkpoint | None:
    about = document["checkpoint"]
    return None if about is None else audit.Checkpoint(about["origin"], about["size"], from_base64(about["root"]))


def _attached(document: Document) -> list[str]:
    quoted = [each["entries"] for each in document["claims"] if each["entries"]]
    return [each["attachment"] for each in quoted if each["attachment"]]


def _read(
    connection: DatabaseConnection,
    standard: Standard,
    period: Period,
    attachments: Attachments,
    schema: str,
    *,
    progress: Progress,
    recorded: bool,
    waivers: "Sequence[Waiver]",
) -> Document:
    found: list[Document] = []
    names = dict.fromkeys(name for control in standard.controls for name in control.claims)
    claims = [CLAIMS[name] for name in names]

    def read(validation: Report) -> None:
        _refuse_other_revision(validation)
        with snapshot_within(connection, schema) as snapshot:
            now = datetime.fromisoformat(snapshot.now().replace("Z", "+00:00")).astimezone(UTC)
            if now <= period.start:
                raise ReportError(
                    f"the period {period.name} has not begun: it is {now:%Y-%m-%d %H:%M} UTC", reason="period"
                )
            scope = Scope(validation.engine, schema, period, now)
            reading = Reading.of(snapshot, scope, validation, progress)
            begins = reading.log_begins
            if begins is not None and period.end <= begins and not reading.summary:
                raise ReportError(
                    f"the period {period.name} ended before the log begins, at {begins:%Y-%m-%d %H:%M} UTC:"
                    " name a later period",
                    reason="period",
                )
            quoted = quote(reading, claims, attachments)
            decided = outcomes(reading, claims, quoted)
            found.append(document_of(standard, reading, decided, recorded=recorded, database=validation.database))

    in_snapshot(connection, read, schema=schema, waivers=waivers)
    return found[-1]


def _refuse_other_revision(validation: Report) -> None:
    if validation.compared_with == validation.head:
        return
    at = f"at revision {validation.compared_with}" if validation.compared_with else "without the schema"
    raise ReportError(f"the database is {at}, and a report needs {validation.head}: run kms-schema upgrade")
