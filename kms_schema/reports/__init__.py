"""Reports about a period and a standard: claims with their queries and figures, and entries with their proofs.

`standards` declares the controls, `claims` what they rest on, and `queries` the SQL of both engines. `reading` has one
snapshot, `computed` what no single query decides, `quoting` the entries with their proofs. `document` is the report,
and `formats` renders it. The page "reports" of the documentation says what a report proves, and what it does not.
"""

from kms_schema.reports.errors import ReportError
from kms_schema.reports.periods import Period
from kms_schema.reports.standards import STANDARDS
from kms_schema.reports.writing import Written, write_report

__all__ = ["STANDARDS", "Period", "ReportError", "Written", "write_report"]
