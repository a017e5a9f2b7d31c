"""`kms-schema keys`: create, use and retire the keys that applications use."""

import click

from kms_schema.cli.lazy_group import Lazy, LazyGroup

IN_PROGRAM = {
    "destroy-version": Lazy(
        "kms_schema.cli.keys.destroy_version:destroy_version", "Destroy the material of a key version"
    ),
    "keys": Lazy("kms_schema.cli.keys:keys", "Create, use and retire keys"),
    "reencrypt": Lazy("kms_schema.cli.keys.reencrypt:reencrypt_command", "Re-encrypt a column of an application"),
}
_COMMANDS = {
    "activate": Lazy("kms_schema.cli.keys.changes:activate_command", "Activate a pending key"),
    "archive": Lazy("kms_schema.cli.keys.changes:archive_command", "Archive a key that is not used any more"),
    "create": Lazy("kms_schema.cli.keys.creating:create_command", "Create a key with its first version"),
    "decrypt": Lazy("kms_schema.cli.keys.files:decrypt_command", "Decrypt a file or standard input"),
    "encrypt": Lazy("kms_schema.cli.keys.files:encrypt_command", "Encrypt a file or standard input"),
    "expire": Lazy("kms_schema.cli.keys.changes:expire_command", "Let a key decrypt only"),
    "list": Lazy("kms_schema.cli.keys.listing:list_command", "List keys"),
    "revoke": Lazy("kms_schema.cli.keys.changes:revoke_command", "Revoke a key, such as a leaked one"),
    "rotate": Lazy("kms_schema.cli.keys.changes:rotate_command", "Give a key a new live version"),
    "show": Lazy("kms_schema.cli.keys.listing:show_command", "Show a key and its versions"),
}


@click.group("keys", cls=LazyGroup, lazy=_COMMANDS, words=["keys"])
def keys() -> None:
    """Create keys, change their status, and encrypt and decrypt files with them.

    To create keys, a login needs the roles kms_admin and kms_rotator; to change them, kms_rotator; to encrypt and
    decrypt, kms_app. No command shows the material of a key.
    """
