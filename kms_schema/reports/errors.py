"""The error of a report that cannot be written."""

from typing import Literal

from kms_schema.errors import KmsSchemaError


class ReportError(KmsSchemaError, ValueError):
    """There is no such standard or period, or the database cannot be read for a report; the message says which.

    The reason `period`: a text is no period, or the database has nothing to report about it.
    """

    reason: Literal["period"] | None
