"""`kms-schema report` and `kms-schema inventory`: documents about the keys, whose SHA-256 the audit log has."""

from kms_schema.cli.lazy_group import Lazy

IN_PROGRAM = {
    "inventory": Lazy("kms_schema.cli.documents.inventory:inventory_command", "Write an inventory of all keys"),
    "report": Lazy("kms_schema.cli.documents.report:report_command", "Write a report about a standard and a period"),
}
