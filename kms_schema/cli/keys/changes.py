"""`kms-schema keys activate`, `rotate`, `expire`, `archive` and `revoke`: change a key."""

import shlex

import click

from kms_schema.cli import messages
from kms_schema.cli.key_uris import hsm_option, root_key_options
from kms_schema.cli.keys.open_ring import as_ring, print_change
from kms_schema.cli.openers import opened
from kms_schema.cli.options import Common, for_a_change, key_id_argument, with_common
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import KeyType

_AFTER_KEK = (
    "keys create NEW --type kek --under ROOT",
    "rewrap --from {name}:VERSION --to NEW:1",
    "destroy-version {name} VERSION",
)
_AFTER_DATA_KEY = (
    "keys create NEW --under KEK",
    "reencrypt TABLE.COLUMN --key {name} --to NEW --from-revoked REASON",
    "keys decrypt {name} FILE --aad TEXT --output NEWFILE --from-revoked REASON",
    "keys archive {name}",
)
"""The commands that follow a revocation: for each column, and for each file."""


@click.command("activate", epilog="\b\nExample:\n  kms-schema keys activate orders")
@key_id_argument
@with_common(for_a_change)
def activate_command(*, key_id: str, common: Common) -> None:
    """Activate the pending key KEY_ID, and its last version if no version is live. The login needs the role
    kms_rotator.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    with opened(as_ring(), common) as ring:
        described = ring.activate(key_id, actor=common.actor)
    print_change(described, common.style)


@click.command(
    "rotate", epilog="\b\nExample:\n  kms-schema keys rotate orders --root-key kms://root-2026=root-2026.key"
)
@key_id_argument
@with_common(root_key_options, hsm_option, for_a_change)
def rotate_command(*, key_id: str, common: Common) -> None:
    """Give the active key KEY_ID a new version, live at once; the old version still decrypts.

    The login needs the role kms_rotator. Keys that a KEK wraps stay under its old version until `kms-schema rewrap`
    moves them.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    with opened(as_ring(), common) as ring:
        described = ring.rotate(key_id, actor=common.actor)
    print_change(described, common.style)


@click.command("expire", epilog="\b\nExample:\n  kms-schema keys expire orders")
@key_id_argument
@with_common(for_a_change)
def expire_command(*, key_id: str, common: Common) -> None:
    """Let the key KEY_ID decrypt only, from now on. The login needs the role kms_rotator.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    with opened(as_ring(), common) as ring:
        described = ring.expire(key_id, actor=common.actor)
    print_change(described, common.style)


@click.command("archive", epilog="\b\nExample:\n  kms-schema keys archive orders")
@key_id_argument
@with_common(for_a_change)
def archive_command(*, key_id: str, common: Common) -> None:
    """Archive the key KEY_ID, which is rotated, expired or revoked: it no longer decrypts.

    Refused while a column that an application has declared contains ciphertexts of the key, or cannot be read. The
    login needs the role kms_rotator. No command takes an archived key back into use.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    with opened(as_ring(), common) as ring:
        described = ring.archive(key_id, actor=common.actor)
    print_change(described, common.style)


@click.command("revoke", epilog="\b\nExample:\n  kms-schema keys revoke orders --reason 'leaked, incident 4711'")
@key_id_argument
@click.option(
    "--reason", required=True, metavar="TEXT",
    help="The reason, which is stored with the key and in the audit log; write no secret into it.",
)  # fmt: skip
@click.option(
    "--now", is_flag=True,
    help="Revoke the key even while columns contain its ciphertexts; only --from-revoked opens them then.",
)  # fmt: skip
@with_common(for_a_change)
def revoke_command(*, key_id: str, reason: str, now: bool, common: Common) -> None:
    """Revoke the key KEY_ID: within a minute no process encrypts or decrypts with it.

    Refused while a column that an application has declared contains ciphertexts of the key, or cannot be read. The
    login needs the role kms_rotator. No command takes a revoked key back into use.

    Exit status: 0 done, 1 refused, 2 usage, 3 no connection or missing privilege.
    """
    with opened(as_ring(), common) as ring:
        described = ring.revoke(key_id, reason=reason, now=now, actor=common.actor)
    print_change(described, common.style)
    name = shlex.quote(key_id)
    messages.note("Then run, in this order:")
    for step in _AFTER_KEK if described.key_type == KeyType.KEK else _AFTER_DATA_KEY:
        messages.note(in_a_line(f"  kms-schema {step.format(name=name)}"))
