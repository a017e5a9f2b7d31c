"""Modules that are imported when a command uses them: see `kms_schema.on_use`."""

from kms_schema.on_use import load as load  # noqa: PLC0414  (for importers of this module)
from kms_schema.on_use import on_use as on_use  # noqa: PLC0414
