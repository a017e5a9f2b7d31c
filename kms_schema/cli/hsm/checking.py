"""`kms-schema hsm check`."""

import dataclasses
from contextlib import closing
from typing import TYPE_CHECKING

import click

from kms_schema.cli import messages
from kms_schema.cli.key_uris import despite_refused_pin_option, hsm_option, hsms_of, root_key_options, root_keys_of
from kms_schema.cli.openers import as_engine, opened
from kms_schema.cli.options import Common, for_a_change, with_common
from kms_schema.cli.results import print_json
from kms_schema.text.printable import counted, in_a_line
from kms_schema.vocabulary import HsmHealth

if TYPE_CHECKING:
    from kms_schema.hsm import checking

_SLOW_MS = 1000


@click.command(
    "check",
    epilog="\b\nExample:"
    "\n  MODULE=module-path=/usr/lib/libCryptoki2.so"
    "\n  PIN=pin-source=file:/run/secrets/pin"
    '\n  kms-schema hsm check --hsm "luna-1=pkcs11:token=kms?$MODULE&$PIN"',
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@hsm_option
@click.option(
    "--slow", "slow_ms", type=click.IntRange(1, 600_000), default=_SLOW_MS, show_default=True, metavar="MS",
    help="The response time above which an HSM is DEGRADED.",
)  # fmt: skip
@despite_refused_pin_option
@with_common(root_key_options, for_a_change)
def check_command(*, names: tuple[str, ...], slow_ms: int, despite_refused_pin: bool, common: Common) -> int:
    """Log in to HSMs, encrypt and decrypt, and read the attributes of their keys. The login needs the role kms_rotator.

    The command checks each HSM NAME, or every HSM of --hsm, and writes health and response time to the database; the
    audit log has each change of health. An OFFLINE HSM does not answer. A DEGRADED HSM is slow, does not encrypt as
    needed, lacks a key, or has a key whose attributes have changed since it was made. Without --despite-refused-pin, a
    token that reports a refused PIN is sent no other PIN, which might lock the token.

    Exit status: 0 all HSMs are healthy, 1 an HSM is not, or cannot be checked, 2 usage, 3 no connection or missing
    privilege.
    """
    from kms_schema.hsm import checking
    from kms_schema.hsm.hsms import Hsms

    uris = hsms_of(common.hsms)
    checked = names or tuple(uris)
    if not checked:
        raise click.UsageError("name an HSM: give --hsm NAME=URI for each")
    with (
        root_keys_of(common.roots, despite_refused_pin=despite_refused_pin) as opened_roots,
        opened(as_engine(), common, writing=True) as engine,
        closing(Hsms(uris, despite_refused_pin=despite_refused_pin)) as opened_hsms,
    ):
        done = [
            checking.check_hsm(engine, opened_hsms, each, (opened_roots,), slow_ms=slow_ms, actor=common.actor)
            for each in checked
        ]
    if common.style == "json":
        print_json([dataclasses.asdict(each) for each in done])
    else:
        for each in done:
            _print_check(each)
    return 0 if all(each.health is HsmHealth.HEALTHY for each in done) else 1


def _print_check(done: "checking.HsmCheck") -> None:
    time = "no answer" if done.response_time_ms is None else f"{done.response_time_ms} ms"
    click.echo(in_a_line(f"HSM {done.name!r} is {done.health}: {time}, {counted(done.keys, 'key')} read back"))
    for fault in done.faults:
        click.echo(in_a_line(f"  {fault}"))
    for note in done.notes:
        messages.note(in_a_line(f"Note: {note}"))
