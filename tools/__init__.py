"""Development only: not in the wheel."""
