"""Records of operations, which commands write after success; a record that cannot be written is a warning."""

import click

from kms_schema.database.driver_connections import DatabaseConnection
from kms_schema.text.printable import in_a_line
from kms_schema.vocabulary import RecordedOperation


def record(
    connection: DatabaseConnection,
    schema: str,
    operation: RecordedOperation,
    subject: str,
    *,
    seal_number: int | None = None,
    findings: tuple[int, int, int, int] | None = None,
) -> bool:
    """Record an operation; if that fails, say so on standard error and return False.

    `record_operation` explains the parameters.
    """
    from kms_schema.audit.storage import errors, operation_records

    try:
        operation_records.record_operation(
            connection, operation, subject, schema=schema, seal_number=seal_number, findings=findings
        )
    except errors.TrailError as error:
        what = f"the {operation.lower()} is not recorded, and metrics do not show it"
        hint = "; run kms-schema roles --apply" if error.reason == "not_permitted" else ""
        click.echo(in_a_line(f"{what}: {error}{hint}"), err=True)
        return False
    return True
