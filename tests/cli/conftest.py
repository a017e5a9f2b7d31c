"""Fixtures of the tests of commands."""

from pathlib import Path

import pytest

from support.engines import Database
from tests.cli.audit_trails import Trail, trail_of


@pytest.fixture
def trail(database: Database, tmp_path: Path) -> Trail:
    """Return a migrated database with its first entry, and nothing sealed."""
    return trail_of(database, tmp_path)
