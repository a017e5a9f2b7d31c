"""The version of this package, by itself: whatever stands below the package's own names may say it."""

__version__ = "0.1.0"
