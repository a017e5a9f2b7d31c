"""`kms-schema keys create`: register a key, give it a version and activate it."""

import datetime as dt

import click

from kms_schema.cli import messages
from kms_schema.cli.key_uris import hsm_option, root_key_options
from kms_schema.cli.keys.open_ring import as_ring, print_change
from kms_schema.cli.openers import opened
from kms_schema.cli.options import Common, for_a_change, key_id_argument, with_common
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import KeyType

_TYPES = [kind.value for kind in KeyType]
_MOST_USES = 10**15
_MOST_BITS = 65_536


def _time(_context: click.Context, _parameter: click.Parameter, text: str | None) -> dt.datetime | None:
    """Return a time in the future; one without a zone is in UTC."""
    if text is None:
        return None
    try:
        given = dt.datetime.fromisoformat(text)
        time = given.astimezone(dt.UTC) if given.tzinfo else given.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "give a date or time in ISO 8601, such as 2027-12-31 or 2027-12-31T23:59:59Z"
        ) from None
    if time <= dt.datetime.now(dt.UTC):
        raise click.BadParameter("the time is in the past: a key that has expired does not encrypt")
    return time


@click.command(
    "create",
    epilog="\b\nExamples:"
    "\n  kms-schema keys create kek-2026 --type kek --under kms://root-2026 \\"
    "\n    --root-key kms://root-2026=root-2026.key"
    "\n  kms-schema keys create orders --under kek-2026 \\"
    "\n    --root-key kms://root-2026=root-2026.key"
    "\n  kms-schema keys create cards --in-hsm luna-1 \\"
    "\n    --hsm 'luna-1=pkcs11:token=kms?module-path=…'",
)
@key_id_argument
@click.option(
    "--type", "key_type", type=click.Choice(_TYPES), default="dek", show_default=True, help="The purpose of the key."
)
@click.option(
    "--under", metavar="WRAPPER",
    help="The key that wraps the new key: a KEK, or the REF of a root key, such as kms://root.",
)  # fmt: skip
@click.option("--in-hsm", metavar="NAME", help="The HSM that makes and holds the key, in place of --under.")
@root_key_options
@hsm_option
@click.option(
    "--algorithm", metavar="NAME",
    help="The algorithm; of a dek XAES-256-GCM (default) or AES-256-GCM, which HSMs have.",
)  # fmt: skip
@click.option(
    "--size", type=click.IntRange(1, _MOST_BITS), default=256, show_default=True, metavar="BITS",
    help="The length of the key.",
)  # fmt: skip
@click.option(
    "--max-uses", type=click.IntRange(1, _MOST_USES), metavar="N",
    help="The number of encryptions that each version allows.",
)  # fmt: skip
@click.option(
    "--expires", callback=_time, metavar="TIME",
    help="The time from which the key only decrypts, in UTC if it has no time zone.",
)  # fmt: skip
@with_common(for_a_change)
def create_command(
    *,
    key_id: str,
    key_type: str,
    under: str | None,
    in_hsm: str | None,
    algorithm: str | None,
    size: int,
    max_uses: int | None,
    expires: dt.datetime | None,
    common: Common,
) -> None:
    """Register the key KEY_ID, give it its first version and activate it, in one transaction.

    The login needs the roles kms_admin and kms_rotator. A login with kms_admin alone registers a pending key; the same
    command, run by a login with kms_rotator, then gives the key its version.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    if (under is None) == (in_hsm is None):
        raise click.UsageError("name what wraps the key, --under WRAPPER, or the HSM that holds it, --in-hsm NAME")
    with opened(as_ring(), common) as ring:
        described = ring.create(
            key_id,
            under=under,
            hsm=in_hsm,
            key_type=key_type,
            algorithm=algorithm,
            key_size_bits=size,
            actor=common.actor,
            max_usage_count=max_uses,
            expires_at=expires,
        )
    print_change(described, common.style)
    if described.next_step is not None:
        place = f"--under {under}" if under else f"--in-hsm {in_hsm}"
        step = f"it has no version yet: run the same command as a login in kms_rotator, with {place}"
        messages.note(in_a_line(f"Note: {step}"))
