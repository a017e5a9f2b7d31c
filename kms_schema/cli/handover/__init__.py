"""`kms-schema handover`: hand a key version to somebody else. See the page "handover" of the documentation."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

IN_PROGRAM = {"handover": Lazy("kms_schema.cli.handover:handover", "Hand a key version to somebody else")}
_COMMANDS = {
    "import": Lazy("kms_schema.cli.handover.receiving:import_command", "Create a key from a handover file"),
    "new-key": Lazy("kms_schema.cli.handover.key_pairs:new_key_command", "Make the key pair of a receiver"),
    "open": Lazy("kms_schema.cli.handover.receiving:open_command", "Write the material of a handover file"),
    "send": Lazy("kms_schema.cli.handover.sending:send_command", "Wrap a key version to a public key"),
    "show": Lazy("kms_schema.cli.handover.key_pairs:show_command", "Show a handover file or a public key"),
}


@click.group("handover", cls=LazyGroup, lazy=_COMMANDS, words=["handover"])
def handover() -> None:
    """Hand a version of a key to somebody else, wrapped to a public key by HPKE with ML-KEM-768 and X25519.

    The receiver makes a key pair, the sender wraps a version to its public key, and the receiver imports the file into
    a database of its own. Compare fingerprints through another channel than the files: nothing in a file proves its
    sender.
    """
