"""What one check found."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """One thing that was looked at."""

    checked: str
    """What was checked, in words that also say how far the check went."""
    problems: list[str] = field(default_factory=list)
    """What is wrong, and what to do; nothing if it is in order."""

    def __str__(self) -> str:
        """Return the lines to print."""
        if not self.problems:
            return f"ok    {self.checked}"
        return "\n".join([f"FAIL  {self.checked}", *(f"      - {problem}" for problem in self.problems)])
