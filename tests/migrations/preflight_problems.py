"""What a preflight finds."""

from kms_schema.preflight import Preflight


def only_problem(verdict: Preflight) -> str:
    (problem,) = verdict.problems
    assert not verdict.go
    return problem
