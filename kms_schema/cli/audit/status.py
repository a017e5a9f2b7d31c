"""`kms-schema audit status`: the sealing status of the trail."""

from collections.abc import Iterator, Sequence

import click

from kms_schema.audit.formats.texts import to_base64
from kms_schema.audit.sealing.status import SealingStatus, sealing_status
from kms_schema.audit.storage.stored_seals import StoredSeal
from kms_schema.cli.openers import as_trail, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.results import print_result


@click.command(
    "status",
    epilog="\b\nExamples:\n  kms-schema audit status\n  kms-schema audit status --max-lag 10000 --max-age 900"
    "\n  kms-schema audit status --format json"
    "\n\nExit status: 0 within the limits, 1 a limit is exceeded, 2 usage, 3 no connection or missing privilege.",
)
@click.option(
    "--max-lag", type=click.IntRange(0), metavar="ENTRIES",
    help="Exit with status 1 if more entries than this are unsealed.",
)  # fmt: skip
@click.option(
    "--max-age", type=click.FloatRange(0), metavar="SECONDS",
    help="Exit with status 1 if an unsealed entry is older than this.",
)  # fmt: skip
@with_common(where, style_option)
def status_command(*, max_lag: int | None, max_age: float | None, common: Common) -> int:
    """Show the last seal and the unsealed entries; verify nothing."""
    with opened(as_trail(), common) as trail, trail.reading() as snapshot:
        found = sealing_status(snapshot)
        passed = found.exceeded(max_lag, max_age)
    print_result(common.style, _document(found, passed), _lines(found, passed))
    return int(bool(passed))


def _document(found: SealingStatus, passed: Sequence[str]) -> dict[str, object]:
    oldest = {
        "id": found.oldest,
        "sequence": found.oldest_sequence,
        "written_at": found.oldest_at,
        "age_seconds": found.age,
    }
    return {
        "last_seal": None if found.last is None else _seal(found.last),
        "unsealed": found.unsealed,
        "oldest_unsealed": oldest if found.unsealed else None,
        "limits_passed": list(passed),
    }


def _seal(last: StoredSeal) -> dict[str, object]:
    return {
        "number": last.number,
        "origin": last.origin,
        "sealed_at": last.sealed_at,
        "entries": last.tree_size,
        "root": to_base64(last.root_hash),
        "signed_by": last.verifier_key,
        "next_key": last.next_key,
        "checkpoint": last.checkpoint_text(),
    }


def _name(verifier_key: str) -> str:
    """Return the name and the id of a verifier key, without the key itself; JSON has all of it."""
    return "+".join(verifier_key.split("+")[:2])


def _lines(found: SealingStatus, passed: Sequence[str]) -> Iterator[str]:
    last = found.last
    if last is None:
        yield "nothing is sealed"
    else:
        yield f"trail: {last.origin}, tree size {last.tree_size}"
        yield f"last seal: {last.number}, made {last.sealed_at}"
        yield f"signed by {_name(last.verifier_key)}" if last.verifier_key else "UNSIGNED"
        if last.next_key:
            yield f"the next seal must be signed by {_name(last.next_key)}"
        yield f"root: {to_base64(last.root_hash)}"
    if not found.unsealed:
        yield "every entry is sealed"
    else:
        age = "" if found.age is None else f", {found.age:.0f} seconds ago"
        yield f"unsealed entries: {found.unsealed}"
        yield f"the oldest: {found.oldest}, sequence {found.oldest_sequence}{age}"
    yield from passed
