"""The standards that reports are about, with their controls; data only.

The page "reports" of the documentation has the table of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kms_schema.reports.standards.control import Control, Standard
from kms_schema.reports.standards.gdpr import GDPR
from kms_schema.reports.standards.nist_sp_800_57 import NIST_SP_800_57
from kms_schema.reports.standards.pci_dss import PCI_DSS
from kms_schema.reports.standards.sox import SOX

STANDARDS: Mapping[str, Standard] = MappingProxyType(
    {standard.name: standard for standard in (PCI_DSS, SOX, GDPR, NIST_SP_800_57)}
)
"""The standards, by the names of `kms-schema report --standard`."""

__all__ = ["STANDARDS", "Control", "Standard"]
