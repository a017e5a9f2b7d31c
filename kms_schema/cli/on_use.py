"""Modules that are imported when a command uses them: see `kms_schema.on_use`."""

from kms_schema.on_use import load, on_use

__all__ = ["load", "on_use"]
