"""The error of a report that cannot be written."""

from kms_schema.errors import KmsSchemaError


class ReportError(KmsSchemaError, ValueError):
    """There is no such standard or period, or the database cannot be read for a report; the message says which."""


class PeriodError(ReportError):
    """The text is no period, or the database has nothing to report about it."""
