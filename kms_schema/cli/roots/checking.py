"""`kms-schema roots check`: open every row that is directly under root keys."""

import dataclasses
from typing import TYPE_CHECKING

import click

from kms_schema.cli.key_uris import despite_refused_pin_option, root_key_options, root_keys_of
from kms_schema.cli.openers import as_engine, opened
from kms_schema.cli.options import Common, style_option, where, with_common
from kms_schema.cli.progress import clear, show
from kms_schema.cli.results import name_first, print_json
from kms_schema.text.printable import counted, in_a_line

if TYPE_CHECKING:
    from kms_schema.roots import Checked

_REFUSED = (
    "if no row opens, {0} is given another key than the one under which they were written: give that one. If some open,"
    " the others were changed: kms-schema audit list shows changes, and a backup has the rows"
)


@click.command(
    "check",
    epilog="\b\nExamples:"
    "\n  kms-schema roots check --root-key kms://root-2026=root-2026.key"
    "\n  MODULE=module-path=/usr/lib/softhsm/libsofthsm2.so"
    "\n  PIN=pin-source=file:/run/secrets/pin"
    "\n  kms-schema roots check \\"
    '\n    --root-key "kms://root-2026=pkcs11:token=kms;object=root-1?$MODULE&$PIN"',
)
@root_key_options
@despite_refused_pin_option
@with_common(where, style_option)
def check_command(*, despite_refused_pin: bool, common: Common) -> int:
    """Open every key version and every HSM credential that is directly under a root key, and write nothing.

    Run this before an application uses a root key at a new place. Versions are compared with their key check values.
    Without --despite-refused-pin, a token that reports a refused PIN is sent no other PIN, which might lock the token.

    Exit status: 0 every row of these roots opens, 1 a row does not open, or a root cannot be used, 2 usage, 3 no
    connection or missing privilege.
    """
    from kms_schema import roots as roots_of_trust

    if not common.roots:
        raise click.UsageError("give the root keys to check with --root-key or KMS_ROOT_KEYS")
    try:
        with (
            root_keys_of(common.roots, despite_refused_pin=despite_refused_pin) as opened_roots,
            opened(as_engine(), common) as engine,
        ):
            checked = roots_of_trust.check_roots(engine, opened_roots, progress=lambda rows: show(f"{rows} opened"))
            missing = roots_of_trust.missing_roots(engine, opened_roots)
    finally:
        clear()
    _print(checked, missing, common.style)
    return 1 if any(each.refused for each in checked) else 0


def _print(checked: "list[Checked]", missing: list[str], style: str) -> None:
    if style == "json":
        document = {"roots": [dataclasses.asdict(each) for each in checked], "not_checked": missing}
        print_json(document)
        return
    for each in checked:
        name_first([f"{each.reference} does not open {refused}" for refused in each.refused])
        if each.refused:
            click.echo(in_a_line(_REFUSED.format(each.reference)), err=True)
        for warning in each.warnings:
            click.echo(in_a_line(f"{each.reference}: {warning}"), err=True)
        if each.unnamed:
            click.echo(
                in_a_line(f"HSM configurations that name no root, and do not open with it: {each.unnamed}"), err=True
            )
        click.echo(
            in_a_line(
                f"{each.reference} ({each.key}): {counted(each.versions, 'key version')} and"
                f" {counted(each.configurations, 'HSM configuration')} open,"
                f" {len(each.refused)} {'does' if len(each.refused) == 1 else 'do'} not"
            )
        )
    for reference in missing:
        click.echo(
            in_a_line(f"not checked: there are rows under {reference!r} as well, a root key that was not given"),
            err=True,
        )
