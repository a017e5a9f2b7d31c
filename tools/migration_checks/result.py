"""The result of one check."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """The result of one check."""

    checked: str
    """The subject of the check, and how far the check went."""
    problems: list[str] = field(default_factory=list)
    """Each problem, with what to do; empty without problems."""

    def __str__(self) -> str:
        """Return the lines to print."""
        if not self.problems:
            return f"ok    {self.checked}"
        return "\n".join([f"FAIL  {self.checked}", *(f"      - {problem}" for problem in self.problems)])
